// Rows side by side on the CPU, and apart again.
#include "../op.h"

namespace gnnlab {

// `count` rows of `width` numbers, one every `from_row` numbers, to one every `to_row`.
template <class T> void move_rows(const T* from, int64_t from_row, T* to, int64_t to_row, int64_t count, int64_t width) {
  for (int64_t i = 0; i < count; ++i) std::copy_n(from + i * from_row, width, to + i * to_row);
}

Tensor concat(const Tensor& a_, const Tensor& b_) {
  const Tensor a = dense(a_), b = dense(b_);
  STD_TORCH_CHECK(a.dim() == 2 && fits(b, a.scalar_type(), {a.size(0), kAny}),
                  "concat: expected as many rows, of the same type");
  const int64_t rows = a.size(0), left = a.size(1), right = b.size(1), width = left + right;
  Tensor out = new_empty(a, {rows, width});
  by_float(a, "concat", [&](auto t) {
    using T = typename decltype(t)::type;
    const T *from_a = read<T>(a), *from_b = read<T>(b);
    T* to = write<T>(out);
    parallel(rows, rows * width, [&](int64_t first, int64_t last) {
      move_rows(from_a + first * left, left, to + first * width, width, last - first, left);
      move_rows(from_b + first * right, right, to + first * width + left, width, last - first, right);
    });
  });
  return out;
}

// The gradients of both, of which the first has `left` columns.
std::tuple<Tensor, Tensor> concat_backward(const Tensor& g_, int64_t left) {
  const Tensor g = dense(g_);
  STD_TORCH_CHECK(g.dim() == 2 && left >= 0 && left <= g.size(1), "concat_backward: expected rows of at least ", left);
  const int64_t rows = g.size(0), width = g.size(1), right = width - left;
  Tensor grad_a = new_empty(g, {rows, left}), grad_b = new_empty(g, {rows, right});
  by_float(g, "concat_backward", [&](auto t) {
    using T = typename decltype(t)::type;
    const T* from = read<T>(g);
    T *to_a = write<T>(grad_a), *to_b = write<T>(grad_b);
    parallel(rows, rows * width, [&](int64_t first, int64_t last) {
      move_rows(from + first * width, width, to_a + first * left, left, last - first, left);
      move_rows(from + first * width + left, width, to_b + first * right, right, last - first, right);
    });
  });
  return {grad_a, grad_b};
}

}  // namespace gnnlab

GNNLAB_OP(concat, "(Tensor a, Tensor b) -> Tensor")
GNNLAB_OP(concat_backward, "(Tensor g, int left) -> (Tensor, Tensor)")
