// y = dropout(ReLU(x W₁ᵀ + b₁)) W₂ᵀ + b₂ on the CPU: a block of hidden rows is used while it is in the cache.
#include "linear.h"

namespace gnnlab {

// y and the hidden rows.
std::tuple<Tensor, Tensor> mlp(const Tensor& x_, const Tensor& w1_, const std::optional<Tensor>& b1_, const Tensor& w2_,
                               const std::optional<Tensor>& b2_, double dropout, const std::optional<Tensor>& seed) {
  const Tensor x = dense(x_), w1 = dense(w1_), w2 = dense(w2_);
  const auto b1 = dense(b1_), b2 = dense(b2_);
  const int64_t rows = x.size(0), in = x.size(1), hidden = w1.size(0), out = w2.size(0);
  const ScalarType type = x.scalar_type();
  STD_TORCH_CHECK(fits(x, type, {rows, in}) && fits(w1, type, {hidden, in}) && fits(b1, type, {hidden}) &&
                      fits(w2, type, {out, hidden}) && fits(b2, type, {out}),
                  "mlp: expected x [N, in], weights [hidden, in] and [out, hidden] and biases [hidden] and [out] of one "
                  "type, for in = ", in, ", hidden = ", hidden, ", out = ", out);
  Tensor h = new_empty(x, {rows, hidden}), y = new_empty(x, {rows, out});
  by_float(x, "mlp", [&](auto t) {
    using T = typename decltype(t)::type;
    T *inner = write<T>(h), *to = write<T>(y);
#pragma omp parallel num_threads(threads_for(rows * hidden * (in + out) / 16))
    {
      const Linear<T> first_map(read<T>(x), read<T>(w1), read<T>(b1), inner, in, hidden, true, Dropout(seed, dropout));
      const Linear<T> second_map(inner, read<T>(w2), read<T>(b2), to, hidden, out, false, Dropout({}, 0));
      by_blocks(rows, [&](int64_t first, int64_t last) {
        first_map.rows(first, last);
        second_map.rows(first, last);
      });
    }
  });
  return {y, h};
}

// Gradients of x, W₁, b₁, W₂, b₂.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> mlp_backward(const Tensor& g_, const Tensor& x_, const Tensor& w1_,
                                                                const Tensor& w2_, const Tensor& h_, double dropout,
                                                                bool need_x) {
  const Tensor g = dense(g_), x = dense(x_), w1 = dense(w1_), w2 = dense(w2_), h = dense(h_);
  const int64_t rows = x.size(0), in = x.size(1), hidden = w1.size(0), out = w2.size(0);
  Tensor grad_x = new_empty(x, {need_x ? rows : 0, in}), grad_h = new_empty(x, {rows, hidden}),
         grad_w1 = new_empty(w1, {hidden, in}), grad_b1 = new_empty(w1, {hidden}), grad_w2 = new_empty(w2, {out, hidden}),
         grad_b2 = new_empty(w2, {out});
  by_float(x, "mlp_backward", [&](auto t) {
    using T = typename decltype(t)::type;
    LinearBackward<T> second_map(read<T>(g), read<T>(h), read<T>(w2), nullptr, write<T>(grad_h), write<T>(grad_w2),
                                 write<T>(grad_b2), rows, hidden, out, 1);
    second_map.after_relu = true;
    second_map.x_scale = static_cast<Acc<T>>(Keep(0, dropout).scale());
    LinearBackward<T> first_map(read<T>(grad_h), read<T>(x), read<T>(w1), nullptr, need_x ? write<T>(grad_x) : nullptr,
                                write<T>(grad_w1), write<T>(grad_b1), rows, in, hidden, 1);
#pragma omp parallel num_threads(threads_for(rows * hidden * (in + out) / 16))
    {
      const auto first_weight = first_map.pack(), second_weight = second_map.pack();
      first_map.chunks.each([&](int64_t chunk, int64_t first, int64_t end) {
        second_map.rows(second_weight, chunk, first, end);
        second_map.weights(chunk, first, end);
        first_map.rows(first_weight, chunk, first, end);
        first_map.weights(chunk, first, end);
      });
      second_map.sum();
      first_map.sum();
    }
  });
  return {grad_x, grad_w1, grad_b1, grad_w2, grad_b2};
}

}  // namespace gnnlab

GNNLAB_OP(mlp, "(Tensor x, Tensor w1, Tensor? b1, Tensor w2, Tensor? b2, float dropout, Tensor? seed) -> (Tensor, Tensor)")
GNNLAB_OP(mlp_backward, "(Tensor g, Tensor x, Tensor w1, Tensor w2, Tensor h, float dropout, bool need_x) -> "
                        "(Tensor, Tensor, Tensor, Tensor, Tensor)")
