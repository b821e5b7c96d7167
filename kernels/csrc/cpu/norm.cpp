// A batch norm with what stands around it in a residual block, on the CPU, in two passes over the rows:
//   z = before + dropout(h),   n = (z - mean) / sqrt(var + eps) * weight + bias,
//   y = after + dropout(act(n)),   or dropout(after + act(n)) where `whole`.
// Statistics are taken over the first `real` rows; the rest, if any, are padding.
#include <memory>

#include "../op.h"
#include "dropout.h"

namespace gnnlab {

constexpr int64_t kNormRows = 64;  // rows taken together; what they add up to is added up in their order

template <class T> struct Norm {
  using A = Acc<T>;
  int64_t rows, real, width;
  const A *weight, *bias;
  A eps;
  bool relu, whole;
  Dropout first, last;
  const A* centre = nullptr;
  std::vector<A> scale, shift;  // n = z scale + shift

  int64_t blocks() const { return (rows + kNormRows - 1) / kNormRows; }
  int64_t from(int64_t block) const { return block * kNormRows * width; }
  int64_t height(int64_t block) const { return std::min(rows - block * kNormRows, kNormRows); }
  int64_t seen(int64_t block) const { return std::clamp<int64_t>(real - block * kNormRows, 0, height(block)); }

  // fn(lane, the same lane of an array of A) for all features.
  template <class Fn> void lanes(const Fn& fn) const {
    features<T>([&](int64_t, auto lane) { fn(lane, exact(lane)); }, 0, width);
  }

  void set(const A* mean, const A* var) {
    centre = mean;
    scale.resize(width);
    shift.resize(width);
    for (int64_t j = 0; j < width; ++j) {
      scale[j] = weight[j] / std::sqrt(var[j] + eps);
      shift[j] = bias[j] - mean[j] * scale[j];
    }
  }

  // z of one block, and the mean and Σ (z - mean)² of those of its rows that count.
  void enter(const T* h_, const T* before_, A* z_, A* mean_, A* square_, int64_t block) const {
    const int64_t at = from(block), height = this->height(block), seen = this->seen(block);
    const T *h = h_ + at, *before = before_ ? before_ + at : nullptr;
    A* z = z_ + at;
    if (first.keep) {
      for (int64_t i = 0; i < height * width; ++i) z[i] = widen(h[i]);
      first.apply(z, at, height * width);
      for (int64_t i = 0; before && i < height * width; ++i) z[i] += widen(before[i]);
    }
    lanes([&](auto lane, auto own) {
      auto total = lane.fill(0), square = total;
      for (int64_t r = 0, i = 0; r < height; ++r, i += width) {
        auto v = first.keep ? own.load(z + i) : lane.load(h + i);
        if (before && !first.keep) v += lane.load(before + i);
        if (!first.keep) own.store(z + i, v);
        if (r < seen) total += v;
      }
      const auto mean = total * (1 / static_cast<A>(std::max<int64_t>(1, seen)));
      for (int64_t r = 0, i = 0; r < seen; ++r, i += width) {
        const auto gap = own.load(z + i) - mean;
        square += gap * gap;
      }
      own.store(mean_ + block * width, mean);
      own.store(square_ + block * width, square);
    });
  }

  // y of one block.
  void leave(const A* z_, const T* after_, T* y_, int64_t block) const {
    const int64_t at = from(block), n = height(block) * width;
    const T* after = after_ ? after_ + at : nullptr;
    const A* z = z_ + at;
    T* y = y_ + at;
    const bool at_once = after && (whole || !last.keep);
    lanes([&](auto lane, auto own) {
      const auto a = own.load(scale.data()), b = own.load(shift.data());
      for (int64_t i = 0; i < n; i += width) {
        auto v = own.load(z + i) * a + b;
        if (relu) v = relu_(v);
        if (at_once) v += lane.load(after + i);
        lane.store(y + i, v);
      }
    });
    last.apply(y, rows * width + at, n);
    if (after && !at_once)
      for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>(widen(y[i]) + widen(after[i]));
  }

  // In `undropped`, where the last dropout acted, the gradient before it; in `sums` Σ grad_n and Σ grad_n (z - mean).
  void enter_backward(const T* g_, const A* z_, A* undropped, T* grad_after, A* sums, int64_t block) const {
    const int64_t at = from(block), n = height(block) * width;
    if (last.keep) {
      for (int64_t i = at; i < at + n; ++i) undropped[i] = widen(g_[i]);
      last.apply(undropped + at, rows * width + at, n);
      for (int64_t i = at; grad_after && i < at + n; ++i) grad_after[i] = static_cast<T>(undropped[i]);
    }
    lanes([&](auto lane, auto own) {
      const auto mean = own.load(centre);
      auto total = lane.fill(0), along = total;
      const auto grad_n = through_relu(lane, own, g_, z_, undropped);
      for (int64_t i = at; i < at + n; i += width) {
        const auto grad = grad_n(i);
        total += grad;
        along += grad * (own.load(z_ + i) - mean);
      }
      own.store(sums, total);
      own.store(sums + width, along);
    });
  }

  // grad_z of one block: rows that the statistics saw lose what those took back.
  void leave_backward(const T* g_, const A* z_, const A* undropped, const A* back, const A* slope, T* grad_before,
                      T* grad_h, int64_t block) const {
    const int64_t at = from(block), n = height(block) * width, middle = at + seen(block) * width;
    lanes([&](auto lane, auto own) {
      const auto a = own.load(scale.data()), b = own.load(back), c = own.load(slope), mean = own.load(centre);
      const auto grad_n = through_relu(lane, own, g_, z_, undropped);
      for (int64_t i = at; i < at + n; i += width) {
        auto grad = a * grad_n(i);
        if (i < middle) grad = grad - b - c * (own.load(z_ + i) - mean);
        lane.store(grad_h + i, grad);
        if (grad_before) lane.store(grad_before + i, grad);
      }
    });
    first.apply(grad_h + at, at, n);
  }

  // grad_n from element i on.
  template <class Lane, class Own>
  HD auto through_relu(Lane lane, Own own, const T* g, const A* z, const A* undropped) const {
    return [=, this, a = own.load(scale.data()), b = own.load(shift.data())](int64_t i) {
      auto grad = last.keep ? own.load(undropped + i) : lane.load(g + i);
      return relu ? select(own.load(z + i) * a + b > lane.fill(0), grad, lane.fill(0)) : grad;
    };
  }
};

// Adds to the statistics of `count` rows those of `more` others: Chan, Golub & LeVeque, 1979.
template <class A>
void merge(int64_t count, A* __restrict mean, A* __restrict square, int64_t more, const A* __restrict other_mean,
           const A* __restrict other_square, int64_t width) {
  if (more == 0) return;
  const A share = static_cast<A>(more) / static_cast<A>(count + more);
  for (int64_t j = 0; j < width; ++j) {
    const A gap = other_mean[j] - mean[j];
    mean[j] += gap * share;
    square[j] += other_square[j] + gap * gap * static_cast<A>(count) * share;
  }
}

inline int64_t real_rows(const std::optional<Tensor>& count, int64_t rows) {
  return count.has_value() ? std::min(rows, *read<int64_t>(*count)) : rows;
}

using Maybe = std::optional<Tensor>;

// y, z, mean and biased variance; the latter two are those given, if any are.
std::tuple<Tensor, Tensor, Tensor, Tensor> norm(
    const Tensor& h_, const Maybe& before_, const Maybe& after_, const Tensor& weight_, const Tensor& bias_,
    const Maybe& mean_, const Maybe& var_, double eps, bool relu, bool whole, double dropout_first, double dropout_last,
    const Maybe& seed, const Maybe& count) {
  const Tensor h = dense(h_), weight = dense(weight_), bias = dense(bias_);
  const Maybe before = dense(before_), after = dense(after_), given_mean = dense(mean_), given_var = dense(var_);
  const int64_t rows = h.size(0), width = h.size(1);
  const ScalarType type = accumulator(h);
  const auto channels = [&](const auto& t) { return fits(t, type, {width}); };
  STD_TORCH_CHECK(fits(h, h.scalar_type(), {rows, width}) && fits(before, h.scalar_type(), {rows, width}) &&
                      fits(after, h.scalar_type(), {rows, width}) && channels(weight) && channels(bias) &&
                      channels(given_mean) && channels(given_var),
                  "norm: expected rows [N, d], and weight, bias, mean and var [d] of their type (float32 for bfloat16), "
                  "for N = ", rows, ", d = ", width);
  Tensor y = new_empty(h, {rows, width}), z = new_empty(h, {rows, width}, type), mean = new_empty(h, {width}, type),
         var = new_empty(h, {width}, type);
  by_float(h, "norm", [&](auto t) {
    using T = typename decltype(t)::type;
    using A = Acc<T>;
    Norm<T> norm{rows, real_rows(count, rows), width, read<A>(weight), read<A>(bias), static_cast<A>(eps), relu, whole,
                 Dropout(seed, dropout_first), Dropout(seed, dropout_last)};
    A *zs = write<A>(z), *means = write<A>(mean), *vars = write<A>(var);
    const int64_t blocks = norm.blocks();
    std::vector<A> part((2 * blocks + 2) * width);  // the means of all blocks, and their squares
    A* squares = part.data() + blocks * width;
#pragma omp parallel num_threads(threads_for(rows * width))
    {
#pragma omp for schedule(static)
      for (int64_t block = 0; block < blocks; ++block)
        norm.enter(read<T>(h), read<T>(before), zs, part.data(), squares, block);
#pragma omp single
      {
        for (int64_t block = 1, count = norm.seen(0); !given_mean && block < blocks; count += norm.seen(block++))
          merge(count, part.data(), squares, norm.seen(block), &part[block * width], squares + block * width, width);
        for (int64_t j = 0; j < width; ++j) {
          means[j] = given_mean ? read<A>(given_mean)[j] : part[j];
          vars[j] = given_mean ? read<A>(given_var)[j] : squares[j] / static_cast<A>(norm.real);
        }
        norm.set(means, vars);
      }
#pragma omp for schedule(static)
      for (int64_t block = 0; block < blocks; ++block) norm.leave(zs, read<T>(after), write<T>(y), block);
    }
  });
  return {y, z, mean, var};
}

// Gradients of h, before, after, weight, bias. Those of `before` and `after` are empty where they equal grad_h and g.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> norm_backward(
    const Tensor& g_, const Tensor& z, const Tensor& mean, const Tensor& var, const Tensor& weight_, const Tensor& bias_,
    bool measured, double eps, bool relu, bool whole, double dropout_first, double dropout_last, const Maybe& seed,
    const Maybe& count) {
  const Tensor g = dense(g_), weight = dense(weight_), bias = dense(bias_);
  const int64_t rows = z.size(0), width = z.size(1);
  const bool own_before = dropout_first > 0, own_after = whole && dropout_last > 0;
  Tensor grad_h = new_empty(g, {rows, width}), grad_before = new_empty(g, {own_before ? rows : 0, width}),
         grad_after = new_empty(g, {own_after ? rows : 0, width}), grad_weight = new_empty(weight, {width}),
         grad_bias = new_empty(weight, {width});
  by_float(g, "norm_backward", [&](auto t) {
    using T = typename decltype(t)::type;
    using A = Acc<T>;
    Norm<T> norm{rows, measured ? real_rows(count, rows) : 0, width, read<A>(weight), read<A>(bias),
                 static_cast<A>(eps), relu, whole, Dropout(seed, dropout_first), Dropout(seed, dropout_last)};
    norm.set(read<A>(mean), read<A>(var));
    const A* zs = read<A>(z);
    const auto undropped = std::make_unique_for_overwrite<A[]>(norm.last.keep ? rows * width : 0);
    std::vector<A> sums(2 * width * std::max<int64_t>(1, norm.blocks())), back(width), slope(width);
#pragma omp parallel num_threads(threads_for(rows * width))
    {
#pragma omp for schedule(static)
      for (int64_t block = 0; block < norm.blocks(); ++block)
        norm.enter_backward(read<T>(g), zs, undropped.get(), own_after ? write<T>(grad_after) : nullptr,
                            &sums[block * 2 * width], block);
#pragma omp single
      {
        for (int64_t block = 1; block < norm.blocks(); ++block)
          for (int64_t j = 0; j < 2 * width; ++j) sums[j] += sums[block * 2 * width + j];
        for (int64_t j = 0; j < width; ++j) {
          const A rstd = 1 / std::sqrt(read<A>(var)[j] + norm.eps), n = static_cast<A>(std::max<int64_t>(1, norm.real));
          write<A>(grad_weight)[j] = sums[width + j] * rstd;
          write<A>(grad_bias)[j] = sums[j];
          slope[j] = norm.scale[j] * rstd * rstd * sums[width + j] / n;
          back[j] = norm.scale[j] * sums[j] / n;
        }
      }
#pragma omp for schedule(static)
      for (int64_t block = 0; block < norm.blocks(); ++block)
        norm.leave_backward(read<T>(g), zs, undropped.get(), back.data(), slope.data(),
                            own_before ? write<T>(grad_before) : nullptr, write<T>(grad_h), block);
    }
  });
  return {grad_h, grad_before, grad_after, grad_weight, grad_bias};
}

// running += momentum (measured - running), the variance unbiased; counts the batches as torch does.
void track_(Tensor running_mean, Tensor running_var, Tensor batches, const Tensor& mean, const Tensor& var, const Tensor& y,
            const Maybe& count, double momentum) {
  const double n = static_cast<double>(real_rows(count, y.size(0))), unbiased = n > 1 ? n / (n - 1) : 1;
  by_float(running_mean, "track_", [&](auto t) {
    using T = typename decltype(t)::type;
    T *means = write<T>(running_mean), *vars = write<T>(running_var);
    for (int64_t j = 0; j < mean.size(0); ++j) {
      means[j] += static_cast<T>(momentum * (widen(read<Acc<T>>(mean)[j]) - widen(means[j])));
      vars[j] += static_cast<T>(momentum * (unbiased * widen(read<Acc<T>>(var)[j]) - widen(vars[j])));
    }
  });
  ++*write<int64_t>(batches);
}

}  // namespace gnnlab

GNNLAB_OP(track_, "(Tensor(a!) running_mean, Tensor(b!) running_var, Tensor(c!) batches, Tensor mean, Tensor var, "
                  "Tensor y, Tensor? count, float momentum) -> ()")
GNNLAB_OP(norm, "(Tensor h, Tensor? before, Tensor? after, Tensor weight, Tensor bias, Tensor? mean, Tensor? var, "
                "float eps, bool relu, bool whole, float dropout_first, float dropout_last, Tensor? seed, "
                "Tensor? count) -> (Tensor, Tensor, Tensor, Tensor)")
GNNLAB_OP(norm_backward, "(Tensor g, Tensor z, Tensor mean, Tensor var, Tensor weight, Tensor bias, bool measured, "
                         "float eps, bool relu, bool whole, float dropout_first, float dropout_last, Tensor? seed, "
                         "Tensor? count) -> (Tensor, Tensor, Tensor, Tensor, Tensor)")
