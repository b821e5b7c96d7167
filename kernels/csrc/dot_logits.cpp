// The graph transformer's logits, head by head: Σ_c scale q_i k_j e_ij (Dwivedi & Bresson, 2021); without edge features
// e_ij is 1.
#include "ahead.h"
#include "heads.h"

namespace gnnlab {

template <class T, class I> struct Dot {
  const T *query, *key, *of_edge;
  const I *source, *target;
  T* products;
  int64_t width, edges;
  Acc<T> scale;
  template <class Lane> HD typename Lane::V operator()(int64_t p, Lane lane) const {
    prefetch(key + source[ahead(p, edges)] * width, lane);
    auto product = lane.load(query + target[p] * width) * lane.load(key + source[p] * width) * scale;
    if (of_edge) product = product * lane.load(of_edge + p * width);
    if (products) lane.store(products + p * width, product);
    return product;
  }
};

// From either end: `mine` are the features of the rows of `ptr`, `other` those of the neighbours; `g` are the
// gradients of the logits and `g_products` those of the products.
template <class T, class I> struct DotBackward {
  const T *g, *g_products, *mine, *other, *of_edge;
  const I *ptr, *edge, *neighbour;
  T *grad_mine, *grad_edge;
  int64_t heads, width, edges;
  Acc<T> scale;
  PerHead<T> per_head;
  template <class Lane> HD void operator()(int64_t row, Lane lane) const {
    using V = typename Lane::V;
    const V here = lane.load(mine + row * width);
    V sum(0);
    for (I k = ptr[row]; k < ptr[row + 1]; ++k) {
      prefetch(other + neighbour[ahead(k, edges)] * width, lane);
      const int64_t p = edge ? edge[k] : k;
      V grad = per_head.load(g + p * heads, lane);
      if (g_products) grad += lane.load(g_products + p * width);
      grad = grad * scale * lane.load(other + neighbour[k] * width);
      if (grad_edge) lane.store(grad_edge + p * width, grad * here);
      sum += of_edge ? grad * lane.load(of_edge + p * width) : grad;
    }
    lane.store(grad_mine + row * width, sum);
  }
};

std::tuple<Tensor, Tensor> dot_logits(const Tensor& query_, const Tensor& key_, const std::optional<Tensor>& of_edge_,
                                      const Tensor& rowptr, const Tensor& source_, const Tensor& target_, const Tensor&,
                                      const Tensor&, const Tensor&, int64_t heads, double scale, bool need_products) {
  const Tensor query = dense(query_), key = dense(key_), source = dense(source_), target = dense(target_);
  const auto of_edge = dense(of_edge_);
  const int64_t rows = rowptr.size(0) - 1, edges = source.size(0), width = query.size(1);
  STD_TORCH_CHECK(heads > 0 && width % heads == 0 && fits(query, query.scalar_type(), {rows, width}) &&
                      fits(key, query.scalar_type(), {rows, width}) && fits(of_edge, query.scalar_type(), {edges, width}),
                  "dot_logits: expected query and key [N, H C] and edge [E, H C] of one type, for N = ", rows, ", E = ",
                  edges, ", H = ", heads);
  Tensor logits = new_empty(query, {edges, heads}), products = new_empty(query, {need_products ? edges : 0, width});
  by_types(query, source, "dot_logits", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    for_heads_summed<T>(query, edges, heads, width / heads, write<T>(logits),
                        Dot<T, I>{read<T>(query), read<T>(key), read<T>(of_edge), read<I>(source), read<I>(target),
                                  need_products ? write<T>(products) : nullptr, width, edges,
                                  static_cast<Acc<T>>(scale)});
  });
  return {logits, products};
}

std::tuple<Tensor, Tensor, Tensor> dot_logits_backward(
    const Tensor& g_, const std::optional<Tensor>& g_products_, const Tensor& query_, const Tensor& key_,
    const std::optional<Tensor>& of_edge_, const Tensor& rowptr_, const Tensor& source_, const Tensor&,
    const Tensor& colptr_, const Tensor& transpose_, const Tensor& out_target_, double scale) {
  const Tensor g = dense(g_), query = dense(query_), key = dense(key_), rowptr = dense(rowptr_),
               source = dense(source_), colptr = dense(colptr_), transpose = dense(transpose_),
               out_target = dense(out_target_);
  const auto g_products = dense(g_products_), of_edge = dense(of_edge_);
  const int64_t rows = query.size(0), edges = g.size(0), width = query.size(1), heads = g.size(1);
  Tensor grad_query = new_empty(g, {rows, width}), grad_key = new_empty(g, {rows, width}),
         grad_edge = new_empty(g, {of_edge ? edges : 0, width});
  by_types(g, rowptr, "dot_logits_backward", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    const HeadsOf<T> head(heads, width / heads);
    DotBackward<T, I> body{read<T>(g), read<T>(g_products), read<T>(query), read<T>(key), read<T>(of_edge),
                           read<I>(rowptr), nullptr, read<I>(source), write<T>(grad_query),
                           of_edge ? write<T>(grad_edge) : nullptr, heads, width, edges, static_cast<Acc<T>>(scale),
                           head.each()};
    for_rows<T>(g, body.ptr, rows, edges, width, body);
    std::swap(body.mine, body.other);
    body.ptr = read<I>(colptr), body.edge = read<I>(transpose), body.neighbour = read<I>(out_target);
    body.grad_mine = write<T>(grad_key), body.grad_edge = nullptr;
    for_rows<T>(g, body.ptr, rows, edges, width, body);
  });
  return {grad_query, grad_key, grad_edge};
}

}  // namespace gnnlab

GNNLAB_OP(dot_logits, "(Tensor query, Tensor key, Tensor? of_edge, " GNNLAB_EDGES
                      ", int heads, float scale, bool need_products) -> (Tensor, Tensor)")
GNNLAB_OP(dot_logits_backward, "(Tensor g, Tensor? g_products, Tensor query, Tensor key, Tensor? of_edge, "
                               GNNLAB_EDGES ", float scale) -> (Tensor, Tensor, Tensor)")
