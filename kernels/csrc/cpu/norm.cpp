// A batch norm with what stands around it in a residual block, on the CPU, in two passes over the rows:
//   z = before + dropout(h),   n = (z - mean) / sqrt(var + eps) * weight + bias,
//   y = after + dropout(act(n)),   or dropout(after + act(n)) where `whole`.
// Statistics are taken over the first `real` rows; the rest, if any, are padding.
#include <limits>
#include <memory>

#include "../op.h"
#include "dropout.h"

namespace gnnlab {

constexpr int64_t kNormRows = 64;  // rows taken together; what they add up to is added up in their order

// What rows add to the statistics: their number, and for each feature the mean and Σ (z - mean)².
template <class A> struct Moments {
  int64_t count = 0;
  std::vector<A> mean, square;

  void measure(const A* z, int64_t rows, int64_t width) {
    count = rows;
    mean.assign(width, A(0));
    square.assign(width, A(0));
    measure(z, mean.data(), square.data(), rows, width);
  }

  static void measure(const A* __restrict z, A* __restrict m, A* __restrict s, int64_t rows, int64_t width) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < width; ++j) m[j] += z[r * width + j];
    for (int64_t j = 0; j < width; ++j) m[j] /= static_cast<A>(rows);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < width; ++j) s[j] += (z[r * width + j] - m[j]) * (z[r * width + j] - m[j]);
  }

  void add(const Moments& other) {  // Chan, Golub & LeVeque, 1979
    if (other.count == 0) return;
    const A share = static_cast<A>(other.count) / static_cast<A>(count + other.count);
    for (size_t j = 0; j < mean.size(); ++j) {
      const A gap = other.mean[j] - mean[j];
      mean[j] += gap * share;
      square[j] += other.square[j] + gap * gap * static_cast<A>(count) * share;
    }
    count += other.count;
  }
};

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
  int64_t end(int64_t block) const { return std::min(rows, (block + 1) * kNormRows); }

  void set(const A* mean, const A* var) {
    centre = mean;
    scale.resize(width);
    shift.resize(width);
    for (int64_t j = 0; j < width; ++j) {
      scale[j] = weight[j] / std::sqrt(var[j] + eps);
      shift[j] = bias[j] - mean[j] * scale[j];
    }
  }

  int64_t from(int64_t block) const { return block * kNormRows * width; }
  int64_t size(int64_t block) const { return (end(block) - block * kNormRows) * width; }

  // z of one block.
  void enter(const T* h, const T* before, A* z, int64_t block) const {
    const int64_t at = from(block), n = size(block);
    copy(h + at, z + at, n);
    first.apply(z + at, at, n);
    if (before) add(before + at, z + at, n);
  }

  // y of one block.
  void leave(const A* z, const T* after, T* y, int64_t block) const {
    const int64_t at = from(block), n = size(block);
    affine(z + at, scale.data(), shift.data(), y + at, n);
    if (after && whole) add(after + at, y + at, n);
    last.apply(y + at, rows * width + at, n);
    if (after && !whole) add(after + at, y + at, n);
  }

  // grad_n of one block, and in `sums` its Σ grad_n and Σ grad_n (z - mean).
  void enter_backward(const T* g, const A* z, A* grad_n, T* grad_after, A* sums, int64_t block) const {
    const int64_t at = from(block), n = size(block);
    copy(g + at, grad_n + at, n);
    last.apply(grad_n + at, rows * width + at, n);
    if (grad_after) copy(grad_n + at, grad_after + at, n);
    through_relu(z + at, scale.data(), shift.data(), grad_n + at, n);
    project(z + at, centre, grad_n + at, sums, sums + width, n);
  }

  // grad_z of one block from grad_n in place: rows that the statistics saw lose what those took back.
  void leave_backward(const A* z, const A* back, const A* slope, A* grad_n, T* grad_before, T* grad_h, int64_t block) const {
    const int64_t at = from(block), n = size(block), seen = std::clamp<int64_t>(real * width - at, 0, n);
    through_norm(z + at, scale.data(), centre, back, slope, grad_n + at, seen);
    for (int64_t row = at + seen; row < at + n; row += width)
      for (int64_t j = 0; j < width; ++j) grad_n[row + j] *= scale[j];
    if (grad_before) copy(grad_n + at, grad_before + at, n);
    first.apply(grad_n + at, at, n);
    copy(grad_n + at, grad_h + at, n);
  }

  // The loops: n numbers, or n / width rows.
  template <class From, class To> static void copy(const From* __restrict from, To* __restrict to, int64_t n) {
    for (int64_t i = 0; i < n; ++i) to[i] = static_cast<To>(widen(from[i]));
  }
  template <class To> static void add(const T* __restrict from, To* __restrict to, int64_t n) {
    for (int64_t i = 0; i < n; ++i) to[i] = static_cast<To>(widen(to[i]) + widen(from[i]));
  }
  void affine(const A* __restrict z, const A* __restrict a, const A* __restrict b, T* __restrict y, int64_t n) const {
    const A least = relu ? A(0) : -std::numeric_limits<A>::infinity();
    for (int64_t row = 0; row < n; row += width)
      for (int64_t j = 0; j < width; ++j) {
        const A value = z[row + j] * a[j] + b[j];
        y[row + j] = static_cast<T>(value < least ? least : value);
      }
  }
  void through_relu(const A* __restrict z, const A* __restrict a, const A* __restrict b, A* __restrict grad, int64_t n) const {
    for (int64_t row = 0; relu && row < n; row += width)
      for (int64_t j = 0; j < width; ++j) grad[row + j] = z[row + j] * a[j] + b[j] > 0 ? grad[row + j] : A(0);
  }
  void project(const A* __restrict z, const A* __restrict mean, const A* __restrict grad, A* __restrict total,
               A* __restrict along, int64_t n) const {
    for (int64_t row = 0; row < n; row += width)
      for (int64_t j = 0; j < width; ++j) {
        total[j] += grad[row + j];
        along[j] += grad[row + j] * (z[row + j] - mean[j]);
      }
  }
  void through_norm(const A* __restrict z, const A* __restrict a, const A* __restrict mean, const A* __restrict back,
                    const A* __restrict slope, A* __restrict grad, int64_t n) const {
    for (int64_t row = 0; row < n; row += width)
      for (int64_t j = 0; j < width; ++j)
        grad[row + j] = a[j] * grad[row + j] - back[j] - slope[j] * (z[row + j] - mean[j]);
  }
};

inline ScalarType accumulator(const Tensor& h) {
  return h.scalar_type() == ScalarType::BFloat16 ? ScalarType::Float : h.scalar_type();
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
  Tensor y = new_empty(h, {rows, width}), z = new_empty(h, {rows, width}, type), mean = new_empty(h, {width}, type),
         var = new_empty(h, {width}, type);
  by_float(h, "norm", [&](auto t) {
    using T = typename decltype(t)::type;
    using A = Acc<T>;
    Norm<T> norm{rows, real_rows(count, rows), width, read<A>(weight), read<A>(bias), static_cast<A>(eps), relu, whole,
                 Dropout(seed, dropout_first), Dropout(seed, dropout_last)};
    A *zs = write<A>(z), *means = write<A>(mean), *vars = write<A>(var);
    std::vector<Moments<A>> part(given_mean.has_value() ? 0 : norm.blocks());
#pragma omp parallel num_threads(threads_for(rows * width))
    {
#pragma omp for schedule(static)
      for (int64_t block = 0; block < norm.blocks(); ++block) {
        norm.enter(read<T>(h), read<T>(before), zs, block);
        const int64_t seen = std::min(norm.end(block), norm.real) - block * kNormRows;
        if (!part.empty() && seen > 0) part[block].measure(zs + block * kNormRows * width, seen, width);
      }
#pragma omp single
      {
        for (size_t block = 1; block < part.size(); ++block) part[0].add(part[block]);
        for (int64_t j = 0; j < width; ++j) {
          means[j] = part.empty() ? read<A>(given_mean)[j] : part[0].mean[j];
          vars[j] = part.empty() ? read<A>(given_var)[j] : part[0].square[j] / static_cast<A>(norm.real);
        }
        norm.set(means, vars);
      }
#pragma omp for schedule(static)
      for (int64_t block = 0; block < norm.blocks(); ++block) norm.leave(zs, read<T>(after), write<T>(y), block);
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
    const auto grad_n = std::make_unique_for_overwrite<A[]>(rows * width);
    std::vector<A> sums(2 * width * std::max<int64_t>(1, norm.blocks())), back(width), slope(width);
#pragma omp parallel num_threads(threads_for(rows * width))
    {
#pragma omp for schedule(static)
      for (int64_t block = 0; block < norm.blocks(); ++block)
        norm.enter_backward(read<T>(g), zs, grad_n.get(), own_after ? write<T>(grad_after) : nullptr,
                            &sums[block * 2 * width], block);
#pragma omp single
      for (int64_t j = 0; j < width; ++j) {
        A total = 0, weighted = 0;
        for (int64_t block = 0; block < norm.blocks(); ++block) {
          total += sums[block * 2 * width + j];
          weighted += sums[block * 2 * width + width + j];
        }
        const A rstd = 1 / std::sqrt(read<A>(var)[j] + norm.eps), n = static_cast<A>(std::max<int64_t>(1, norm.real));
        write<A>(grad_weight)[j] = weighted * rstd;
        write<A>(grad_bias)[j] = total;
        slope[j] = norm.scale[j] * rstd * rstd * weighted / n;
        back[j] = norm.scale[j] * total / n;
      }
#pragma omp for schedule(static)
      for (int64_t block = 0; block < norm.blocks(); ++block)
        norm.leave_backward(zs, back.data(), slope.data(), grad_n.get(), own_before ? write<T>(grad_before) : nullptr,
                            write<T>(grad_h), block);
    }
  });
  return {grad_h, grad_before, grad_after, grad_weight, grad_bias};
}

// running += momentum (measured - running), the variance unbiased; counts the batches as torch does.
void track_(Tensor running_mean, Tensor running_var, Tensor batches, const Tensor& mean, const Tensor& var, int64_t rows,
            const Maybe& count, double momentum) {
  const double n = static_cast<double>(real_rows(count, rows)), unbiased = n > 1 ? n / (n - 1) : 1;
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
                  "SymInt rows, Tensor? count, float momentum) -> ()")
GNNLAB_OP(norm, "(Tensor h, Tensor? before, Tensor? after, Tensor weight, Tensor bias, Tensor? mean, Tensor? var, "
                "float eps, bool relu, bool whole, float dropout_first, float dropout_last, Tensor? seed, "
                "Tensor? count) -> (Tensor, Tensor, Tensor, Tensor)")
GNNLAB_OP(norm_backward, "(Tensor g, Tensor z, Tensor mean, Tensor var, Tensor weight, Tensor bias, bool measured, "
                         "float eps, bool relu, bool whole, float dropout_first, float dropout_last, Tensor? seed, "
                         "Tensor? count) -> (Tensor, Tensor, Tensor, Tensor, Tensor)")
