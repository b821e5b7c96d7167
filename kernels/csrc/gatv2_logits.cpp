// GATv2's logits, head by head: Σ_c a LeakyReLU(source_j + target_i + edge_ij) (Brody et al., ICLR 2022).
#include "ahead.h"
#include "heads.h"
#include "sum_of_rows.h"

namespace gnnlab {

template <class T, class I> struct Gatv2 {
  const T *of_source, *of_target, *of_edge, *attention;
  const I *source, *target;
  int64_t width, edges;
  Acc<T> slope;
  template <class Lane> HD typename Lane::V operator()(int64_t p, Lane lane) const {
    prefetch(of_source + source[ahead(p, edges)] * width, lane);
    auto sum = lane.load(of_source + source[p] * width) + lane.load(of_target + target[p] * width);
    if (of_edge) sum += lane.load(of_edge + p * width);
    return leaky_relu(sum, slope) * lane.load(attention);
  }
};

// From either end: `mine` are the features of the rows of `ptr`, `other` those of the neighbours.
template <class T, class I> struct Gatv2Backward {
  const T *g, *mine, *other, *of_edge, *attention;
  const I *ptr, *edge, *neighbour;
  T *grad_mine, *grad_edge, *grad_attention;  // the last, row by row
  int64_t heads, width, edges;
  Acc<T> slope;
  PerHead<T> per_head;
  template <class Lane> HD void operator()(int64_t row, Lane lane) const {
    using V = typename Lane::V;
    const V here = lane.load(mine + row * width), a = lane.load(attention);
    V sum(0), sum_attention(0);
    for (I k = ptr[row]; k < ptr[row + 1]; ++k) {
      prefetch(other + neighbour[ahead(k, edges)] * width, lane);
      const int64_t p = edge ? edge[k] : k;
      V feature = here + lane.load(other + neighbour[k] * width);
      if (of_edge) feature += lane.load(of_edge + p * width);
      const V logit = per_head.load(g + p * heads, lane);
      sum_attention += logit * leaky_relu(feature, slope);
      const V grad = logit * a * select(feature > V(0), V(1), V(slope));
      if (grad_edge) lane.store(grad_edge + p * width, grad);
      sum += grad;
    }
    lane.store(grad_mine + row * width, sum);
    if (grad_attention) lane.store(grad_attention + row * width, sum_attention);
  }
};

Tensor gatv2_logits(const Tensor& of_source_, const Tensor& of_target_, const std::optional<Tensor>& of_edge_,
                    const Tensor& attention_, const Tensor& rowptr, const Tensor& source_, const Tensor& target_,
                    const Tensor&, const Tensor&, const Tensor&, double slope) {
  const Tensor of_source = dense(of_source_), of_target = dense(of_target_), attention = dense(attention_),
               source = dense(source_), target = dense(target_);
  const auto of_edge = dense(of_edge_);
  const ScalarType type = of_source.scalar_type();
  const int64_t rows = rowptr.size(0) - 1, edges = source.size(0), heads = attention.size(0);
  const int64_t width = attention.numel();
  STD_TORCH_CHECK(heads > 0 && fits(attention, type, {heads, kAny}) && fits(of_source, type, {rows, width}) &&
                      fits(of_target, type, {rows, width}) && fits(of_edge, type, {edges, width}),
                  "gatv2_logits: expected source and target [N, H C], edge [E, H C] and attention [H, C] of one type, "
                  "for N = ", rows, ", E = ", edges);
  Tensor logits = new_empty(of_source, {edges, heads});
  by_types(of_source, source, "gatv2_logits", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    for_heads_summed<T>(of_source, edges, heads, width / heads, write<T>(logits),
                        Gatv2<T, I>{read<T>(of_source), read<T>(of_target), read<T>(of_edge), read<T>(attention),
                                    read<I>(source), read<I>(target), width, edges, static_cast<Acc<T>>(slope)});
  });
  return logits;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> gatv2_logits_backward(
    const Tensor& g_, const Tensor& of_source_, const Tensor& of_target_, const std::optional<Tensor>& of_edge_,
    const Tensor& attention_, const Tensor& rowptr_, const Tensor& source_, const Tensor&, const Tensor& colptr_,
    const Tensor& transpose_, const Tensor& out_target_, double slope) {
  const Tensor g = dense(g_), of_source = dense(of_source_), of_target = dense(of_target_),
               attention = dense(attention_), rowptr = dense(rowptr_), source = dense(source_),
               colptr = dense(colptr_), transpose = dense(transpose_), out_target = dense(out_target_);
  const auto of_edge = dense(of_edge_);
  const int64_t rows = of_source.size(0), edges = g.size(0), width = of_source.size(1), heads = g.size(1);
  Tensor grad_source = new_empty(g, {rows, width}), grad_target = new_empty(g, {rows, width}),
         grad_edge = new_empty(g, {of_edge ? edges : 0, width}), grad_attention = new_empty(g, {rows, width});
  by_types(g, rowptr, "gatv2_logits_backward", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    const HeadsOf<T> head(heads, width / heads);
    Gatv2Backward<T, I> body{read<T>(g), read<T>(of_target), read<T>(of_source), read<T>(of_edge), read<T>(attention),
                             read<I>(rowptr), nullptr, read<I>(source), write<T>(grad_target),
                             of_edge ? write<T>(grad_edge) : nullptr, write<T>(grad_attention), heads, width, edges,
                             static_cast<Acc<T>>(slope), head.each()};
    for_rows<T>(g, body.ptr, rows, edges, width, body);
    std::swap(body.mine, body.other);
    body.ptr = read<I>(colptr), body.edge = read<I>(transpose), body.neighbour = read<I>(out_target);
    body.grad_mine = write<T>(grad_source), body.grad_edge = nullptr, body.grad_attention = nullptr;
    for_rows<T>(g, body.ptr, rows, edges, width, body);
    grad_attention = sum_of_rows<T>(g, rows, width, Stored<T>{read<T>(grad_attention), width});
  });
  return {grad_source, grad_target, grad_edge, torch::stable::view(grad_attention, {heads, width / heads})};
}

}  // namespace gnnlab

GNNLAB_OP(gatv2_logits, "(Tensor of_source, Tensor of_target, Tensor? of_edge, Tensor attention, " GNNLAB_EDGES
                        ", float slope) -> Tensor")
GNNLAB_OP(gatv2_logits_backward, "(Tensor g, Tensor of_source, Tensor of_target, Tensor? of_edge, Tensor attention, "
                                 GNNLAB_EDGES ", float slope) -> (Tensor, Tensor, Tensor, Tensor)")
