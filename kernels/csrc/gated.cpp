// GatedGCN's edge part (Bresson & Laurent, 2017; Dwivedi et al., JMLR 2023): ê_ij = D x_i + E x_j + C e_ij and
// out_i = A x_i + Σ_j w_ij σ(ê_ij) B x_j / (Σ_j w_ij σ(ê_ij) + 1e-6).
// A row of `nodes` [N, 4d] is A x, B x, D x and E x side by side; one of `kept` [N, 2d] is the mean of the B x_j and
// the inverse of its denominator, for the backward.
#include "ahead.h"
#include "op.h"

namespace gnnlab {

template <class T, class I> struct Gated {
  const T *nodes, *edges, *w;
  const I *rowptr, *source;
  T *out, *logits, *kept;
  int64_t width, count;
  template <class Lane> HD void operator()(int64_t i, Lane lane) const {
    using V = typename Lane::V;
    const T* here = nodes + i * 4 * width;
    const V to = lane.load(here + 2 * width);
    V sum(0), total(0);
    for (I p = rowptr[i]; p < rowptr[i + 1]; ++p) {
      const T* later = nodes + source[ahead(p, count)] * 4 * width;
      prefetch(later + width, lane);
      prefetch(later + 3 * width, lane);
      const T* there = nodes + source[p] * 4 * width;
      const V logit = to + lane.load(there + 3 * width) + lane.load(edges + p * width);
      lane.store(logits + p * width, logit);
      V gate = sigmoid_(logit);
      if (w) gate = gate * widen(w[p]);
      total += gate;
      sum += gate * lane.load(there + width);
    }
    const V inverse = V(1) / (total + V(Acc<T>(1e-6))), mean = sum * inverse;
    lane.store(kept + i * 2 * width, mean);
    lane.store(kept + i * 2 * width + width, inverse);
    lane.store(out + i * width, lane.load(here) + mean);
  }
};

// By source: the gradients of B x_j, of E x_j and, edge by edge, of ê_ij.
template <class T, class I> struct GatedBackward {
  const T *g, *grad_logits, *nodes, *logits, *kept, *w;
  const I *colptr, *transpose, *out_target;
  T *grad_nodes, *grad_edges;
  int64_t width, count;
  template <class Lane> HD void operator()(int64_t j, Lane lane) const {
    using V = typename Lane::V;
    const V value = lane.load(nodes + j * 4 * width + width);
    V grad_value(0), grad_from(0);
    for (I k = colptr[j]; k < colptr[j + 1]; ++k) {
      const int64_t later = ahead(k, count), later_p = transpose[later], later_i = out_target[later];
      prefetch(logits + later_p * width, lane);
      if (grad_logits) prefetch(grad_logits + later_p * width, lane);
      prefetch(g + later_i * width, lane);
      prefetch(kept + later_i * 2 * width, lane);
      prefetch(kept + later_i * 2 * width + width, lane);
      const int64_t p = transpose[k], i = out_target[k];
      const V gate = sigmoid_(lane.load(logits + p * width));
      V carried = lane.load(g + i * width) * lane.load(kept + i * 2 * width + width) * gate;
      if (w) carried = carried * widen(w[p]);
      grad_value += carried;
      V grad = carried * (V(1) - gate) * (value - lane.load(kept + i * 2 * width));
      if (grad_logits) grad += lane.load(grad_logits + p * width);
      grad_from += grad;
      lane.store(grad_edges + p * width, grad);
    }
    lane.store(grad_nodes + j * 4 * width + width, grad_value);
    lane.store(grad_nodes + j * 4 * width + 3 * width, grad_from);
  }
};

// By destination: the gradients of A x_i and of D x_i.
template <class T, class I> struct GatedBackwardTarget {
  const T *g, *grad_edges;
  const I* rowptr;
  T* grad_nodes;
  int64_t width;
  template <class Lane> HD void operator()(int64_t i, Lane lane) const {
    typename Lane::V sum(0);
    for (I p = rowptr[i]; p < rowptr[i + 1]; ++p) sum += lane.load(grad_edges + p * width);
    lane.store(grad_nodes + i * 4 * width, lane.load(g + i * width));
    lane.store(grad_nodes + i * 4 * width + 2 * width, sum);
  }
};

// grad_w_ij = Σ_f g_i σ(ê_ij) (B x_j - mean_i) / denominator_i.
template <class T, class I> struct GatedBackwardWeight {
  const T *g, *nodes, *logits, *kept;
  const I *source, *target;
  int64_t width;
  template <class Lane> HD typename Lane::V operator()(int64_t p, Lane lane) const {
    const T *mean = kept + target[p] * 2 * width, *value = nodes + source[p] * 4 * width + width;
    return lane.load(g + target[p] * width) * lane.load(mean + width) * sigmoid_(lane.load(logits + p * width)) *
           (lane.load(value) - lane.load(mean));
  }
};

std::tuple<Tensor, Tensor, Tensor> gated(const Tensor& nodes_, const Tensor& edges_, const std::optional<Tensor>& w_,
                                         const Tensor& rowptr_, const Tensor& source_, const Tensor&, const Tensor&,
                                         const Tensor&, const Tensor&) {
  const Tensor nodes = dense(nodes_), edges = dense(edges_), rowptr = dense(rowptr_), source = dense(source_);
  const auto w = dense(w_);
  const int64_t rows = rowptr.size(0) - 1, count = source.size(0), width = edges.size(1);
  STD_TORCH_CHECK(fits(nodes, nodes.scalar_type(), {rows, 4 * width}) &&
                      fits(edges, nodes.scalar_type(), {count, width}) && fits(w, nodes.scalar_type(), {count}),
                  "gated: expected nodes [N, 4d], edges [E, d] and edge_weight [E] of one type, for N = ", rows,
                  ", E = ", count);
  Tensor out = new_empty(nodes, {rows, width}), logits = new_empty(nodes, {count, width}),
         kept = new_empty(nodes, {rows, 2 * width});
  by_types(nodes, rowptr, "gated", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    for_rows<T>(nodes, read<I>(rowptr), rows, count, width,
                Gated<T, I>{read<T>(nodes), read<T>(edges), read<T>(w), read<I>(rowptr), read<I>(source),
                            write<T>(out), write<T>(logits), write<T>(kept), width, count});
  });
  return {out, logits, kept};
}

std::tuple<Tensor, Tensor, Tensor> gated_backward(
    const Tensor& g_, const std::optional<Tensor>& grad_logits_, const Tensor& nodes_, const Tensor& logits_,
    const Tensor& kept_, const std::optional<Tensor>& w_, const Tensor& rowptr_, const Tensor& source_,
    const Tensor& target_, const Tensor& colptr_, const Tensor& transpose_, const Tensor& out_target_,
    bool need_weight) {
  const Tensor g = dense(g_), nodes = dense(nodes_), logits = dense(logits_), kept = dense(kept_),
               rowptr = dense(rowptr_), source = dense(source_), target = dense(target_), colptr = dense(colptr_),
               transpose = dense(transpose_), out_target = dense(out_target_);
  const auto grad_logits = dense(grad_logits_), w = dense(w_);
  const int64_t rows = nodes.size(0), count = logits.size(0), width = logits.size(1);
  Tensor grad_nodes = new_empty(nodes, {rows, 4 * width}), grad_edges = new_empty(logits, {count, width}),
         grad_w = new_empty(logits, {need_weight ? count : 0});
  by_types(nodes, rowptr, "gated_backward", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    for_rows<T>(nodes, read<I>(colptr), rows, count, width,
                GatedBackward<T, I>{read<T>(g), read<T>(grad_logits), read<T>(nodes), read<T>(logits), read<T>(kept),
                                    read<T>(w), read<I>(colptr), read<I>(transpose), read<I>(out_target),
                                    write<T>(grad_nodes), write<T>(grad_edges), width, count});
    for_rows<T>(nodes, read<I>(rowptr), rows, count, width,
                GatedBackwardTarget<T, I>{read<T>(g), read<T>(grad_edges), read<I>(rowptr), write<T>(grad_nodes),
                                          width});
    if (need_weight)
      for_rows_summed<T>(nodes, count, width, write<T>(grad_w),
                         GatedBackwardWeight<T, I>{read<T>(g), read<T>(nodes), read<T>(logits), read<T>(kept),
                                                   read<I>(source), read<I>(target), width});
  });
  return {grad_nodes, grad_edges, grad_w};
}

}  // namespace gnnlab

GNNLAB_OP(gated, "(Tensor nodes, Tensor edges, Tensor? w, " GNNLAB_EDGES ") -> (Tensor, Tensor, Tensor)")
GNNLAB_OP(gated_backward, "(Tensor g, Tensor? grad_logits, Tensor nodes, Tensor logits, Tensor kept, Tensor? w, "
                          GNNLAB_EDGES ", bool need_weight) -> (Tensor, Tensor, Tensor)")
