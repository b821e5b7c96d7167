// One step of AdamW (Loshchilov & Hutter, ICLR 2019) for all parameters of a model in one call, and the norm of its
// gradient. A model of this field has hundreds of parameters of a few thousand numbers: one call each costs more
// than the arithmetic.
#include <cmath>

#include "../op.h"

namespace gnnlab {

// fn(i) for every tensor, each by one thread.
template <class Fn> void each(const std::vector<Tensor>& tensors, const Fn& fn) {
  std::vector<int64_t> ends(1, 0);
  for (const Tensor& tensor : tensors) ends.push_back(ends.back() + tensor.numel());
  parallel(ends.data(), tensors.size(), ends.back(), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) fn(i);
  });
}

template <class A> struct AdamW {
  A decay, beta1, beta2, epsilon, step_size, correction;

  template <class T>
  void operator()(T* __restrict p, const T* __restrict g, T* __restrict m, T* __restrict v, int64_t n) const {
    for (int64_t i = 0; i < n; ++i) {
      const A gradient = widen(g[i]), first = widen(m[i]) + (1 - beta1) * (gradient - widen(m[i])),
              second = beta2 * widen(v[i]) + (1 - beta2) * gradient * gradient;
      m[i] = static_cast<T>(first);
      v[i] = static_cast<T>(second);
      p[i] = static_cast<T>(decay * widen(p[i]) - step_size * first / (std::sqrt(second) * correction + epsilon));
    }
  }
};

// p ← (1 - lr λ) p - lr m̂ / (√v̂ + ε) with the moments m and v, bias-corrected for their `steps`, which count up by one.
void adamw_(std::vector<Tensor> params, std::vector<Tensor> grads, std::vector<Tensor> m, std::vector<Tensor> v,
            std::vector<Tensor> steps, double lr, double beta1, double beta2, double eps, double weight_decay) {
  for (Tensor& grad : grads) grad = dense(grad);
  each(params, [&](size_t i) {
    double t = 0;
    by_float(steps[i], "adamw_", [&](auto tag) { t = *write<typename decltype(tag)::type>(steps[i]) += 1; });
    by_float(params[i], "adamw_", [&](auto tag) {
      using T = typename decltype(tag)::type;
      using A = Acc<T>;
      const AdamW<A> update{static_cast<A>(1 - lr * weight_decay), static_cast<A>(beta1), static_cast<A>(beta2),
                            static_cast<A>(eps), static_cast<A>(lr / (1 - std::pow(beta1, t))),
                            static_cast<A>(1 / std::sqrt(1 - std::pow(beta2, t)))};
      update(write<T>(params[i]), read<T>(grads[i]), write<T>(m[i]), write<T>(v[i]), params[i].numel());
    });
  });
}

template <class T> double squares(const T* g, int64_t n) {
  using A = Acc<T>;
  constexpr int64_t lanes = RegOf<A>::lanes, run = 64 * lanes;
  double total = 0;
  for (int64_t first = 0; first < n; first += run) {
    Vec<A, 1> sum(A(0));
    for (int64_t i = first; i < std::min(n, first + run); i += lanes) {
      Vec<A, 1> v;
      if (n - i >= lanes) load_register(v.r[0], g + i);
      else load_part<T>(v.r[0], g + i, static_cast<int>(n - i));
      sum += v * v;
    }
    total += sum_lanes(sum);
  }
  return total;
}

// The 2-norm of all gradients together; where it is above `most`, they are scaled so that it is `most`.
Tensor clip_(std::vector<Tensor> grads, double most) {
  std::vector<double> parts(grads.size());
  each(grads, [&](size_t i) {
    by_float(grads[i], "clip_", [&](auto tag) {
      using T = typename decltype(tag)::type;
      parts[i] = squares(read<T>(grads[i]), grads[i].numel());
    });
  });
  double total = 0;
  for (const double part : parts) total += part;
  const double norm = std::sqrt(total), scale = most / (norm + 1e-6);
  if (!(scale >= 1))
    each(grads, [&](size_t i) {
      by_float(grads[i], "clip_", [&](auto tag) {
        using T = typename decltype(tag)::type;
        T* g = write<T>(grads[i]);
        const int64_t n = grads[i].numel();
        for (int64_t k = 0; k < n; ++k) g[k] = static_cast<T>(widen(g[k]) * static_cast<Acc<T>>(scale));
      });
    });
  Tensor out = new_empty(grads[0], {});
  by_float(out, "clip_", [&](auto tag) {
    using T = typename decltype(tag)::type;
    *write<T>(out) = static_cast<T>(norm);
  });
  return out;
}

}  // namespace gnnlab

GNNLAB_OP(adamw_, "(Tensor(a!)[] params, Tensor[] grads, Tensor(b!)[] m, Tensor(c!)[] v, Tensor(d!)[] steps, "
                  "float lr, float beta1, float beta2, float eps, float weight_decay) -> ()")
GNNLAB_OP(clip_, "(Tensor(a!)[] grads, float most) -> Tensor")
