// GINE's aggregation (Hu et al., ICLR 2020): out_i = root x_i + Σ_j w_ij ReLU(x_j + e_ij).
#include "op.h"

namespace gnnlab {

template <class T, class I> struct Gine {
  const T *x, *e, *w;
  const I *rowptr, *source;
  T* out;
  int64_t width;
  Acc<T> root;
  template <class Lane> HD void operator()(int64_t i, Lane lane) const {
    auto sum = lane.load(x + i * width) * root;
    for (I p = rowptr[i]; p < rowptr[i + 1]; ++p) {
      auto message = relu_(lane.load(x + source[p] * width) + lane.load(e + p * width));
      sum += w ? message * widen(w[p]) : message;
    }
    lane.store(out + i * width, sum);
  }
};

// By source: grad_x_j = root g_j + Σ_i [active] w_ij g_i and, edge by edge, grad_e_ij = [active] w_ij g_i.
template <class T, class I> struct GineBackward {
  const T *g, *x, *e, *w;
  const I *colptr, *transpose, *out_target;
  T *grad_x, *grad_e;
  int64_t width;
  Acc<T> root;
  template <class Lane> HD void operator()(int64_t j, Lane lane) const {
    using V = typename Lane::V;
    const V here = lane.load(x + j * width);
    V sum = lane.load(g + j * width) * root;
    for (I k = colptr[j]; k < colptr[j + 1]; ++k) {
      const int64_t p = transpose[k];
      V carried = lane.load(g + out_target[k] * width);
      if (w) carried = carried * widen(w[p]);
      carried = select(here + lane.load(e + p * width) > V(0), carried, V(0));
      sum += carried;
      lane.store(grad_e + p * width, carried);
    }
    lane.store(grad_x + j * width, sum);
  }
};

// grad_w_ij = Σ_f g_i ReLU(x_j + e_ij).
template <class T, class I> struct GineBackwardWeight {
  const T *g, *x, *e;
  const I *source, *target;
  int64_t width;
  template <class Lane> HD typename Lane::V operator()(int64_t p, Lane lane) const {
    return lane.load(g + target[p] * width) * relu_(lane.load(x + source[p] * width) + lane.load(e + p * width));
  }
};

Tensor gine(const Tensor& x_, const Tensor& e_, const std::optional<Tensor>& w_, const Tensor& rowptr_,
            const Tensor& source_, const Tensor&, const Tensor&, const Tensor&, const Tensor&, double root) {
  const Tensor x = dense(x_), e = dense(e_), rowptr = dense(rowptr_), source = dense(source_);
  const auto w = dense(w_);
  const int64_t rows = rowptr.size(0) - 1, edges = source.size(0), width = x.size(1);
  STD_TORCH_CHECK(fits(x, x.scalar_type(), {rows, width}) && fits(e, x.scalar_type(), {edges, width}) &&
                      fits(w, x.scalar_type(), {edges}),
                  "gine: expected x [N, d], e [E, d] and edge_weight [E] of one type, for N = ", rows, ", E = ", edges);
  Tensor out = new_empty(x, {rows, width});
  by_types(x, rowptr, "gine", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    for_rows<T>(x, read<I>(rowptr), rows, edges, width,
                Gine<T, I>{read<T>(x), read<T>(e), read<T>(w), read<I>(rowptr), read<I>(source), write<T>(out), width,
                           static_cast<Acc<T>>(root)});
  });
  return out;
}

std::tuple<Tensor, Tensor, Tensor> gine_backward(
    const Tensor& g_, const Tensor& x_, const Tensor& e_, const std::optional<Tensor>& w_, const Tensor&,
    const Tensor& source_, const Tensor& target_, const Tensor& colptr_, const Tensor& transpose_,
    const Tensor& out_target_, double root, bool need_weight) {
  const Tensor g = dense(g_), x = dense(x_), e = dense(e_), source = dense(source_), target = dense(target_),
               colptr = dense(colptr_), transpose = dense(transpose_), out_target = dense(out_target_);
  const auto w = dense(w_);
  const int64_t rows = x.size(0), edges = e.size(0), width = x.size(1);
  Tensor grad_x = new_empty(x, {rows, width}), grad_e = new_empty(e, {edges, width});
  Tensor grad_w = new_empty(e, {need_weight ? edges : 0});
  by_types(x, colptr, "gine_backward", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    for_rows<T>(x, read<I>(colptr), rows, edges, width,
                GineBackward<T, I>{read<T>(g), read<T>(x), read<T>(e), read<T>(w), read<I>(colptr), read<I>(transpose),
                                   read<I>(out_target), write<T>(grad_x), write<T>(grad_e), width,
                                   static_cast<Acc<T>>(root)});
    if (need_weight)
      for_rows_summed<T>(x, edges, width, write<T>(grad_w),
                         GineBackwardWeight<T, I>{read<T>(g), read<T>(x), read<T>(e), read<I>(source), read<I>(target),
                                                  width});
  });
  return {grad_x, grad_e, grad_w};
}

}  // namespace gnnlab

GNNLAB_OP(gine, "(Tensor x, Tensor e, Tensor? w, " GNNLAB_EDGES ", float root) -> Tensor")
GNNLAB_OP(gine_backward, "(Tensor g, Tensor x, Tensor e, Tensor? w, " GNNLAB_EDGES
                         ", float root, bool need_weight) -> (Tensor, Tensor, Tensor)")
