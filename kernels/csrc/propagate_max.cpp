// Rows of in-neighbours reduced to their largest (or, with sign = -1, smallest) entries: out_i = max_j w_ij x_j.
#include "op.h"

namespace gnnlab {

// Beside the maximum, the edge it came along: the first of several; -1 where there is no edge.
template <class T, class I> struct PropagateMax {
  const T *x, *w;
  const I *rowptr, *source;
  T* out;
  IntOf<Acc<T>>* arg;
  int64_t width, edges;
  Acc<T> sign;
  template <class Lane> HD auto value(int64_t p, Lane lane) const {
    return lane.load(x + source[p] * width) * (w ? sign * widen(w[p]) : sign);
  }
  template <class Lane> HD void operator()(int64_t i, Lane lane) const {
    using V = typename Lane::V;
    const int64_t first = rowptr[i], last = rowptr[i + 1];
    if (first == last) {
      lane.store(out + i * width, V(0));
      lane.store_index(arg + i * width, lane.fill_index(-1));
      return;
    }
    V best = value(first, lane);
    auto edge = lane.fill_index(first);
    for (int64_t p = first + 1; p < last; ++p) {
      lane.prefetch(x + source[soon(p, edges)] * width);
      const V here = value(p, lane);
      const auto larger = exceeds_(here, best);
      best = select(larger, here, best);
      edge = select(larger, lane.fill_index(p), edge);
    }
    lane.store(out + i * width, best * sign);
    lane.store_index(arg + i * width, edge);
  }
};

// By source: grad_x_j = Σ_i [arg_i is this edge] w_ij g_i.
template <class T, class I> struct PropagateMaxBackward {
  const T *g, *w;
  const IntOf<Acc<T>>* arg;
  const I *colptr, *transpose, *out_target;
  T* grad_x;
  int64_t width, edges;
  template <class Lane> HD void operator()(int64_t j, Lane lane) const {
    using V = typename Lane::V;
    V sum(0);
    for (int64_t k = colptr[j]; k < colptr[j + 1]; ++k) {
      const int64_t later = out_target[soon(k, edges)] * width;
      lane.prefetch(g + later);
      lane.prefetch(arg + later);
      const int64_t i = out_target[k] * width, p = transpose[k];
      const V chosen = select(lane.load_index(arg + i) == lane.fill_index(p), lane.load(g + i), V(0));
      sum += chosen * (w ? widen(w[p]) : Acc<T>(1));
    }
    lane.store(grad_x + j * width, sum);
  }
};

// grad_w_ij = Σ_f [arg_i is this edge] g_i x_j.
template <class T, class I> struct PropagateMaxBackwardWeight {
  const T *g, *x;
  const IntOf<Acc<T>>* arg;
  const I *source, *target;
  int64_t width;
  template <class Lane> HD typename Lane::V operator()(int64_t p, Lane lane) const {
    using V = typename Lane::V;
    const int64_t i = target[p] * width;
    const V dot = lane.load(g + i) * lane.load(x + source[p] * width);
    return select(lane.load_index(arg + i) == lane.fill_index(p), dot, V(0));
  }
};

std::tuple<Tensor, Tensor> propagate_max(const Tensor& x_, const std::optional<Tensor>& w_, const Tensor& rowptr_,
                                         const Tensor& source_, const Tensor&, const Tensor&, const Tensor&,
                                         const Tensor&, double sign) {
  const Tensor x = dense(x_), rowptr = dense(rowptr_), source = dense(source_);
  const auto w = dense(w_);
  const int64_t rows = rowptr.size(0) - 1, edges = source.size(0);
  STD_TORCH_CHECK(fits(x, x.scalar_type(), {rows, kAny}) && fits(w, x.scalar_type(), {edges}),
                  "propagate: expected x [N, d] and edge_weight [E] of one type, for N = ", rows, ", E = ", edges);
  const int64_t width = x.size(1);
  Tensor out = new_empty(x, {rows, width}), arg = new_index(x, {rows, width});
  by_types(x, rowptr, "propagate_max", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    for_rows<T>(x, read<I>(rowptr), rows, edges, width,
                PropagateMax<T, I>{read<T>(x), read<T>(w), read<I>(rowptr), read<I>(source), write<T>(out),
                                   write<IntOf<Acc<T>>>(arg), width, edges, static_cast<Acc<T>>(sign)});
  });
  return {out, arg};
}

std::tuple<Tensor, Tensor> propagate_max_backward(const Tensor& g_, const Tensor& x_, const std::optional<Tensor>& w_,
                                                  const Tensor& arg_, const Tensor&, const Tensor& source_,
                                                  const Tensor& target_, const Tensor& colptr_,
                                                  const Tensor& transpose_, const Tensor& out_target_,
                                                  bool need_weight) {
  const Tensor g = dense(g_), x = dense(x_), arg = dense(arg_), source = dense(source_), target = dense(target_),
               colptr = dense(colptr_), transpose = dense(transpose_), out_target = dense(out_target_);
  const auto w = dense(w_);
  const int64_t rows = x.size(0), edges = source.size(0), width = x.size(1);
  Tensor grad_x = new_empty(x, {rows, width}), grad_w = new_empty(x, {need_weight ? edges : 0});
  by_types(x, colptr, "propagate_max_backward", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    using Index = IntOf<Acc<T>>;
    for_rows<T>(x, read<I>(colptr), rows, edges, width,
                PropagateMaxBackward<T, I>{read<T>(g), read<T>(w), read<Index>(arg), read<I>(colptr),
                                           read<I>(transpose), read<I>(out_target), write<T>(grad_x), width, edges});
    if (need_weight)
      for_rows_summed<T>(x, edges, width, write<T>(grad_w),
                         PropagateMaxBackwardWeight<T, I>{read<T>(g), read<T>(x), read<Index>(arg), read<I>(source),
                                                          read<I>(target), width});
  });
  return {grad_x, grad_w};
}

}  // namespace gnnlab

GNNLAB_OP(propagate_max, "(Tensor x, Tensor? w, " GNNLAB_EDGES ", float sign) -> (Tensor, Tensor)")
GNNLAB_OP(propagate_max_backward, "(Tensor g, Tensor x, Tensor? w, Tensor arg, " GNNLAB_EDGES
                                  ", bool need_weight) -> (Tensor, Tensor)")
