// A linear map of rows and its gradients on the CPU, by blocks of rows that stay in the first cache.
#pragma once
#include <memory>

#include "dropout.h"
#include "gemm.h"

namespace gnnlab {

constexpr int64_t kLinearRows = 48;  // rows of x at a time: a multiple of all tile_rows
constexpr int64_t kAhead = 8;        // rows, about a tile: what a step keeps for its backward outgrows the caches

// fn(first, last) for every block of rows; within a parallel region.
template <class Fn> void by_blocks(int64_t rows, const Fn& fn) {
#pragma omp for schedule(static)
  for (int64_t block = 0; block < (rows + kLinearRows - 1) / kLinearRows; ++block)
    fn(block * kLinearRows, std::min(rows, (block + 1) * kLinearRows));
}

// y = dropout(act(x Wᵀ + b)): the bias, ReLU and dropout happen while a tile is in registers or cache. Each thread makes
// its own, so that the packed weight lies in its cache.
template <class T> struct Linear {
  using A = Acc<T>;
  const T* x;
  T* y;
  int64_t in, out;
  bool relu;
  Dropout dropout;
  Packed<A> weight;
  std::vector<A> start;

  Linear(const T* x, const T* w, const T* bias, T* y, int64_t in, int64_t out, bool relu, const Dropout& dropout)
      : x(x), y(y), in(in), out(out), relu(relu), dropout(dropout), weight(packed_transpose(w, out, in)),
        start(whole_registers<A>(out)) {
    for (int64_t j = 0; bias && j < out; ++j) start[j] = widen(bias[j]);
  }

  void rows(int64_t first, int64_t last) const {
    std::vector<A> scratch;
    const A* left;
    if constexpr (std::is_same_v<T, A>) {
      left = x + first * in;
    } else {
      scratch.resize((last - first) * in);
      for (int64_t i = 0; i < (last - first) * in; ++i) scratch[i] = widen(x[first * in + i]);
      left = scratch.data();
    }
    gemm<A>(left, in, 1, last - first, in, weight.get(), whole_registers<A>(out), whole_registers<A>(out),
            [&](int64_t m, int64_t n, Reg<A> v) {
              Reg<A> offset;
              load_register(offset, &start[n]);
              v += offset;
              if (relu) v = v < Reg<A>{} ? Reg<A>{} : v;
              T* to = y + (first + m) * out + n;
              __builtin_prefetch(to + kAhead * out, 1);
              store_part(to, v, out - n);
            });
    dropout.apply(y + first * out, first * out, (last - first) * out);
  }
};

// Rows in at most 16 chunks, however many threads there are. What a chunk adds to the gradient of a weight is summed
// apart, by the thread that has just computed its rows; the chunks are then added in their order.
struct Chunks {
  int64_t rows, size, count;

  explicit Chunks(int64_t rows)
      : rows(rows), size(std::max<int64_t>(4, ((rows + 15) / 16 + kLinearRows - 1) / kLinearRows) * kLinearRows),
        count((rows + size - 1) / size) {}

  // fn(chunk, first, end) for every chunk and, within it, for every two blocks of rows; within a parallel region.
  template <class Fn> void each(const Fn& fn) const {
#pragma omp for schedule(static)
    for (int64_t chunk = 0; chunk < count; ++chunk) {
      const int64_t last = std::min(rows, (chunk + 1) * size);
      for (int64_t first = chunk * size; first < last; first += 2 * kLinearRows)
        fn(chunk, first, std::min(last, first + 2 * kLinearRows));
    }
  }
};

// Its gradients; `y` where ReLU or dropout came after the product: where it is positive, the gradient passes.
// `rows`, with each thread's own `pack`, and `weights` for all rows, then, with all threads, `sum`.
template <class T> struct LinearBackward {
  using A = Acc<T>;
  const T *g, *x, *w, *y;
  T *grad_x, *grad_w, *grad_b;
  Chunks chunks;
  int64_t in, out, wide;
  A scale;
  bool after_relu = false;  // x came out of a ReLU and a dropout of this scale, which the gradient goes back through too
  A x_scale = 1;
  Packed<A> weight_sums;  // by chunk
  std::vector<A> bias_sums;
  Packed<A> gated, widened;  // copies of g and x, where those cannot be used as they are
  const A *grad_z, *left;
  int64_t tail;         // the last rows of x, behind which a whole register would reach out of x, lie once more in
  std::vector<A> last;  // whole registers; behind the other rows lie the next ones

  LinearBackward(const T* g, const T* x, const T* w, const T* y, T* grad_x, T* grad_w, T* grad_b, int64_t rows, int64_t in,
                 int64_t out, double scale)
      : g(g), x(x), w(w), y(y), grad_x(grad_x), grad_w(grad_w), grad_b(grad_b), chunks(rows), in(in), out(out),
        wide(whole_registers<A>(in)), scale(static_cast<A>(scale)),
        weight_sums(unwritten<A>(chunks.count * out * wide)), bias_sums(chunks.count * out),
        tail(in ? std::min(rows, (wide - 1) / in) : 0), last(tail * wide) {
    constexpr bool same = std::is_same_v<T, A>;
    if (!same || y) gated = unwritten<A>(rows * out);
    if (!same) widened = unwritten<A>(rows * in);
    grad_z = gated ? gated.get() : reinterpret_cast<const A*>(g);
    left = widened ? widened.get() : reinterpret_cast<const A*>(x);
    for (int64_t r = 0; r < tail; ++r)
      for (int64_t j = 0; j < in; ++j) last[r * wide + j] = widen(x[(rows - tail + r) * in + j]);
  }

  Packed<A> pack() const { return grad_x ? packed(w, out, in) : nullptr; }

  void rows(const Packed<A>& weight, int64_t chunk, int64_t first, int64_t end) {
    if (gated) gate(g + first * out, y ? y + first * out : nullptr, gated.get() + first * out, (end - first) * out);
    add_rows(grad_z + first * out, &bias_sums[chunk * out], end - first);
    if (widened)
      for (int64_t i = first * in; i < end * in; ++i) widened[i] = widen(x[i]);
    if (grad_x)
      gemm<A>(grad_z + first * out, out, 1, end - first, out, weight.get(), wide, wide,
              [&](int64_t m, int64_t n, Reg<A> v) {
                const int64_t at = (first + m) * in + n;
                __builtin_prefetch(grad_x + at + kAhead * in, 1);
                if (after_relu) {
                  Reg<A> value;
                  __builtin_prefetch(x + at + kAhead * in);
                  load_part<T>(value, x + at, in - n);
                  v = value > Reg<A>{} ? v * x_scale : Reg<A>{};
                }
                store_part(grad_x + at, v, in - n);
              });
  }

  // To the chunk's gradient of W: Σ_r grad_z[r, o] x[r].
  void weights(int64_t chunk, int64_t first, int64_t end) {
    A* sum = &weight_sums[chunk * out * wide];
    bool fresh = first == chunk * chunks.size;
    const auto add = [&](int64_t row, int64_t depth, const A* rows, int64_t width) {
      if (depth <= 0) return;
      gemm<A>(grad_z + row * out, 1, out, out, depth, rows, width, wide, [&](int64_t m, int64_t n, Reg<A> v) {
        Reg<A> before = {};
        if (!fresh) load_register(before, sum + m * wide + n);
        store_register(sum + m * wide + n, before + v);
      });
      fresh = false;
    };
    const int64_t plain = chunks.rows - tail, at = std::max(first, plain);
    add(first, std::min(end, plain) - first, left + first * in, in);
    add(at, end - at, last.data() + (at - plain) * wide, wide);
  }

  // The gradients of W and b.
  void sum() {
#pragma omp for schedule(static)
    for (int64_t o = 0; o < out; ++o) {
      std::vector<A> total(wide + 1);
      for (int64_t chunk = 0; chunk < chunks.count; ++chunk) {
        add_row(&weight_sums[(chunk * out + o) * wide], total.data(), wide);
        total[wide] += bias_sums[chunk * out + o];
      }
      for (int64_t n = 0; n < in; ++n) grad_w[o * in + n] = static_cast<T>(total[n]);
      grad_b[o] = static_cast<T>(total[wide]);
    }
  }

  static void add_row(const A* __restrict from, A* __restrict to, int64_t n) {
    for (int64_t i = 0; i < n; ++i) to[i] += from[i];
  }

  // In registers: left to the compiler, this became a branch for every number.
  void gate(const T* from, const T* value, A* to, int64_t n) const {
    for (int64_t i = 0; i < n; i += RegOf<A>::lanes) {
      Reg<A> v, of;
      load_part<T>(v, from + i, n - i);
      v *= scale;
      if (value) {
        load_part<T>(of, value + i, n - i);
        v = of > Reg<A>{} ? v : Reg<A>{};
      }
      store_part(to + i, v, n - i);
    }
  }

  void add_rows(const A* z, A* to, int64_t count) const {
    for (int64_t r = 0; r < count; ++r) add_row(z + r * out, to, out);
  }
};

}  // namespace gnnlab
