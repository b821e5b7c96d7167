// Four reductions of the messages into a node at once, as PNA takes them (Corso et al., NeurIPS 2020):
// mean, minimum, maximum and standard deviation √(Σ (m - mean)² / n + 1e-5), side by side in a row of 4 d.
#include "op.h"

namespace gnnlab {

// The messages into a node are read twice, the second time from the cache: Σ m² / n - mean² would cancel.
template <class T, class I> struct MultiAggregate {
  const T* x;
  const I* rowptr;
  T* out;
  int64_t width;
  template <class Lane> HD void operator()(int64_t i, Lane lane) const {
    using V = typename Lane::V;
    const int64_t first = rowptr[i], last = rowptr[i + 1];
    V mean(0), low(0), high(0), square(0);
    if (first < last) {
      const Acc<T> share = 1 / static_cast<Acc<T>>(last - first);
      low = high = lane.load(x + first * width);
      for (int64_t p = first; p < last; ++p) {
        const V m = lane.load(x + p * width);
        mean += m;
        low = minimum_(low, m);
        high = maximum_(high, m);
      }
      mean = mean * share;
      for (int64_t p = first; p < last; ++p) {
        const V off = lane.load(x + p * width) - mean;
        square += off * off;
      }
      square = sqrt_(square * share + Acc<T>(1e-5));
    }
    T* row = out + i * 4 * width;
    lane.store(row, mean);
    lane.store(row + width, low);
    lane.store(row + 2 * width, high);
    lane.store(row + 3 * width, square);
  }
};

// grad_m = g_mean / n + [first minimum] g_min + [first maximum] g_max + g_std (m - mean) / (n std). The mean is taken
// again: as it was stored it may be rounded to bfloat16, by more than the messages differ.
template <class T, class I> struct MultiAggregateBackward {
  const T *g, *x, *out;
  const I* rowptr;
  T* grad_x;
  int64_t width;
  template <class Lane> HD void operator()(int64_t i, Lane lane) const {
    using V = typename Lane::V;
    const int64_t first = rowptr[i], last = rowptr[i + 1];
    if (first == last) return;
    const Acc<T> share = 1 / static_cast<Acc<T>>(last - first);
    const T *result = out + i * 4 * width, *grad = g + i * 4 * width;
    const V low = lane.load(result + width), high = lane.load(result + 2 * width);
    const V slope = lane.load(grad + 3 * width) * share / lane.load(result + 3 * width);
    const V all = lane.load(grad) * share;
    V at_low = lane.load(grad + width), at_high = lane.load(grad + 2 * width), mean(0);
    for (int64_t p = first; p < last; ++p) mean += lane.load(x + p * width);
    mean = mean * share;
    for (int64_t p = first; p < last; ++p) {
      const V m = lane.load(x + p * width);
      const auto is_low = m == low, is_high = m == high;
      lane.store(grad_x + p * width,
                 all + slope * (m - mean) + select(is_low, at_low, V(0)) + select(is_high, at_high, V(0)));
      at_low = select(is_low, V(0), at_low);
      at_high = select(is_high, V(0), at_high);
    }
  }
};

Tensor multi_aggregate(const Tensor& x_, const Tensor& rowptr_) {
  const Tensor x = dense(x_), rowptr = dense(rowptr_);
  STD_TORCH_CHECK(x.dim() == 2 && ends_at(rowptr, x.size(0)),
                  "multi_aggregate: expected messages [E, d] for the edges of the batch");
  const int64_t rows = rowptr.size(0) - 1, width = x.size(1);
  Tensor out = new_empty(x, {rows, 4 * width});
  by_types(x, rowptr, "multi_aggregate", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    for_rows<T>(x, read<I>(rowptr), rows, x.size(0), width,
                MultiAggregate<T, I>{read<T>(x), read<I>(rowptr), write<T>(out), width});
  });
  return out;
}

Tensor multi_aggregate_backward(const Tensor& g_, const Tensor& x_, const Tensor& out_, const Tensor& rowptr_) {
  const Tensor g = dense(g_), x = dense(x_), out = dense(out_), rowptr = dense(rowptr_);
  const int64_t rows = rowptr.size(0) - 1, width = x.size(1);
  Tensor grad_x = new_empty(x, {x.size(0), width});
  by_types(x, rowptr, "multi_aggregate_backward", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    for_rows<T>(x, read<I>(rowptr), rows, x.size(0), width,
                MultiAggregateBackward<T, I>{read<T>(g), read<T>(x), read<T>(out), read<I>(rowptr), write<T>(grad_x),
                                             width});
  });
  return grad_x;
}

}  // namespace gnnlab

GNNLAB_OP(multi_aggregate, "(Tensor x, Tensor rowptr) -> Tensor")
GNNLAB_OP(multi_aggregate_backward, "(Tensor g, Tensor x, Tensor out, Tensor rowptr) -> Tensor")
