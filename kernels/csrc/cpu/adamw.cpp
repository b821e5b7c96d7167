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
  A decay, fresh1, beta2, fresh2, epsilon, step_size, correction;  // fresh = 1 - beta, to more digits than its own

  template <class T>
  void operator()(T* __restrict p, const T* __restrict g, T* __restrict m, T* __restrict v, int64_t n) const {
    for (int64_t i = 0; i < n; ++i) {
      const A gradient = widen(g[i]), first = widen(m[i]) + fresh1 * (gradient - widen(m[i])),
              second = beta2 * widen(v[i]) + fresh2 * gradient * gradient;
      m[i] = static_cast<T>(first);
      v[i] = static_cast<T>(second);
      p[i] = static_cast<T>(decay * widen(p[i]) - step_size * first / (std::sqrt(second) * correction + epsilon));
    }
  }
};

// p ← (1 - lr λ) p - lr m̂ / (√v̂ + ε) with the moments m and v, bias-corrected for their `steps`, which count up by one.
// The moments of all parameters lie one after the other.
void adamw_(std::vector<Tensor> params, std::vector<Tensor> grads, Tensor m, Tensor v, Tensor steps, double lr,
            double beta1, double beta2, double eps, double weight_decay) {
  const int64_t count = params.size();
  std::vector<int64_t> at(1, 0);
  for (const Tensor& param : params) at.push_back(at.back() + param.numel());
  const ScalarType type = params.empty() ? m.scalar_type() : params[0].scalar_type();
  STD_TORCH_CHECK(static_cast<int64_t>(grads.size()) == count && fits(m, type, {at.back()}) && fits(v, type, {at.back()}) &&
                      fits(steps, steps.scalar_type(), {count}) && m.is_contiguous() && v.is_contiguous() &&
                      steps.is_contiguous(),
                  "adamw_: expected a gradient and a step for each parameter, and dense moments as long as all of them");
  for (int64_t i = 0; i < count; ++i) {
    grads[i] = dense(grads[i]);
    STD_TORCH_CHECK(params[i].is_contiguous() && params[i].scalar_type() == type && grads[i].scalar_type() == type &&
                        grads[i].numel() == at[i + 1] - at[i],
                    "adamw_: expected dense parameters of one type, and gradients like them");
  }
  by_float(m, "adamw_", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Acc<T>;
    T *ms = write<T>(m), *vs = write<T>(v);
    each(params, [&](size_t i) {
      double t = 0;
      by_float(steps, "adamw_", [&](auto s) { t = write<typename decltype(s)::type>(steps)[i] += 1; });
      const AdamW<A> update{static_cast<A>(1 - lr * weight_decay), static_cast<A>(1 - beta1), static_cast<A>(beta2),
                            static_cast<A>(1 - beta2), static_cast<A>(eps),
                            static_cast<A>(lr / (1 - std::pow(beta1, t))),
                            static_cast<A>(1 / std::sqrt(1 - std::pow(beta2, t)))};
      update(write<T>(params[i]), read<T>(grads[i]), ms + at[i], vs + at[i], at[i + 1] - at[i]);
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

GNNLAB_OP(adamw_, "(Tensor(a!)[] params, Tensor[] grads, Tensor(b!) m, Tensor(c!) v, Tensor(d!) steps, "
                  "float lr, float beta1, float beta2, float eps, float weight_decay) -> ()")
GNNLAB_OP(clip_, "(Tensor(a!)[] grads, float most) -> Tensor")
