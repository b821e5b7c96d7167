// The selective scan of Mamba (Gu and Dao, 2023) over ragged sequences:
//   h_t = exp(Δ_t A) h_{t−1} + Δ_t u_t B_t,   y_t = C_t · h_t + D u_t.
// A lane holds channels and walks along the steps, sixteen of the states at a time: the caller pads their number.
// The forward pass keeps the state that enters every sixteenth row; the backward pass computes those between again.
#include "op.h"

#ifdef __CUDACC__
#include "cuda/channels.cuh"
#else
#include "cpu/channels.h"
#endif

namespace gnnlab {

constexpr int kStates = 16;
constexpr int kChunk = 16;
template <class V> using States = V[kStates];

template <class T> struct Sequences {
  using A = Acc<T>;
  const T *u, *delta;                // [N, D]
  const A *a, *b, *c, *skip;         // [S, D], [N, S], [N, S], [D] or none
  const int64_t* ptr;
  int64_t width, states;
  bool reverse;

  HD int64_t steps(int64_t i) const { return ptr[i + 1] - ptr[i]; }
  HD int64_t row(int64_t i, int64_t step) const { return reverse ? ptr[i + 1] - 1 - step : ptr[i] + step; }
  // Where the state is kept that enters a row whose number is a multiple of kChunk: in [⌈N / kChunk⌉, S, D].
  HD int64_t kept(int64_t row, int64_t state) const { return (row / kChunk * states + state) * width; }
  // log₂ of what a state loses in a unit of time. Finite, so that even a state that is lost at once is not NaN.
  template <class Lane, class V> HD void rates(Lane lane, int64_t state, States<V>& rate) const {
    GNNLAB_UNROLL
    for (int s = 0; s < kStates; ++s)
      rate[s] = maximum_(exact(lane).load(a + (state + s) * width) * V(A(1.44269504088896340736)), V(A(-1e30)));
  }
};

template <class V> HD void clear(States<V>& values) {
  GNNLAB_UNROLL
  for (int s = 0; s < kStates; ++s) values[s] = V(0);
}

template <class T> struct Scan {
  Sequences<T> in;
  Split<T> split;
  T* y;
  Acc<T>* kept;

  template <class Lane> HD void operator()(int64_t part, int64_t, Lane lane, bool) const {
    for (int64_t state = 0; state < in.states; state += kStates)
      for (int64_t i = split.first(part); i < split.first(part + 1); ++i) walk(i, state, lane);
  }

  template <class Lane> HD void walk(int64_t i, int64_t state, Lane lane) const {
    using V = typename Lane::V;
    States<V> rate, h;
    in.rates(lane, state, rate);
    clear(h);
    const V skip = in.skip ? exact(lane).load(in.skip) : V(0);
    for (int64_t k = 0; k < in.steps(i); ++k) {
      const int64_t row = in.row(i, k), at = row * in.width;
      if (kept && row % kChunk == 0) {
        GNNLAB_UNROLL
        for (int s = 0; s < kStates; ++s) exact(lane).store(kept + in.kept(row, state + s), h[s]);
      }
      const V delta = lane.load(in.delta + at), u = lane.load(in.u + at), given = delta * u;
      const Acc<T>*b = in.b + row * in.states + state, *c = in.c + row * in.states + state;
      V out = state ? lane.load(y + at) : skip * u;
      GNNLAB_UNROLL
      for (int s = 0; s < kStates; ++s) {
        h[s] = exp2_(delta * rate[s]) * h[s] + given * b[s];
        out = out + h[s] * c[s];
      }
      lane.store(y + at, out);
    }
  }
};

template <class T> struct ScanBackward {
  using A = Acc<T>;
  Sequences<T> in;
  Split<T> split;
  const T* g;
  const A* kept;
  T *grad_u, *grad_delta;
  A *grad_a, *grad_skip;  // of each part: [S, D], [D]
  A *grad_b, *grad_c;     // of each group: [N, S]
  int64_t rows;

  template <class V> struct Walk {
    States<V> rate, carried, sum_a;
    V sum_skip;
  };
  // The states within a chunk, and how much of them each step leaves.
  template <class V> struct Chunk {
    States<V> h[kChunk + 1], left[kChunk];
  };

  template <class Lane> HD void operator()(int64_t part, int64_t group, Lane lane, bool add) const {
    using V = typename Lane::V;
    Walk<V> w;
    Chunk<V> past;
    w.sum_skip = V(0);
    for (int64_t state = 0; state < in.states; state += kStates) {
      in.rates(lane, state, w.rate);
      clear(w.sum_a);
      for (int64_t i = split.first(part); i < split.first(part + 1); ++i) {
        clear(w.carried);
        for (int64_t first, last = in.steps(i); last > 0; last = first) {
          for (first = last - 1; first > 0 && in.row(i, first) % kChunk != 0;) --first;
          again(i, first, last, state, lane, w.rate, past);
          for (int64_t k = last - 1; k >= first; --k)
            back(in.row(i, k), state, group, lane, add, w, past.h[k - first], past.h[k - first + 1],
                 past.left[k - first]);
        }
      }
      GNNLAB_UNROLL
      for (int s = 0; s < kStates; ++s)
        exact(lane).store(grad_a + (part * in.states + state + s) * in.width, w.sum_a[s]);
    }
    exact(lane).store(grad_skip + part * in.width, w.sum_skip);
  }

  // The states of the steps first … last − 1.
  template <class Lane, class V>
  HD void again(int64_t i, int64_t first, int64_t last, int64_t state, Lane lane, const States<V>& rate,
                Chunk<V>& past) const {
    const int64_t entered = in.row(i, first);
    GNNLAB_UNROLL
    for (int s = 0; s < kStates; ++s)
      past.h[0][s] = entered % kChunk == 0 ? exact(lane).load(kept + in.kept(entered, state + s)) : V(0);
    for (int64_t k = first; k < last; ++k) {
      const int64_t row = in.row(i, k), at = row * in.width;
      const V delta = lane.load(in.delta + at), given = delta * lane.load(in.u + at);
      const A* b = in.b + row * in.states + state;
      const States<V>& before = past.h[k - first];
      States<V>&after = past.h[k - first + 1], &left = past.left[k - first];
      GNNLAB_UNROLL
      for (int s = 0; s < kStates; ++s) {
        left[s] = exp2_(delta * rate[s]);
        after[s] = left[s] * before[s] + given * b[s];
      }
    }
  }

  // One step: from the gradient of its state (what later steps carried back, and its own output) to that of its inputs.
  template <class Lane, class V>
  HD void back(int64_t row, int64_t state, int64_t group, Lane lane, bool add, Walk<V>& w, const States<V>& before,
               const States<V>& after, const States<V>& left) const {
    const int64_t at = row * in.width, entry = row * in.states + state, own = group * rows * in.states + entry;
    const V delta = lane.load(in.delta + at), u = lane.load(in.u + at), grad = lane.load(g + at), given = delta * u;
    const A *b = in.b + entry, *c = in.c + entry;
    States<V> by_b, by_c;
    V by_given = V(0), by_exponent = V(0);
    GNNLAB_UNROLL
    for (int s = 0; s < kStates; ++s) {
      const V by_state = w.carried[s] + grad * c[s];
      by_c[s] = grad * after[s];
      by_b[s] = by_state * given;
      by_given = by_given + by_state * b[s];
      w.carried[s] = by_state * left[s];
      const V by_log = w.carried[s] * before[s];
      by_exponent = by_exponent + by_log * w.rate[s];
      w.sum_a[s] = w.sum_a[s] + by_log * delta;
    }
    sum_channels(by_b, grad_b + own, add);
    sum_channels(by_c, grad_c + own, add);
    V by_u = by_given * delta, by_delta = by_given * u + by_exponent * A(0.693147180559945309417);
    if (state) {
      by_u = by_u + lane.load(grad_u + at);
      by_delta = by_delta + lane.load(grad_delta + at);
    } else {
      w.sum_skip = w.sum_skip + grad * u;
      if (in.skip) by_u = by_u + grad * exact(lane).load(in.skip);
    }
    lane.store(grad_u + at, by_u);
    lane.store(grad_delta + at, by_delta);
  }
};

template <class A> struct Total {
  const A* terms;
  A* out;
  int64_t count, size, width;
  template <class Lane> HD void operator()(int64_t row, Lane lane) const {
    auto sum = Lane::fill(0);
    for (int64_t i = 0; i < count; ++i) sum = sum + lane.load(terms + i * size + row * width);
    lane.store(out + row * width, sum);
  }
};

// Σ over the first of three dimensions, in order.
template <class A> Tensor total(const Tensor& terms) {
  const int64_t rows = terms.size(1), width = terms.size(2);
  Tensor out = new_empty(terms, {rows, width});
  for_rows<A>(terms, rows, width, Total<A>{read<A>(terms), write<A>(out), terms.size(0), rows * width, width});
  return out;
}

// The inputs of both passes, checked and dense.
struct Given {
  Tensor u, delta, a, b, c;
  std::optional<Tensor> skip;
  Tensor ptr;
  bool reverse;
  int64_t rows, width, states;

  Given(const Tensor& u_, const Tensor& delta_, const Tensor& a_, const Tensor& b_, const Tensor& c_,
        const std::optional<Tensor>& skip_, const Tensor& ptr_, bool reverse)
      : u(dense(u_)), delta(dense(delta_)), a(dense(torch::stable::transpose(a_, 0, 1))), b(dense(b_)), c(dense(c_)),
        skip(dense(skip_)), ptr(dense(ptr_)), reverse(reverse), rows(u.size(0)), width(u.size(1)), states(a.size(0)) {
    STD_TORCH_CHECK(delta.size(0) == rows && delta.size(1) == width, "selective_scan: delta must have the shape of u");
    STD_TORCH_CHECK(a.size(1) == width, "selective_scan: A must be [d, S] for u [N, d]");
    STD_TORCH_CHECK(states % kStates == 0, "selective_scan: S must be a multiple of ", kStates);
    STD_TORCH_CHECK(b.size(0) == rows && b.size(1) == states && c.size(0) == rows && c.size(1) == states,
                    "selective_scan: B and C must be [N, S]");
    STD_TORCH_CHECK(!skip.has_value() || skip->size(0) == width, "selective_scan: D must be [d]");
#ifndef __CUDACC__
    const int64_t* p = read<int64_t>(ptr);
    STD_TORCH_CHECK(p[0] == 0 && p[ptr.size(0) - 1] == rows, "selective_scan: ptr must go from 0 to N");
#endif
  }

  template <class T> Sequences<T> sequences() const {
    using A = Acc<T>;
    return {read<T>(u), read<T>(delta),    read<A>(a), read<A>(b), read<A>(c),
            read<A>(skip), read<int64_t>(ptr), width,      states,     reverse};
  }
};

std::tuple<Tensor, Tensor> selective_scan(const Tensor& u, const Tensor& delta, const Tensor& a, const Tensor& b,
                                          const Tensor& c, const std::optional<Tensor>& skip, const Tensor& ptr,
                                          bool reverse, bool keep) {
  const Given in(u, delta, a, b, c, skip, ptr, reverse);
  Tensor y = new_empty(in.u, {in.rows, in.width});
  Tensor kept = new_empty(in.a, {keep ? (in.rows + kChunk - 1) / kChunk : 0, in.states, in.width});
  by_float(u, "selective_scan", [&](auto type) {
    using T = typename decltype(type)::type;
    const Split<T> split(ptr.size(0) - 1, in.width);
    for_channels<T>(u, split, in.rows * in.width * in.states,
                    Scan<T>{in.sequences<T>(), split, write<T>(y), keep ? write<Acc<T>>(kept) : nullptr});
  });
  return {y, kept};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> selective_scan_backward(
    const Tensor& g_, const Tensor& kept_, const Tensor& u, const Tensor& delta, const Tensor& a, const Tensor& b,
    const Tensor& c, const std::optional<Tensor>& skip, const Tensor& ptr, bool reverse) {
  const Given in(u, delta, a, b, c, skip, ptr, reverse);
  const Tensor g = dense(g_), kept = dense(kept_);
  STD_TORCH_CHECK(kept.size(0) == (in.rows + kChunk - 1) / kChunk, "selective_scan_backward: the forward pass kept no states");
  Tensor grad_u = new_empty(in.u, {in.rows, in.width}), grad_delta = new_empty(in.u, {in.rows, in.width});
  Tensor grad_a = in.a, grad_b = in.b, grad_c = in.c, grad_skip = in.a;
  by_float(u, "selective_scan_backward", [&](auto type) {
    using T = typename decltype(type)::type;
    using A = Acc<T>;
    const Split<T> split(ptr.size(0) - 1, in.width);
    Tensor of_a = new_empty(in.a, {split.parts, in.states, in.width}),
           of_skip = new_empty(in.a, {split.parts, 1, in.width}),
           of_b = new_empty(in.a, {split.groups, in.rows, in.states}),
           of_c = new_empty(in.a, {split.groups, in.rows, in.states});
    for_channels<T>(u, split, 3 * in.rows * in.width * in.states,
                    ScanBackward<T>{in.sequences<T>(), split, read<T>(g), read<A>(kept), write<T>(grad_u),
                                    write<T>(grad_delta), write<A>(of_a), write<A>(of_skip), write<A>(of_b),
                                    write<A>(of_c), in.rows});
    grad_a = total<A>(of_a), grad_b = total<A>(of_b), grad_c = total<A>(of_c), grad_skip = total<A>(of_skip);
  });
  return {grad_u, grad_delta, grad_a, grad_b, grad_c, grad_skip};
}

}  // namespace gnnlab

GNNLAB_OP(selective_scan, "(Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor ptr, bool reverse, "
                          "bool keep) -> (Tensor, Tensor)")
GNNLAB_OP(selective_scan_backward, "(Tensor g, Tensor kept, Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, "
                                   "Tensor? D, Tensor ptr, bool reverse) -> (Tensor, Tensor, Tensor, Tensor, Tensor, "
                                   "Tensor)")
