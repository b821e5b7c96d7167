// y = dropout(act(x Wᵀ + b)) on the CPU: the bias, ReLU and dropout happen while a tile is still in registers or cache.
// torch's BLAS wakes its threads for every product; here one region covers a whole call.
#include "gemm.h"
#include "dropout.h"

namespace gnnlab {

constexpr int64_t kLinearRows = 48;   // rows of x at a time: a multiple of kTileRows that stays in the first cache
constexpr int64_t kWeightRows = 512;  // rows summed in one go for the gradient of W

// Rows first … last-1 as Acc<T>: in place where that is the tensor's type, else copied to `scratch`.
template <class T> const Acc<T>* rows_of(const T* from, int64_t first, int64_t last, int64_t width, std::vector<Acc<T>>& scratch) {
  if constexpr (std::is_same_v<T, Acc<T>>) return from + first * width;
  scratch.resize((last - first) * width);
  for (int64_t i = 0; i < (last - first) * width; ++i) scratch[i] = widen(from[first * width + i]);
  return scratch.data();
}

template <class T, class Fn> void by_blocks(int64_t rows, const Fn& fn) {
#pragma omp for schedule(static)
  for (int64_t block = 0; block < (rows + kLinearRows - 1) / kLinearRows; ++block)
    fn(block * kLinearRows, std::min(rows, (block + 1) * kLinearRows));
}

template <class T>
void linear_rows(const T* x, const T* w, const T* bias, T* y, int64_t rows, int64_t in, int64_t out, bool relu, const Dropout& dropout) {
  using A = Acc<T>;
  const std::vector<A> right = packed_transpose(w, out, in);
  std::vector<A> start(whole_registers<A>(out));
  for (int64_t j = 0; bias && j < out; ++j) start[j] = widen(bias[j]);
#pragma omp parallel num_threads(threads_for(rows * in * out / 16))
  {
    std::vector<A> scratch;
    by_blocks<T>(rows, [&](int64_t first, int64_t last) {
      gemm<A>(rows_of(x, first, last, in, scratch), in, 1, last - first, in, right.data(), whole_registers<A>(out),
              whole_registers<A>(out), [&](int64_t m, int64_t n, Reg<A> v) {
                Reg<A> offset;
                load_register(offset, &start[n]);
                v += offset;
                if (relu) v = v < Reg<A>{} ? Reg<A>{} : v;
                store_part(y + (first + m) * out + n, v, out - n);
              });
      dropout.apply(y + first * out, first * out, (last - first) * out);
    });
  }
}

Tensor linear(const Tensor& x_, const Tensor& w_, const std::optional<Tensor>& b_, bool relu, double dropout,
              const std::optional<Tensor>& seed) {
  const Tensor x = dense(x_), w = dense(w_);
  const auto b = dense(b_);
  const int64_t rows = x.size(0), in = x.size(1), out = w.size(0);
  STD_TORCH_CHECK(w.size(1) == in, "linear: W must be [out, in] with the width of x");
  Tensor y = new_empty(x, {rows, out});
  by_float(x, "linear", [&](auto t) {
    using T = typename decltype(t)::type;
    linear_rows(read<T>(x), read<T>(w), read<T>(b), write<T>(y), rows, in, out, relu, Dropout(seed, dropout));
  });
  return y;
}

// grad_W[o] = Σ_r grad_z[r, o] x[r], for rows o of W by tiles; chunks of r are added in their order.
template <class A, class T>
void gradient_of_weight(const A* grad_z, const A* x, int64_t wide, T* grad_w, int64_t rows, int64_t in, int64_t out) {
#pragma omp for schedule(dynamic, 1)
  for (int64_t tile = 0; tile < (out + kTileRows - 1) / kTileRows; ++tile) {
    const int64_t first = tile * kTileRows, count = std::min<int64_t>(kTileRows, out - first);
    std::vector<A> sum(count * wide);
    for (int64_t r = 0; r < rows; r += kWeightRows)
      gemm<A>(grad_z + r * out + first, 1, out, count, std::min(kWeightRows, rows - r), x + r * wide, wide, wide,
              [&](int64_t m, int64_t n, const Reg<A>& v) {
                Reg<A> before;
                load_register(before, &sum[m * wide + n]);
                store_register(&sum[m * wide + n], before + v);
              });
    for (int64_t m = 0; m < count; ++m)
      for (int64_t n = 0; n < in; ++n) grad_w[(first + m) * in + n] = static_cast<T>(sum[m * wide + n]);
  }
}

// grad_z = grad_y where y is positive (everywhere without y), times scale; and the sum of its rows.
template <class T>
void gate(const T* __restrict g, const T* __restrict y, Acc<T>* __restrict z, int64_t n, Acc<T> scale) {
  if (y)
    for (int64_t i = 0; i < n; ++i) z[i] = widen(y[i]) > 0 ? widen(g[i]) * scale : Acc<T>(0);
  else
    for (int64_t i = 0; i < n; ++i) z[i] = widen(g[i]) * scale;
}

template <class A> void add_rows(const A* __restrict z, A* __restrict sum, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < width; ++j) sum[j] += z[r * width + j];
}

template <class T>
void linear_rows_backward(const T* g, const T* x, const T* w, const T* y, T* grad_x, T* grad_w, T* grad_b, int64_t rows, int64_t in,
              int64_t out, Acc<T> scale) {
  using A = Acc<T>;
  const int64_t wide = whole_registers<A>(in), blocks = (rows + kLinearRows - 1) / kLinearRows;
  const bool as_is = std::is_same_v<T, A> && !y, x_as_is = std::is_same_v<T, A> && wide == in;
  const std::vector<A> right = grad_x ? packed(w, out, in) : std::vector<A>();
  const auto z = std::make_unique_for_overwrite<A[]>(as_is ? 0 : rows * out),
             inputs = std::make_unique_for_overwrite<A[]>(x_as_is ? 0 : rows * wide);
  std::vector<A> sums(blocks * out);
  const A* grad_z = as_is ? reinterpret_cast<const A*>(g) : z.get();
  const A* left = x_as_is ? reinterpret_cast<const A*>(x) : inputs.get();
#pragma omp parallel num_threads(threads_for(rows * in * out / 16))
  {
    by_blocks<T>(rows, [&](int64_t first, int64_t last) {
      if (!as_is) gate(g + first * out, y ? y + first * out : y, z.get() + first * out, (last - first) * out, scale);
      add_rows(grad_z + first * out, &sums[first / kLinearRows * out], last - first, out);
      for (int64_t r = first; !x_as_is && r < last; ++r)
        for (int64_t j = 0; j < wide; ++j) inputs[r * wide + j] = j < in ? widen(x[r * in + j]) : A(0);
      if (grad_x)
        gemm<A>(grad_z + first * out, out, 1, last - first, out, right.data(), wide, wide,
                [&](int64_t m, int64_t n, const Reg<A>& v) { store_part(grad_x + (first + m) * in + n, v, in - n); });
    });
    gradient_of_weight(grad_z, left, wide, grad_w, rows, in, out);
  }
  for (int64_t j = 0; j < out; ++j) {
    A total = 0;
    for (int64_t block = 0; block < blocks; ++block) total += sums[block * out + j];
    grad_b[j] = static_cast<T>(total);
  }
}

// `y` where ReLU or dropout came after the product: where it is positive, the gradient passes.
std::tuple<Tensor, Tensor, Tensor> linear_backward(const Tensor& g_, const Tensor& x_, const Tensor& w_,
                                                   const std::optional<Tensor>& y_, double dropout, bool need_x) {
  const Tensor g = dense(g_), x = dense(x_), w = dense(w_);
  const auto y = dense(y_);
  const int64_t rows = x.size(0), in = x.size(1), out = w.size(0);
  Tensor grad_x = new_empty(x, {need_x ? rows : 0, in}), grad_w = new_empty(w, {out, in}), grad_b = new_empty(w, {out});
  by_float(x, "linear_backward", [&](auto t) {
    using T = typename decltype(t)::type;
    linear_rows_backward(read<T>(g), read<T>(x), read<T>(w), read<T>(y), need_x ? write<T>(grad_x) : nullptr, write<T>(grad_w),
             write<T>(grad_b), rows, in, out, static_cast<Acc<T>>(Keep(0, dropout).scale()));
  });
  return {grad_x, grad_w, grad_b};
}

}  // namespace gnnlab

GNNLAB_OP(linear, "(Tensor x, Tensor w, Tensor? b, bool relu, float dropout, Tensor? seed) -> Tensor")
GNNLAB_OP(linear_backward,
          "(Tensor g, Tensor x, Tensor w, Tensor? y, float dropout, bool need_x) -> (Tensor, Tensor, Tensor)")
