// Softmax over each node's in-edges and the sum of the sources' values that it weighs, head by head:
// out_i = Σ_j α_ij v_j,  α_ij = w_ij exp s_ij / (Σ_k w_ik exp s_ik + eps),  s_ij = LeakyReLU(source_j + target_i + edge_ij),
// of which any part of s may be absent, and w is 1 where it is (GAT: Veličković et al., ICLR 2018). An edge whose w is not
// above 0, or so small that 1 / w is infinite, is removed. Scores and weights are in A = Acc<T>, values in T.
#include "ahead.h"
#include "heads.h"

namespace gnnlab {

template <class A> struct Scores {
  const A *of_source, *of_target, *of_edge, *weight;
  int64_t heads;
  A slope;
  HD bool removed(int64_t p) const { return weight && !(weight[p] >= A(sizeof(A) == 8 ? 2.2250738585072014e-308 : 1.17549435e-38)); }
  HD A weight_of(int64_t p) const { return weight ? weight[p] : A(1); }
  // Before the LeakyReLU.
  template <class Lane> HD typename Lane::V raw(int64_t p, int64_t j, int64_t i, Lane lane) const {
    typename Lane::V sum(0);
    if (of_source) sum += lane.load(of_source + j * heads);
    if (of_target) sum += lane.load(of_target + i * heads);
    if (of_edge) sum += lane.load(of_edge + p * heads);
    return sum;
  }
  template <class Lane> HD typename Lane::V operator()(int64_t p, int64_t j, int64_t i, Lane lane) const {
    return leaky_relu(raw(p, j, i, lane), slope);
  }
};

// By destination, a feature for each head. Where every score is -inf, so is no weight.
template <class A, class I> struct EdgeSoftmax {
  Scores<A> score;
  const I *rowptr, *source;
  A* alpha;
  A eps;
  template <class Lane> HD void operator()(int64_t i, Lane lane) const {
    using V = typename Lane::V;
    const V least(A(-INFINITY));
    V most = least, total(0);
    for (I p = rowptr[i]; p < rowptr[i + 1]; ++p)
      if (!score.removed(p)) most = max_(most, score(p, source[p], i, lane));
    const V shift = select(most > least, most, V(0));
    for (I p = rowptr[i]; p < rowptr[i + 1]; ++p) {
      V weight(0);
      if (!score.removed(p)) weight = exp_(score(p, source[p], i, lane) - shift) * score.weight_of(p);
      lane.store(alpha + p * score.heads, weight);
      total += weight;
    }
    if (eps > 0) total += exp_(-shift) * eps;
    const V inverse = select(total == V(0), V(0), V(1) / total);
    for (I p = rowptr[i]; p < rowptr[i + 1]; ++p)
      lane.store(alpha + p * score.heads, lane.load(alpha + p * score.heads) * inverse);
  }
};

// The values of a node's neighbours, weighed: of the sources in the forward, of the targets' gradients in the backward.
template <class T, class I> struct WeighedSum {
  const Acc<T>* alpha;
  const T* value;
  const I *ptr, *edge, *neighbour;
  T* out;
  int64_t heads, width, edges;
  PerHead<T> per_head;
  template <class Lane> HD void operator()(int64_t row, Lane lane) const {
    typename Lane::V sum(0);
    for (I k = ptr[row]; k < ptr[row + 1]; ++k) {
      prefetch(value + neighbour[ahead(k, edges)] * width, lane);
      const int64_t p = edge ? edge[k] : k;
      sum += per_head.load(alpha + p * heads, lane) * lane.load(value + neighbour[k] * width);
    }
    lane.store(out + row * width, sum);
  }
};

// dα_ij = Σ_c g_i v_j.
template <class T, class I> struct GradAlpha {
  const T *g, *value;
  const I *source, *target;
  int64_t width, edges;
  template <class Lane> HD typename Lane::V operator()(int64_t p, Lane lane) const {
    prefetch(value + source[ahead(p, edges)] * width, lane);
    return lane.load(g + target[p] * width) * lane.load(value + source[p] * width);
  }
};

// By destination, a feature for each head: ds_ij = LeakyReLU'(…) α_ij (dα_ij - Σ_k α_ik dα_ik).
template <class A, class I> struct GradScores {
  Scores<A> score;
  const A *alpha, *grad_alpha;
  const I *rowptr, *source;
  A *grad_edge, *grad_target;
  template <class Lane> HD void operator()(int64_t i, Lane lane) const {
    using V = typename Lane::V;
    V mean(0), sum(0);
    for (I p = rowptr[i]; p < rowptr[i + 1]; ++p)
      mean += lane.load(alpha + p * score.heads) * lane.load(grad_alpha + p * score.heads);
    for (I p = rowptr[i]; p < rowptr[i + 1]; ++p) {
      V grad = lane.load(alpha + p * score.heads) * (lane.load(grad_alpha + p * score.heads) - mean);
      if (score.slope != 1) grad = select(score.raw(p, source[p], i, lane) > V(0), grad, grad * score.slope);
      lane.store(grad_edge + p * score.heads, grad);
      sum += grad;
    }
    if (grad_target) lane.store(grad_target + i * score.heads, sum);
  }
};

template <class A, class I> struct GradSource {
  const A* grad_edge;
  const I *colptr, *transpose;
  A* grad_source;
  int64_t heads;
  template <class Lane> HD void operator()(int64_t j, Lane lane) const {
    typename Lane::V sum(0);
    for (I k = colptr[j]; k < colptr[j + 1]; ++k) sum += lane.load(grad_edge + transpose[k] * heads);
    lane.store(grad_source + j * heads, sum);
  }
};

// dw_ij = Σ_h α_ij (dα_ij - Σ_k α_ik dα_ik) / w_ij, from what GradScores leaves of it.
template <class A, class I> struct GradWeight {
  Scores<A> score;
  const A* grad_edge;
  const I *source, *target;
  template <class Lane> HD typename Lane::V operator()(int64_t p, Lane lane) const {
    using V = typename Lane::V;
    if (score.removed(p)) return V(0);
    V grad = lane.load(grad_edge + p * score.heads);
    if (score.slope != 1)
      grad = select(score.raw(p, source[p], target[p], lane) > V(0), grad, grad * (A(1) / score.slope));
    return grad * (A(1) / score.weight[p]);
  }
};

std::tuple<Tensor, Tensor> edge_softmax_sum(
    const Tensor& value_, const std::optional<Tensor>& of_source_, const std::optional<Tensor>& of_target_,
    const std::optional<Tensor>& of_edge_, const std::optional<Tensor>& weight_, const Tensor& rowptr_,
    const Tensor& source_, const Tensor&, const Tensor&, const Tensor&, const Tensor&, int64_t heads, double slope,
    double eps) {
  const Tensor value = dense(value_), rowptr = dense(rowptr_), source = dense(source_);
  const auto of_source = dense(of_source_), of_target = dense(of_target_), of_edge = dense(of_edge_),
             weight = dense(weight_);
  const ScalarType type = accumulator(value);
  const int64_t rows = rowptr.size(0) - 1, edges = source.size(0);
  STD_TORCH_CHECK(heads > 0 && fits(value, value.scalar_type(), {rows, kAny}) && value.size(1) % heads == 0 &&
                      fits(of_source, type, {rows, heads}) && fits(of_target, type, {rows, heads}) &&
                      fits(of_edge, type, {edges, heads}) && fits(weight, type, {edges}),
                  "edge_softmax_sum: expected values [N, H C], scores of nodes [N, H] and of edges [E, H], edge weights "
                  "[E], for N = ",
                  rows, ", E = ", edges, ", H = ", heads);
  const int64_t width = value.size(1);
  Tensor out = new_empty(value, {rows, width}), alpha = new_empty(value, {edges, heads}, type);
  by_types(value, rowptr, "edge_softmax_sum", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    using A = Acc<T>;
    const HeadsOf<T> head(heads, width / heads);
    const Scores<A> score{read<A>(of_source), read<A>(of_target),    read<A>(of_edge),
                          read<A>(weight),    heads, static_cast<A>(slope)};
    for_rows<A>(value, read<I>(rowptr), rows, edges, heads,
                EdgeSoftmax<A, I>{score, read<I>(rowptr), read<I>(source), write<A>(alpha), static_cast<A>(eps)});
    for_rows<T>(value, read<I>(rowptr), rows, edges, width,
                WeighedSum<T, I>{read<A>(alpha), read<T>(value), read<I>(rowptr), nullptr, read<I>(source),
                                 write<T>(out), heads, width, edges, head.each()});
  });
  return {out, alpha};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> edge_softmax_sum_backward(
    const Tensor& g_, const Tensor& value_, const Tensor& alpha_, const std::optional<Tensor>& of_source_,
    const std::optional<Tensor>& of_target_, const std::optional<Tensor>& of_edge_,
    const std::optional<Tensor>& weight_, const Tensor& rowptr_, const Tensor& source_, const Tensor& target_,
    const Tensor& colptr_, const Tensor& transpose_, const Tensor& out_target_, double slope) {
  const Tensor g = dense(g_), value = dense(value_), alpha = dense(alpha_), rowptr = dense(rowptr_),
               source = dense(source_), target = dense(target_), colptr = dense(colptr_),
               transpose = dense(transpose_), out_target = dense(out_target_);
  const auto of_source = dense(of_source_), of_target = dense(of_target_), of_edge = dense(of_edge_),
             weight = dense(weight_);
  const int64_t rows = value.size(0), edges = alpha.size(0), width = value.size(1), heads = alpha.size(1);
  Tensor grad_value = new_empty(value, {rows, width}), grad_alpha = new_empty(alpha, {edges, heads}),
         grad_source = new_empty(alpha, {of_source ? rows : 0, heads}),
         grad_target = new_empty(alpha, {of_target ? rows : 0, heads}), grad_edge = new_empty(alpha, {edges, heads}),
         grad_weight = new_empty(alpha, {weight ? edges : 0});
  by_types(value, rowptr, "edge_softmax_sum_backward", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    using A = Acc<T>;
    const HeadsOf<T> head(heads, width / heads);
    const Scores<A> score{read<A>(of_source), read<A>(of_target),    read<A>(of_edge),
                          read<A>(weight),    heads, static_cast<A>(slope)};
    for_heads_summed<T>(value, edges, heads, width / heads, write<A>(grad_alpha),
                        GradAlpha<T, I>{read<T>(g), read<T>(value), read<I>(source), read<I>(target), width, edges});
    for_rows<A>(value, read<I>(rowptr), rows, edges, heads,
                GradScores<A, I>{score, read<A>(alpha), read<A>(grad_alpha), read<I>(rowptr), read<I>(source),
                                 write<A>(grad_edge), of_target ? write<A>(grad_target) : nullptr});
    for_rows<T>(value, read<I>(colptr), rows, edges, width,
                WeighedSum<T, I>{read<A>(alpha), read<T>(g), read<I>(colptr), read<I>(transpose),
                                 read<I>(out_target), write<T>(grad_value), heads, width, edges, head.each()});
    if (of_source)
      for_rows<A>(value, read<I>(colptr), rows, edges, heads,
                  GradSource<A, I>{read<A>(grad_edge), read<I>(colptr), read<I>(transpose), write<A>(grad_source),
                                   heads});
    if (weight)
      for_heads_summed<A>(value, edges, 1, heads, write<A>(grad_weight),
                          GradWeight<A, I>{score, read<A>(grad_edge), read<I>(source), read<I>(target)});
  });
  return {grad_value, grad_source, grad_target, grad_edge, grad_weight};
}

}  // namespace gnnlab

GNNLAB_OP(edge_softmax_sum, "(Tensor value, Tensor? of_source, Tensor? of_target, Tensor? of_edge, Tensor? weight, " GNNLAB_EDGES
                            ", int heads, float slope, float eps) -> (Tensor, Tensor)")
GNNLAB_OP(edge_softmax_sum_backward,
          "(Tensor g, Tensor value, Tensor alpha, Tensor? of_source, Tensor? of_target, Tensor? of_edge, "
          "Tensor? weight, " GNNLAB_EDGES ", float slope) -> (Tensor, Tensor, Tensor, Tensor, Tensor)")
