// A linear map of rows and its gradients on the CPU, by blocks of rows that stay in the first cache.
#pragma once
#include <memory>

#include "dropout.h"
#include "gemm.h"

namespace gnnlab {

constexpr int64_t kLinearRows = 48;   // rows of x at a time: a multiple of kTileRows
constexpr int64_t kWeightRows = 512;  // rows summed in one go for the gradient of W

// fn(first, last) for every block of rows; within a parallel region.
template <class Fn> void by_blocks(int64_t rows, const Fn& fn) {
#pragma omp for schedule(static)
  for (int64_t block = 0; block < (rows + kLinearRows - 1) / kLinearRows; ++block)
    fn(block * kLinearRows, std::min(rows, (block + 1) * kLinearRows));
}

// y = dropout(act(x Wᵀ + b)): the bias, ReLU and dropout happen while a tile is in registers or cache.
template <class T> struct Linear {
  using A = Acc<T>;
  const T* x;
  T* y;
  int64_t in, out;
  bool relu;
  Dropout dropout;
  std::vector<A> weight, start;

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
    gemm<A>(left, in, 1, last - first, in, weight.data(), whole_registers<A>(out), whole_registers<A>(out),
            [&](int64_t m, int64_t n, Reg<A> v) {
              Reg<A> offset;
              load_register(offset, &start[n]);
              v += offset;
              if (relu) v = v < Reg<A>{} ? Reg<A>{} : v;
              store_part(y + (first + m) * out + n, v, out - n);
            });
    dropout.apply(y + first * out, first * out, (last - first) * out);
  }
};

// Its gradients; `y` where ReLU or dropout came after the product: where it is positive, the gradient passes.
// `rows` for every block, then, with all threads, `weights`, and after the region `bias`.
template <class T> struct LinearBackward {
  using A = Acc<T>;
  const T *g, *x, *y;
  T *grad_x, *grad_w, *grad_b;
  int64_t num_rows, in, out, wide;
  A scale;
  bool after_relu = false;  // x came out of a ReLU and a dropout of this scale, which the gradient goes back through too
  A x_scale = 1;
  std::vector<A> weight, sums;
  std::unique_ptr<A[]> gated, widened;  // copies of g and x, where those cannot be used as they are
  const A *grad_z, *left;

  LinearBackward(const T* g, const T* x, const T* w, const T* y, T* grad_x, T* grad_w, T* grad_b, int64_t num_rows,
                 int64_t in, int64_t out, double scale)
      : g(g), x(x), y(y), grad_x(grad_x), grad_w(grad_w), grad_b(grad_b), num_rows(num_rows), in(in), out(out),
        wide(whole_registers<A>(in)), scale(static_cast<A>(scale)), weight(grad_x ? packed(w, out, in) : std::vector<A>()),
        sums(blocks() * out) {
    constexpr bool same = std::is_same_v<T, A>;
    if (!same || y) gated = std::make_unique_for_overwrite<A[]>(num_rows * out);
    if (!same || wide != in) widened = std::make_unique_for_overwrite<A[]>(num_rows * wide);
    grad_z = gated ? gated.get() : reinterpret_cast<const A*>(g);
    left = widened ? widened.get() : reinterpret_cast<const A*>(x);
  }

  int64_t blocks() const { return (num_rows + kLinearRows - 1) / kLinearRows; }

  void rows(int64_t first, int64_t last) {
    if (gated) gate(g + first * out, y ? y + first * out : nullptr, gated.get() + first * out, (last - first) * out);
    add_rows(grad_z + first * out, &sums[first / kLinearRows * out], last - first);
    for (int64_t r = first; widened && r < last; ++r)
      for (int64_t j = 0; j < wide; ++j) widened[r * wide + j] = j < in ? widen(x[r * in + j]) : A(0);
    if (grad_x)
      gemm<A>(grad_z + first * out, out, 1, last - first, out, weight.data(), wide, wide,
              [&](int64_t m, int64_t n, Reg<A> v) {
                const int64_t at = (first + m) * in + n;
                if (after_relu) {
                  Reg<A> value;
                  load_part<T>(value, x + at, in - n);
                  v = value > Reg<A>{} ? v * x_scale : Reg<A>{};
                }
                store_part(grad_x + at, v, in - n);
              });
  }

  // grad_W[o] = Σ_r grad_z[r, o] x[r], for rows o of W by tiles; chunks of r are added in their order.
  void weights() const {
#pragma omp for schedule(dynamic, 1) nowait
    for (int64_t tile = 0; tile < (out + kTileRows - 1) / kTileRows; ++tile) {
      const int64_t first = tile * kTileRows, count = std::min<int64_t>(kTileRows, out - first);
      std::vector<A> sum(count * wide);
      for (int64_t r = 0; r < num_rows; r += kWeightRows)
        gemm<A>(grad_z + r * out + first, 1, out, count, std::min(kWeightRows, num_rows - r), left + r * wide, wide, wide,
                [&](int64_t m, int64_t n, const Reg<A>& v) {
                  Reg<A> before;
                  load_register(before, &sum[m * wide + n]);
                  store_register(&sum[m * wide + n], before + v);
                });
      for (int64_t m = 0; m < count; ++m)
        for (int64_t n = 0; n < in; ++n) grad_w[(first + m) * in + n] = static_cast<T>(sum[m * wide + n]);
    }
  }

  void bias() const {
    for (int64_t j = 0; j < out; ++j) {
      A total = 0;
      for (int64_t block = 0; block < blocks(); ++block) total += sums[block * out + j];
      grad_b[j] = static_cast<T>(total);
    }
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

  void add_rows(const A* __restrict z, A* __restrict sum, int64_t count) const {
    for (int64_t r = 0; r < count; ++r)
      for (int64_t j = 0; j < out; ++j) sum[j] += z[r * out + j];
  }
};

}  // namespace gnnlab
