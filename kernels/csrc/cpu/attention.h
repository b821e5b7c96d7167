// What attention's forward and backward share: the arguments, a head's rows as numbers to compute with, and the order
// of work.
#pragma once
#include "../op.h"
#include "../random.h"
#include "attention_panel.h"

namespace gnnlab {

// One head of one graph, which has n nodes from row `first` on.
struct Head {
  int64_t graph, head, first, n;
};

inline int64_t rounded_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

template <class T> struct Attention {
  using A = Acc<T>;
  const T *qkv, *bias;
  const int64_t* pair_ptr;
  int64_t heads, width, padded;  // padded: the width in whole registers
  Keep keep;
  A scale;

  Attention(const Tensor& qkv_, const std::optional<Tensor>& bias_, const std::optional<Tensor>& pair_ptr_,
            const std::optional<Tensor>& seed, int64_t heads_, double dropout)
      : qkv(read<T>(qkv_)), bias(read<T>(bias_)), pair_ptr(read<int64_t>(pair_ptr_)), heads(heads_),
        width(qkv_.size(1) / heads_ / 3), padded(rounded_up(width, RegOf<A>::lanes)),
        keep(seed.has_value() ? *read<int64_t>(*seed) : 0, dropout), scale(1 / std::sqrt(static_cast<A>(width))) {}

  // A head's rows in part 0, 1, … of array [N, parts·H·C]. Of qkv, 0, 1 and 2 are queries, keys and values.
  template <class X> Rows<X> rows(X* array, const Head& h, int part, int parts) const {
    const int64_t step = parts * heads * width;
    return {array + h.first * step + (part * heads + h.head) * width, step};
  }

  // How many numbers a copy of n rows takes.
  int64_t room(int64_t n) const { return rounded_up(n, kEight) * padded; }

  // Rows close together: as they are in memory, 3·H·C apart, few of them fit into the first-level cache.
  Rows<const A> copy(Rows<const T> from, int64_t n, A* to) const {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t c = 0; c < padded; c += RegOf<A>::lanes)
        store_register(to + i * padded + c, load_some<T>(from[i] + c, width - c));
    std::fill_n(to + n * padded, room(n) - n * padded, A(0));
    return {to, padded};
  }

  // The tile of kKeys keys and kQueries queries is a group of random.h: key by key, query by query.
  void kept(const Head& h, int64_t query, int64_t key, uint32_t (&bits)[kKeys + 1]) const {
    const uint64_t row = (h.first + query) * heads + h.head;
    keep.group(row << 24 | static_cast<uint64_t>(key / kKeys), bits);
  }

  // The place of the bias of a query and a key; the next query's is n·heads further on.
  int64_t pair(const Head& h, int64_t query, int64_t key) const {
    return (pair_ptr[h.graph] + query * h.n + key) * heads + h.head;
  }
  template <int R> Vec<A, R> bias_of(const Head& h, int64_t query, int count, int64_t key) const {
    alignas(kRegister) A values[kQueries] = {};
    for (int i = 0; i < count; ++i) values[i] = widen(bias[pair(h, query + i, key)]);
    return load<A, R>(values);
  }
};

// body(head, scratch) for every head of every graph with nodes; scratch has room for body.numbers(nodes) numbers.
template <class T, class I, class Body>
void for_heads(const Body& body, int64_t heads, int64_t width, const Tensor& ptr_) {
  using A = Acc<T>;
  const I* ptr = read<I>(ptr_);
  const int64_t tasks = (ptr_.size(0) - 1) * heads;
  std::vector<int64_t> cost(tasks + 1, 0);
  int64_t largest = 0;
  for (int64_t task = 0; task < tasks; ++task) {
    const int64_t n = ptr[task / heads + 1] - ptr[task / heads];
    cost[task + 1] = cost[task] + n * (n + kQueries);
    largest = std::max(largest, n);
  }
  parallel(cost.data(), tasks, cost[tasks] * width, [&](int64_t begin, int64_t end) {
    std::vector<Vec<A, 1>> scratch(body.numbers(largest) / RegOf<A>::lanes);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t graph = task / heads, first = ptr[graph], n = ptr[graph + 1] - first;
      if (n > 0) body(Head{graph, task % heads, first, n}, reinterpret_cast<A*>(scratch.data()));
    }
  });
}

// The same for pointers of either type.
template <class T, class Body> void for_heads(const Body& body, const Tensor& ptr) {
  switch (ptr.scalar_type()) {
    case ScalarType::Int: return for_heads<T, int32_t>(body, body.a.heads, body.a.width, ptr);
    case ScalarType::Long: return for_heads<T, int64_t>(body, body.a.heads, body.a.width, ptr);
    default: STD_TORCH_CHECK(false, "attention: expected int32 or int64 pointers");
  }
}

}  // namespace gnnlab
