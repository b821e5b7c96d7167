// Rows of in-neighbours reduced where they lie, no message in memory: out_i = root_i x_i + reduce_j w_ij x_j.
#include "op.h"

namespace gnnlab {

template <class T, class I> struct Propagate {
  const T *x, *w, *root;
  const I *rowptr, *source;
  T* out;
  int64_t width, edges;
  bool mean;
  template <class Lane> HD void operator()(int64_t i, Lane lane) const {
    const int64_t first = rowptr[i], last = rowptr[i + 1];
    typename Lane::V sum(0);
    for (int64_t p = first; p < last; ++p) {
      lane.prefetch(x + source[soon(p, edges)] * width);
      sum += lane.load(x + source[p] * width) * (w ? widen(w[p]) : Acc<T>(1));
    }
    if (mean && first < last) sum = sum / static_cast<Acc<T>>(last - first);
    if (root) sum += lane.load(x + i * width) * widen(root[i]);
    lane.store(out + i * width, sum);
  }
};

// grad_x_j = root_j g_j + Σ_i w_ij g_i; a mean divides w_ij by the number of edges into i.
template <class T, class I> struct PropagateBackward {
  const T *g, *w, *root;
  const I *rowptr, *colptr, *transpose, *out_target;
  T* grad_x;
  int64_t width, edges;
  bool mean;
  template <class Lane> HD void operator()(int64_t j, Lane lane) const {
    typename Lane::V sum(0);
    for (int64_t k = colptr[j]; k < colptr[j + 1]; ++k) {
      lane.prefetch(g + out_target[soon(k, edges)] * width);
      const int64_t i = out_target[k];
      Acc<T> weight = w ? widen(w[transpose[k]]) : Acc<T>(1);
      if (mean) weight /= static_cast<Acc<T>>(rowptr[i + 1] - rowptr[i]);
      sum += lane.load(g + i * width) * weight;
    }
    if (root) sum += lane.load(g + j * width) * widen(root[j]);
    lane.store(grad_x + j * width, sum);
  }
};

// grad_w_ij = Σ_f g_i x_j, divided likewise.
template <class T, class I> struct PropagateBackwardWeight {
  const T *g, *x;
  const I *rowptr, *source, *target;
  int64_t width;
  bool mean;
  template <class Lane> HD typename Lane::V operator()(int64_t p, Lane lane) const {
    const int64_t i = target[p];
    const Acc<T> share = mean ? 1 / static_cast<Acc<T>>(rowptr[i + 1] - rowptr[i]) : Acc<T>(1);
    return lane.load(g + i * width) * lane.load(x + source[p] * width) * share;
  }
};

// grad_root_i = Σ_f g_i x_i.
template <class T> struct PropagateBackwardRoot {
  const T *g, *x;
  int64_t width;
  template <class Lane> HD typename Lane::V operator()(int64_t i, Lane lane) const {
    return lane.load(g + i * width) * lane.load(x + i * width);
  }
};

Tensor propagate(const Tensor& x_, const std::optional<Tensor>& w_, const std::optional<Tensor>& root_,
                 const Tensor& rowptr_, const Tensor& source_, const Tensor&, const Tensor&, const Tensor&,
                 const Tensor&, bool mean) {
  const Tensor x = dense(x_), rowptr = dense(rowptr_), source = dense(source_);
  const auto w = dense(w_), root = dense(root_);
  const int64_t rows = rowptr.size(0) - 1, edges = source.size(0);
  STD_TORCH_CHECK(fits(x, x.scalar_type(), {rows, kAny}) && fits(w, x.scalar_type(), {edges}) &&
                      fits(root, x.scalar_type(), {rows}),
                  "propagate: expected x [N, d], edge_weight [E] and root [N] of one type, for N = ", rows, ", E = ", edges);
  const int64_t width = x.size(1);
  Tensor out = new_empty(x, {rows, width});
  by_types(x, rowptr, "propagate", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    for_rows<T>(x, read<I>(rowptr), rows, edges, width,
                Propagate<T, I>{read<T>(x), read<T>(w), read<T>(root), read<I>(rowptr), read<I>(source), write<T>(out),
                                width, edges, mean});
  });
  return out;
}

std::tuple<Tensor, Tensor, Tensor> propagate_backward(
    const Tensor& g_, const Tensor& x_, const std::optional<Tensor>& w_, const std::optional<Tensor>& root_,
    const Tensor& rowptr_, const Tensor& source_, const Tensor& target_, const Tensor& colptr_,
    const Tensor& transpose_, const Tensor& out_target_, bool mean, bool need_weight, bool need_root) {
  const Tensor g = dense(g_), x = dense(x_), rowptr = dense(rowptr_), source = dense(source_), target = dense(target_),
               colptr = dense(colptr_), transpose = dense(transpose_), out_target = dense(out_target_);
  const auto w = dense(w_), root = dense(root_);
  const int64_t rows = x.size(0), edges = source.size(0), width = x.size(1);
  Tensor grad_x = new_empty(x, {rows, width}), grad_w = new_empty(x, {need_weight ? edges : 0}),
         grad_root = new_empty(x, {need_root ? rows : 0});
  by_types(x, colptr, "propagate_backward", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    for_rows<T>(x, read<I>(colptr), rows, edges, width,
                PropagateBackward<T, I>{read<T>(g), read<T>(w), read<T>(root), read<I>(rowptr), read<I>(colptr),
                                        read<I>(transpose), read<I>(out_target), write<T>(grad_x), width, edges, mean});
    if (need_weight)
      for_rows_summed<T>(x, edges, width, write<T>(grad_w),
                         PropagateBackwardWeight<T, I>{read<T>(g), read<T>(x), read<I>(rowptr), read<I>(source),
                                                       read<I>(target), width, mean});
    if (need_root)
      for_rows_summed<T>(x, rows, width, write<T>(grad_root), PropagateBackwardRoot<T>{read<T>(g), read<T>(x), width});
  });
  return {grad_x, grad_w, grad_root};
}

}  // namespace gnnlab

GNNLAB_OP(propagate, "(Tensor x, Tensor? w, Tensor? root, " GNNLAB_EDGES ", bool mean) -> Tensor")
GNNLAB_OP(propagate_backward, "(Tensor g, Tensor x, Tensor? w, Tensor? root, " GNNLAB_EDGES
                              ", bool mean, bool need_weight, bool need_root) -> (Tensor, Tensor, Tensor)")
