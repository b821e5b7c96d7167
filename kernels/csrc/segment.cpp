// Reductions of the rows ptr[i] … ptr[i+1]: edges into nodes, nodes into graphs.
#include "op.h"

namespace gnnlab {

// out_i = Σ_p w_p x_p, divided by the number of rows for a mean.
template <class T, class I> struct Segment {
  const T *x, *w;
  const I* ptr;
  T* out;
  int64_t width;
  bool mean;
  template <class Lane> HD void operator()(int64_t i, Lane lane) const {
    const int64_t first = ptr[i], last = ptr[i + 1];
    typename Lane::V sum(0);
    for (int64_t p = first; p < last; ++p) sum += lane.load(x + p * width) * (w ? widen(w[p]) : Acc<T>(1));
    lane.store(out + i * width, mean && first < last ? sum / static_cast<Acc<T>>(last - first) : sum);
  }
};

// grad_x_p = w_p g_i, divided likewise, for the owner i of row p.
template <class T, class I> struct SegmentBackward {
  const T *g, *w;
  const I *ptr, *owner;
  T* grad_x;
  int64_t width;
  bool mean;
  template <class Lane> HD void operator()(int64_t p, Lane lane) const {
    const int64_t i = owner[p];
    Acc<T> share = w ? widen(w[p]) : Acc<T>(1);
    if (mean) share /= static_cast<Acc<T>>(ptr[i + 1] - ptr[i]);
    lane.store(grad_x + p * width, lane.load(g + i * width) * share);
  }
};

// grad_w_p = Σ_f g_i x_p, divided likewise.
template <class T, class I> struct SegmentBackwardWeight {
  const T *g, *x;
  const I *ptr, *owner;
  int64_t width;
  bool mean;
  template <class Lane> HD typename Lane::V operator()(int64_t p, Lane lane) const {
    const int64_t i = owner[p];
    const Acc<T> share = mean ? 1 / static_cast<Acc<T>>(ptr[i + 1] - ptr[i]) : Acc<T>(1);
    return lane.load(g + i * width) * lane.load(x + p * width) * share;
  }
};

// The largest entries, and the row each comes from: the first of several; 0 and -1 where there is no row.
template <class T, class I> struct SegmentMax {
  const T* x;
  const I* ptr;
  T* out;
  IntOf<Acc<T>>* arg;
  int64_t width;
  template <class Lane> HD void operator()(int64_t i, Lane lane) const {
    using V = typename Lane::V;
    const int64_t first = ptr[i], last = ptr[i + 1];
    V best = first < last ? lane.load(x + first * width) : V(0);
    auto row = lane.fill_index(first < last ? first : -1);
    for (int64_t p = first + 1; p < last; ++p) {
      const V here = lane.load(x + p * width);
      const auto larger = exceeds_(here, best);
      best = select(larger, here, best);
      row = select(larger, lane.fill_index(p), row);
    }
    lane.store(out + i * width, best);
    lane.store_index(arg + i * width, row);
  }
};

// grad_x_p = [arg_i = p] g_i.
template <class T, class I> struct SegmentMaxBackward {
  const T* g;
  const IntOf<Acc<T>>* arg;
  const I* owner;
  T* grad_x;
  int64_t width;
  template <class Lane> HD void operator()(int64_t p, Lane lane) const {
    using V = typename Lane::V;
    const int64_t i = owner[p] * width;
    lane.store(grad_x + p * width, select(lane.load_index(arg + i) == lane.fill_index(p), lane.load(g + i), V(0)));
  }
};

Tensor segment(const Tensor& x_, const std::optional<Tensor>& w_, const Tensor& ptr_, const Tensor& owner, bool mean) {
  const Tensor x = dense(x_), ptr = dense(ptr_);
  const auto w = dense(w_);
  STD_TORCH_CHECK(fits(x, x.scalar_type(), {owner.size(0), kAny}) && fits(w, x.scalar_type(), {owner.size(0)}),
                  "segment: expected rows [n, d] and weights [n] of one type, for the n = ", owner.size(0),
                  " edges or nodes of the batch");
  const int64_t rows = ptr.size(0) - 1, width = x.size(1);
  Tensor out = new_empty(x, {rows, width});
  by_types(x, ptr, "segment", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    for_rows<T>(x, read<I>(ptr), rows, x.size(0), width,
                Segment<T, I>{read<T>(x), read<T>(w), read<I>(ptr), write<T>(out), width, mean});
  });
  return out;
}

std::tuple<Tensor, Tensor> segment_backward(const Tensor& g_, const Tensor& x_, const std::optional<Tensor>& w_,
                                            const Tensor& ptr_, const Tensor& owner_, bool mean, bool need_weight) {
  const Tensor g = dense(g_), x = dense(x_), ptr = dense(ptr_), owner = dense(owner_);
  const auto w = dense(w_);
  const int64_t entries = x.size(0), width = x.size(1);
  Tensor grad_x = new_empty(x, {entries, width}), grad_w = new_empty(x, {need_weight ? entries : 0});
  by_types(x, ptr, "segment_backward", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    for_rows<T>(x, entries, width,
                SegmentBackward<T, I>{read<T>(g), read<T>(w), read<I>(ptr), read<I>(owner), write<T>(grad_x), width,
                                      mean});
    if (need_weight)
      for_rows_summed<T>(x, entries, width, write<T>(grad_w),
                         SegmentBackwardWeight<T, I>{read<T>(g), read<T>(x), read<I>(ptr), read<I>(owner), width, mean});
  });
  return {grad_x, grad_w};
}

std::tuple<Tensor, Tensor> segment_max(const Tensor& x_, const Tensor& ptr_, const Tensor& owner) {
  const Tensor x = dense(x_), ptr = dense(ptr_);
  STD_TORCH_CHECK(fits(x, x.scalar_type(), {owner.size(0), kAny}), "segment_max: expected rows [n, d] for the n = ",
                  owner.size(0), " nodes of the batch");
  const int64_t rows = ptr.size(0) - 1, width = x.size(1);
  Tensor out = new_empty(x, {rows, width}), arg = new_index(x, {rows, width});
  by_types(x, ptr, "segment_max", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    for_rows<T>(x, read<I>(ptr), rows, x.size(0), width,
                SegmentMax<T, I>{read<T>(x), read<I>(ptr), write<T>(out), write<IntOf<Acc<T>>>(arg), width});
  });
  return {out, arg};
}

Tensor segment_max_backward(const Tensor& g_, const Tensor& arg_, const Tensor& owner_) {
  const Tensor g = dense(g_), arg = dense(arg_), owner = dense(owner_);
  const int64_t entries = owner.size(0), width = g.size(1);
  Tensor grad_x = new_empty(g, {entries, width});
  by_types(g, owner, "segment_max_backward", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    for_rows<T>(g, entries, width,
                SegmentMaxBackward<T, I>{read<T>(g), read<IntOf<Acc<T>>>(arg), read<I>(owner), write<T>(grad_x),
                                         width});
  });
  return grad_x;
}

}  // namespace gnnlab

GNNLAB_OP(segment, "(Tensor x, Tensor? w, Tensor ptr, Tensor owner, bool mean) -> Tensor")
GNNLAB_OP(segment_backward, "(Tensor g, Tensor x, Tensor? w, Tensor ptr, Tensor owner, bool mean, bool need_weight)"
                            " -> (Tensor, Tensor)")
GNNLAB_OP(segment_max, "(Tensor x, Tensor ptr, Tensor owner) -> (Tensor, Tensor)")
GNNLAB_OP(segment_max_backward, "(Tensor g, Tensor arg, Tensor owner) -> Tensor")
