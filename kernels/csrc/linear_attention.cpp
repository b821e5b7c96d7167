// Attention with positive features in place of softmax (Katharopoulos et al., ICML 2020), within each graph:
// out_i = Σ_m q_im S_m / d_i for the states S_m = Σ_j k_jm v_j and z_m = Σ_j k_jm of its graph, d_i = Σ_m q_im z_m.
// Rows of q and k are [H, M], those of v and out [H, C]; a head of a graph or of a node counts as one row.
#include "op.h"

namespace gnnlab {

// Σ_i term(i) for 0 … n-1: four sums side by side, since each addition waits for the one before.
template <class Lane, class Term> HD auto sum_of(Lane lane, int64_t n, const Term& term) {
  auto s0 = lane.fill(0), s1 = s0, s2 = s0, s3 = s0;
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    s0 += term(i);
    s1 += term(i + 1);
    s2 += term(i + 2);
    s3 += term(i + 3);
  }
  for (; i < n; ++i) s0 += term(i);
  return (s0 + s1) + (s2 + s3);
}

// out[graph, head, a] = Σ_j left[j, head, a] right[j, head] over the nodes of the graph; left is 1 where absent.
template <class T, class I> struct Outer {
  const T *left, *right;
  const I* ptr;
  int64_t heads, a, b;
  T* out;
  template <class Lane> HD void operator()(int64_t row, Lane lane) const {
    const int64_t head = row / a % heads, graph = row / a / heads, first = ptr[graph] * heads + head, at = row % a;
    const auto term = [&](int64_t j) {
      const auto value = lane.load(right + (first + j * heads) * b);
      return left ? value * widen(left[(first + j * heads) * a + at]) : value;
    };
    lane.store(out + row * b, sum_of(lane, ptr[graph + 1] - ptr[graph], term));
  }
};

// out[i, head] = (Σ_a left[i, head, a] state[graph, head, a] + weight[i, head] extra[graph, head]) / divisor[i, head].
template <class T, class I> struct Apply {
  const T *left, *state, *weight, *extra, *divisor;
  const I* graph;
  int64_t heads, a, b;
  T* out;
  template <class Lane> HD void operator()(int64_t row, Lane lane) const {
    const int64_t of = graph[row / heads] * heads + row % heads;
    const T* states = state + of * a * b;
    auto sum = sum_of(lane, a, [&](int64_t m) { return lane.load(states + m * b) * widen(left[row * a + m]); });
    if (extra) sum += lane.load(extra + of * b) * (weight ? widen(weight[row]) : Acc<T>(1));
    lane.store(out + row * b, divisor ? sum / widen(divisor[row]) : sum);
  }
};

template <class T, class I> struct Divisor {
  const T *q, *z;
  const I* graph;
  int64_t heads, width;
  template <class Lane> HD typename Lane::V operator()(int64_t row, Lane lane) const {
    return lane.load(q + row * width) * lane.load(z + (graph[row / heads] * heads + row % heads) * width);
  }
};

// g / d, the gradient of the numerator, and -g·out / d, that of d.
template <class T> struct GradNumerator {
  const T *g, *divisor;
  int64_t width;
  T* out;
  template <class Lane> HD void operator()(int64_t row, Lane lane) const {
    lane.store(out + row * width, lane.load(g + row * width) / widen(divisor[row]));
  }
};
template <class T> struct GradDivisor {
  const T *grad_numerator, *out;
  int64_t width;
  template <class Lane> HD typename Lane::V operator()(int64_t row, Lane lane) const {
    return -lane.load(grad_numerator + row * width) * lane.load(out + row * width);
  }
};

// The two products for the arrays of one call.
template <class T, class I> struct Products {
  const Tensor& like;
  const I *ptr, *graph;
  int64_t graphs, nodes, heads;

  Tensor outer(const T* left, const T* right, int64_t a, int64_t b) const {
    Tensor out = new_empty(like, {graphs, heads, a, b});
    for_rows<T>(like, graphs * heads * a, b, Outer<T, I>{left, right, ptr, heads, a, b, write<T>(out)});
    return out;
  }
  Tensor apply(const T* left, const Tensor& state, int64_t a, int64_t b, const T* weight = nullptr,
               const T* extra = nullptr, const T* divisor = nullptr) const {
    Tensor out = new_empty(like, {nodes, heads * b});
    for_rows<T>(like, nodes * heads, b,
                Apply<T, I>{left, read<T>(state), weight, extra, divisor, graph, heads, a, b, write<T>(out)});
    return out;
  }
};

std::tuple<Tensor, Tensor> linear_attention(const Tensor& q_, const Tensor& k_, const Tensor& v_, const Tensor& ptr_,
                                            const Tensor& graph_, int64_t heads) {
  const Tensor q = dense(q_), k = dense(k_), v = dense(v_), ptr = dense(ptr_), graph = dense(graph_);
  STD_TORCH_CHECK(heads > 0, "linear_attention: expected at least one head");
  const int64_t nodes = graph.size(0), features = q.size(1) / heads, width = v.size(1) / heads;
  STD_TORCH_CHECK(fits(q, q.scalar_type(), {nodes, features * heads}) &&
                      fits(k, q.scalar_type(), {nodes, features * heads}) &&
                      fits(v, q.scalar_type(), {nodes, width * heads}),
                  "linear_attention: expected q and k [N, H·M] and v [N, H·C] of one type, for N = ", nodes, ", H = ",
                  heads);
  Tensor out, divisor = new_empty(q, {nodes, heads});
  by_types(q, ptr, "linear_attention", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    const Products<T, I> p{q, read<I>(ptr), read<I>(graph), ptr.size(0) - 1, nodes, heads};
    const Tensor state = p.outer(read<T>(k), read<T>(v), features, width);
    const Tensor z = p.outer(nullptr, read<T>(k), 1, features);
    for_rows_summed<T>(q, nodes * heads, features, write<T>(divisor),
                       Divisor<T, I>{read<T>(q), read<T>(z), p.graph, heads, features});
    out = p.apply(read<T>(q), state, features, width, nullptr, nullptr, read<T>(divisor));
  });
  return {out, divisor};
}

std::tuple<Tensor, Tensor, Tensor> linear_attention_backward(const Tensor& g_, const Tensor& q_, const Tensor& k_,
                                                             const Tensor& v_, const Tensor& ptr_,
                                                             const Tensor& graph_, const Tensor& out_,
                                                             const Tensor& divisor_, int64_t heads) {
  const Tensor g = dense(g_), q = dense(q_), k = dense(k_), v = dense(v_), ptr = dense(ptr_), graph = dense(graph_),
               out = dense(out_), divisor = dense(divisor_);
  const int64_t nodes = q.size(0), features = q.size(1) / heads, width = v.size(1) / heads;
  Tensor up = new_empty(q, {nodes, heads * width}), down = new_empty(q, {nodes, heads});  // of numerator and divisor
  Tensor grad_q, grad_k, grad_v;
  by_types(q, ptr, "linear_attention_backward", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    const Products<T, I> p{q, read<I>(ptr), read<I>(graph), ptr.size(0) - 1, nodes, heads};
    for_rows<T>(q, nodes * heads, width, GradNumerator<T>{read<T>(g), read<T>(divisor), width, write<T>(up)});
    for_rows_summed<T>(q, nodes * heads, width, write<T>(down), GradDivisor<T>{read<T>(up), read<T>(out), width});
    const Tensor state = p.outer(read<T>(v), read<T>(k), width, features);
    const Tensor z = p.outer(nullptr, read<T>(k), 1, features);
    grad_q = p.apply(read<T>(up), state, width, features, read<T>(down), read<T>(z));
    const Tensor grad_state = p.outer(read<T>(q), read<T>(up), features, width);
    grad_v = p.apply(read<T>(k), grad_state, features, width);
    const Tensor turned = p.outer(read<T>(up), read<T>(q), width, features);  // grad_state, transposed
    const Tensor grad_z = p.outer(read<T>(down), read<T>(q), 1, features);
    grad_k = p.apply(read<T>(v), turned, width, features, nullptr, read<T>(grad_z));
  });
  return {grad_q, grad_k, grad_v};
}

}  // namespace gnnlab

GNNLAB_OP(linear_attention, "(Tensor q, Tensor k, Tensor v, Tensor ptr, Tensor graph, int heads) -> (Tensor, Tensor)")
GNNLAB_OP(linear_attention_backward, "(Tensor g, Tensor q, Tensor k, Tensor v, Tensor ptr, Tensor graph, Tensor out, "
                                     "Tensor divisor, int heads) -> (Tensor, Tensor, Tensor)")
