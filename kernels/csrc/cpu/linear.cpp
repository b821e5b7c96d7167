// y = dropout(act(x Wᵀ + b)) on the CPU. torch's BLAS wakes its threads for every product; here one region covers a call.
#include "linear.h"

namespace gnnlab {

Tensor linear(const Tensor& x_, const Tensor& w_, const std::optional<Tensor>& b_, bool relu, double dropout,
              const std::optional<Tensor>& seed) {
  const Tensor x = dense(x_), w = dense(w_);
  const auto b = dense(b_);
  const int64_t rows = x.size(0), in = x.size(1), out = w.size(0);
  STD_TORCH_CHECK(fits(x, w.scalar_type(), {rows, in}) && fits(w, w.scalar_type(), {out, in}) &&
                      fits(b, w.scalar_type(), {out}),
                  "linear: expected x [N, in], weight [out, in] and bias [out] of one type, for in = ", in, ", out = ", out);
  Tensor y = new_empty(x, {rows, out});
  by_float(x, "linear", [&](auto t) {
    using T = typename decltype(t)::type;
    T* to = write<T>(y);
#pragma omp parallel num_threads(threads_for(rows * in * out / 16))
    {
      const Linear<T> map(read<T>(x), read<T>(w), read<T>(b), to, in, out, relu, Dropout(seed, dropout));
      by_blocks(rows, [&](int64_t first, int64_t last) { map.rows(first, last); });
    }
  });
  return y;
}

// `y` where ReLU or dropout came after the product.
std::tuple<Tensor, Tensor, Tensor> linear_backward(const Tensor& g_, const Tensor& x_, const Tensor& w_,
                                                   const std::optional<Tensor>& y_, double dropout, bool need_x) {
  const Tensor g = dense(g_), x = dense(x_), w = dense(w_);
  const auto y = dense(y_);
  const int64_t rows = x.size(0), in = x.size(1), out = w.size(0);
  Tensor grad_x = new_empty(x, {need_x ? rows : 0, in}), grad_w = new_empty(w, {out, in}), grad_b = new_empty(w, {out});
  by_float(x, "linear_backward", [&](auto t) {
    using T = typename decltype(t)::type;
    LinearBackward<T> map(read<T>(g), read<T>(x), read<T>(w), read<T>(y), need_x ? write<T>(grad_x) : nullptr,
                          write<T>(grad_w), write<T>(grad_b), rows, in, out, Keep(0, dropout).scale());
#pragma omp parallel num_threads(threads_for(rows * in * out / 16))
    {
      const auto weight = map.pack();
      map.chunks.each([&](int64_t chunk, int64_t first, int64_t end) {
        map.rows(weight, chunk, first, end);
        map.weights(chunk, first, end);
      });
      map.sum();
    }
  });
  return {grad_x, grad_w, grad_b};
}

}  // namespace gnnlab

GNNLAB_OP(linear, "(Tensor x, Tensor w, Tensor? b, bool relu, float dropout, Tensor? seed) -> Tensor")
GNNLAB_OP(linear_backward,
          "(Tensor g, Tensor x, Tensor w, Tensor? y, float dropout, bool need_x) -> (Tensor, Tensor, Tensor)")
