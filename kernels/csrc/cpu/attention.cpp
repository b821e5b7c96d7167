// Softmax attention within each graph, one head of one graph at a time, without padding and without a stored mask.
// The score of query i and key j is q_i·k_j / √C + bias_ij: see gnnlab/ops/attention.py.
#include "attention.h"

namespace gnnlab {

// Keys at a time in the backward, so that their weights stay in the first-level cache.
constexpr int64_t kBlock = 64;

// fn.template operator()<R>(query, count) for every panel of a head's queries.
template <class A, class Fn> void for_panels(int64_t n, const Fn& fn) {
  constexpr int registers = kQueries / RegOf<A>::lanes;
  for (int64_t query = 0; query < n; query += kQueries) {
    const int count = static_cast<int>(std::min<int64_t>(n - query, kQueries));
    if (count > kQueries / 2) fn.template operator()<registers>(query, count);
    else fn.template operator()<registers / 2>(query, count);
  }
}

// ---- forward ----------------------------------------------------------------------------------

template <class T> struct AttentionForward {
  using A = Acc<T>;
  Attention<T> a;
  T* out;
  A* logsum;  // log Σ_j exp(score_ij): [N, H]

  int64_t numbers(int64_t n) const { return 2 * a.room(n) + (2 * a.padded + rounded_up(n, kEight)) * kQueries; }

  void operator()(const Head& h, A* scratch) const {
    const Rows<const A> k = a.copy(a.rows(a.qkv, h, 1, 3), h.n, scratch);
    const Rows<const A> v = a.copy(a.rows(a.qkv, h, 2, 3), h.n, scratch + a.room(h.n));
    A* panels = scratch + 2 * a.room(h.n);
    for_panels<A>(h.n, [&]<int R>(int64_t query, int count) { panel<R>(h, query, count, k, v, panels); });
  }

  template <int R>
  void panel(const Head& h, int64_t query, int count, Rows<const A> k, Rows<const A> v, A* scratch) const {
    A *q = scratch, *mixed = q + a.padded * kQueries, *weights = mixed + a.padded * kQueries;
    pack<T, A>(a.rows(a.qkv, h, 0, 3).from(query), count, a.width, a.scale, q);
    Vec<A, R> top(-INFINITY), total(A(0));
    for (int64_t key = 0; key < h.n; key += kKeys) {
      Vec<A, R> s[kKeys];
      dots<A, R>(k.from(key), q, a.width, s);
#pragma GCC unroll 4
      for (int j = 0; j < kKeys; ++j) {
        if (key + j >= h.n) break;
        if (a.bias) s[j] += a.template bias_of<R>(h, query, count, key + j);
        top = max_(s[j], top);
        store(weights + (key + j) * kQueries, s[j]);
      }
    }
    // A query that may see no key: its weights are 0, not NaN.
    const Vec<A, R> shift = select(top > A(-INFINITY), top, Vec<A, R>(A(0)));
    for (int64_t key = 0; key < h.n; key += kKeys) {
      uint32_t kept[kKeys + 1];
      a.kept(h, query, key, kept);
      for (int j = 0; j < std::min<int64_t>(h.n - key, kKeys); ++j) {
        A* at = weights + (key + j) * kQueries;
        const Vec<A, R> e = exp_(load<A, R>(at) - shift);
        total += e;
        store(at, select(unpack<A, R>(kept + j, 0), e, Vec<A, R>(A(0))));
      }
    }
    std::fill_n(mixed, a.padded * kQueries, A(0));
    mix<A, R>(weights, v, h.n, a.width, mixed);
    const Vec<A, R> zero(A(0)), factor = select(total == A(0), zero, static_cast<A>(a.keep.scale()) / total);
    for (int64_t c = 0; c < a.width; ++c) store(mixed + c * kQueries, load<A, R>(mixed + c * kQueries) * factor);
    unpack<T, A>(mixed, count, a.width, a.rows(out, h, 0, 1).from(query));
    A tops[kQueries], totals[kQueries];
    store(tops, top);
    store(totals, total);
    for (int i = 0; i < count; ++i)
      logsum[(h.first + query + i) * a.heads + h.head] = tops[i] + std::log(totals[i]);
  }
};

// ---- backward ---------------------------------------------------------------------------------

template <class T> struct AttentionBackward {
  using A = Acc<T>;
  Attention<T> a;
  const T *g, *out;
  const A* logsum;
  T *grad_qkv, *grad_bias;

  // What the panels of a head work on.
  template <int R> struct Panel {
    const Head& h;
    int64_t query;
    int count;
    Rows<const A> k, v;
    const A *q, *g;
    Vec<A, R> logsum, mean;  // mean: Σ_j P_ij ∂L/∂P_ij
  };

  int64_t numbers(int64_t n) const { return 6 * a.room(n) + (4 * a.padded + 2 * kBlock) * kQueries; }

  void operator()(const Head& h, A* scratch) const {
    const int64_t room = a.room(h.n);
    const Rows<const A> q = a.copy(a.rows(a.qkv, h, 0, 3), h.n, scratch);
    const Rows<const A> k = a.copy(a.rows(a.qkv, h, 1, 3), h.n, scratch + room);
    const Rows<const A> v = a.copy(a.rows(a.qkv, h, 2, 3), h.n, scratch + 2 * room);
    const Rows<const A> g_rows = a.copy(a.rows(g, h, 0, 1), h.n, scratch + 3 * room);
    const Rows<A> grad_k{scratch + 4 * room, a.padded}, grad_v{scratch + 5 * room, a.padded};
    std::fill_n(grad_k.at, 2 * room, A(0));
    for_panels<A>(h.n, [&]<int R>(int64_t query, int count) {
      panel<R>(h, query, count, q.from(query), k, v, g_rows.from(query), grad_k, grad_v, scratch + 6 * room);
    });
    put(grad_k, a.rows(grad_qkv, h, 1, 3), h.n);
    put(grad_v, a.rows(grad_qkv, h, 2, 3), h.n);
  }

  void put(Rows<A> from, Rows<T> to, int64_t n) const {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t c = 0; c < a.width; c += RegOf<A>::lanes)
        store_part(to[i] + c, load<A, 1>(from[i] + c).r[0], a.width - c);
  }

  template <int R>
  void panel(const Head& h, int64_t query, int count, Rows<const A> q, Rows<const A> k, Rows<const A> v,
             Rows<const A> g_rows, Rows<A> grad_k, Rows<A> grad_v, A* scratch) const {
    const int64_t size = a.padded * kQueries;
    A *q_panel = scratch, *g_panel = q_panel + size, *out_panel = g_panel + size, *mixed = out_panel + size;
    A *weights = mixed + size, *slopes = weights + kBlock * kQueries;
    pack<A, A>(q, count, a.width, a.scale, q_panel);
    pack<A, A>(g_rows, count, a.width, A(1), g_panel);
    pack<T, A>(a.rows(out, h, 0, 1).from(query), count, a.width, A(1), out_panel);
    A logs[kQueries] = {};
    for (int i = 0; i < count; ++i) {
      logs[i] = logsum[(h.first + query + i) * a.heads + h.head];
      if (logs[i] == -INFINITY) logs[i] = INFINITY;  // it saw no key: every weight comes out as 0
    }
    Panel<R> p{h, query, count, k, v, q_panel, g_panel, load<A, R>(logs), Vec<A, R>(A(0))};
    for (int64_t c = 0; c < a.width; ++c)
      p.mean += load<A, R>(g_panel + c * kQueries) * load<A, R>(out_panel + c * kQueries);
    std::fill_n(mixed, size, A(0));
    for (int64_t key = 0; key < h.n; key += kBlock) {
      const int64_t keys = std::min(h.n - key, kBlock);
      for (int64_t j = 0; j < keys; j += kKeys)
        score_gradients(p, key + j, weights + j * kQueries, slopes + j * kQueries);
      mix<A, R>(slopes, k.from(key), keys, a.width, mixed);
      spread<A>(slopes, q, count, a.padded, grad_k.from(key), keys);
      spread<A>(weights, g_rows, count, a.padded, grad_v.from(key), keys);
    }
    unpack<T, A>(mixed, count, a.width, a.rows(grad_qkv, h, 0, 3).from(query));
  }

  // For kKeys keys: the weights after dropout, and ∂L/∂score · scale.
  template <int R> void score_gradients(const Panel<R>& p, int64_t key, A* weights, A* slopes) const {
    Vec<A, R> s[kKeys], d[kKeys];
    dots<A, R>(p.k.from(key), p.q, a.width, s);
    dots<A, R>(p.v.from(key), p.g, a.width, d);
    uint32_t kept[kKeys + 1];
    a.kept(p.h, p.query, key, kept);
    const A rescale = static_cast<A>(a.keep.scale());
#pragma GCC unroll 4
    for (int j = 0; j < kKeys; ++j) {
      if (key + j >= p.h.n) break;
      if (a.bias) s[j] += a.template bias_of<R>(p.h, p.query, p.count, key + j);
      const Vec<A, R> weight = exp_(s[j] - p.logsum), zero(A(0));
      const auto mask = unpack<A, R>(kept + j, 0);
      const Vec<A, R> slope = weight * (select(mask, d[j] * rescale, zero) - p.mean);
      store(weights + j * kQueries, select(mask, weight * rescale, zero));
      store(slopes + j * kQueries, slope * a.scale);
      if (grad_bias) write_bias(p, key + j, slope);
    }
  }

  template <int R> void write_bias(const Panel<R>& p, int64_t key, const Vec<A, R>& slope) const {
    A values[kQueries];
    store(values, slope);
    for (int i = 0; i < p.count; ++i) grad_bias[a.pair(p.h, p.query + i, key)] = static_cast<T>(values[i]);
  }
};

// ---- ops --------------------------------------------------------------------------------------

std::tuple<Tensor, Tensor> attention(const Tensor& qkv_, const std::optional<Tensor>& bias_, const Tensor& ptr_,
                                     const std::optional<Tensor>& pair_ptr_, const std::optional<Tensor>& seed_,
                                     int64_t heads, double dropout) {
  const Tensor qkv = dense(qkv_), ptr = dense(ptr_);
  const auto bias = dense(bias_), pair_ptr = dense(pair_ptr_), seed = dense(seed_);
  STD_TORCH_CHECK(heads > 0 && qkv.dim() == 2 && qkv.size(1) % (3 * heads) == 0 && ends_at(ptr, qkv.size(0)),
                  "attention: expected qkv [N, 3·H·C] for the nodes of the batch and H = ", heads);
  STD_TORCH_CHECK(fits(bias, qkv.scalar_type(), {kAny, heads}) && (!bias || ends_at(*pair_ptr, bias->size(0))),
                  "attention: expected bias [P, H] of the type of qkv, a row for each pair of nodes of the same graph");
  Tensor out = new_empty(qkv, {qkv.size(0), qkv.size(1) / 3}), logsum;
  by_float(qkv, "attention", [&](auto t) {
    using T = typename decltype(t)::type;
    logsum = new_empty(qkv, {qkv.size(0), heads}, sizeof(Acc<T>) == 8 ? ScalarType::Double : ScalarType::Float);
    for_heads<T>(AttentionForward<T>{{qkv, bias, pair_ptr, seed, heads, dropout}, write<T>(out), write<Acc<T>>(logsum)},
                 ptr);
  });
  return {out, logsum};
}

std::tuple<Tensor, Tensor> attention_backward(const Tensor& g_, const Tensor& qkv_, const std::optional<Tensor>& bias_,
                                              const Tensor& ptr_, const std::optional<Tensor>& pair_ptr_,
                                              const std::optional<Tensor>& seed_, const Tensor& out_,
                                              const Tensor& logsum_, int64_t heads, double dropout) {
  const Tensor g = dense(g_), qkv = dense(qkv_), ptr = dense(ptr_), out = dense(out_), logsum = dense(logsum_);
  const auto bias = dense(bias_), pair_ptr = dense(pair_ptr_), seed = dense(seed_);
  Tensor grad_qkv = new_empty(qkv, {qkv.size(0), qkv.size(1)});
  Tensor grad_bias = new_empty(qkv, {bias ? bias->size(0) : 0, heads});
  by_float(qkv, "attention_backward", [&](auto t) {
    using T = typename decltype(t)::type;
    for_heads<T>(AttentionBackward<T>{{qkv, bias, pair_ptr, seed, heads, dropout}, read<T>(g), read<T>(out),
                                      read<Acc<T>>(logsum), write<T>(grad_qkv), bias ? write<T>(grad_bias) : nullptr},
                 ptr);
  });
  return {grad_qkv, grad_bias};
}

}  // namespace gnnlab

GNNLAB_OP(attention, "(Tensor qkv, Tensor? bias, Tensor ptr, Tensor? pair_ptr, Tensor? seed, int heads, float dropout) "
                     "-> (Tensor, Tensor)")
GNNLAB_OP(attention_backward, "(Tensor g, Tensor qkv, Tensor? bias, Tensor ptr, Tensor? pair_ptr, Tensor? seed, "
                              "Tensor out, Tensor logsum, int heads, float dropout) -> (Tensor, Tensor)")
