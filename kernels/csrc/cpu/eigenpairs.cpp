// The smallest eigenpairs of the Laplacians of a store of graphs (gnnlab.packed.Packed), sparse ones such as molecules.
#include <numeric>
#include <tuple>
#include <vector>

#include "../op.h"
#include "laplacian.h"

namespace gnnlab {

// Of one graph after another, 16 eigenpairs side by side:
// 1. bisection: the interval around each eigenvalue is halved by counting those below its middle;
// 2. inverse iteration from random vectors, shifted to the middles, tells eigenvectors apart from those of other
//    intervals; and Rayleigh and Ritz, on the space of them all, from those of the same or of touching ones;
// 3. a count below the last one proves that none is missing, however often an eigenvalue repeats.
class SmallestEigenpairs {
 public:
  std::vector<double> values;

  // False where the proof fails, and where LAPACK takes less time. Nothing here means anything then.
  bool find(const StoredGraph& graph, bool normalised, int64_t count) {
    n = graph.count;
    wanted = std::min(n, count);
    width = (wanted + Lane::width - 1) / Lane::width * Lane::width;
    columns = std::min(n, width);
    if (n == 0) return true;
    if (n > kMostNodes || wanted > std::max(kManyPairs, n / 3)) return false;
    if (!laplacian.set(graph, normalised, n * std::min(n, kManyChanges))) return false;
    factors.set(laplacian.size() * width);
    for (Memory* memory : {&vectors, &images}) memory->set(n * width);
    for (Memory* memory : {&form, &turns}) memory->set(width * width);
    values.assign(width, 0.0);
    bisect();
    start();
    for (int round = 0; round < kMostRounds; ++round) {
      for (int twice = 0; twice < 2; ++twice)
        each_lane([&](Lane lane) { laplacian.solve(factor_of(lane), vectors.at, width, lane); });
      orthonormalise();
      rotate();
      if (converged()) return none_missing();
    }
    return false;
  }

  // An entry of v or, of a walk, of S v.
  double vector(int64_t node, int64_t k, bool walk) const {
    const int64_t i = laplacian.position[node];
    return vectors.at[i * width + k] * (walk ? laplacian.scale[i] : 1.0);
  }

 private:
  static constexpr int64_t kMostNodes = 4096, kManyPairs = 64, kManyChanges = 512;
  static constexpr int kMostRounds = 6;

  struct Memory {  // aligned to registers
    std::vector<Lanes> lanes;
    double* at = nullptr;
    void set(int64_t size) {
      if (static_cast<int64_t>(lanes.size()) < size / Lane::width) lanes.resize(size / Lane::width);
      at = reinterpret_cast<double*>(lanes.data());
    }
  };

  SparseLaplacian laplacian;
  int64_t n = 0, wanted = 0, width = 0, columns = 0;  // `width`: the next multiple of 16; `columns` of it are of use
  double spread = 0;                                  // about the last eigenvalue: errors are relative to it
  Memory factors;          // [width / 16, entries, 16]
  Memory vectors, images;  // [n, width] in the order of elimination
  Memory form, turns;      // [width, width]

  template <class Fn> void each_lane(const Fn& fn) const {
    for (int64_t at = 0; at < width; at += Lane::width) fn(Lane{at});
  }
  double* factor_of(Lane lane) { return factors.at + lane.at * laplacian.size(); }

  // Leaves L − σ factored for the middles σ of the intervals.
  void bisect() {
    std::vector<double> low(width, -0.0117 * laplacian.bound), high(width, 1.0071 * laplacian.bound);
    std::vector<double> middle(width), below(width);
    const auto count = [&](Lane lane) {
      lane.store(below.data(), laplacian.factor(lane.load(middle.data()), factor_of(lane)));
    };
    for (int64_t k = 0; k < width; ++k) middle[k] = low[k] + (high[k] - low[k]) * (k + 1) / (width + 1);
    each_lane(count);
    for (int64_t k = 0; k < width; ++k)
      for (int64_t j = 0; j < width; ++j)
        if (below[j] <= k) low[k] = std::max(low[k], middle[j]);
        else high[k] = std::min(high[k], middle[j]);
    double widest = INFINITY;
    for (spread = laplacian.bound; widest > 1e-5 * spread;) {
      for (int64_t k = 0; k < width; ++k) middle[k] = (low[k] + high[k]) / 2;
      each_lane(count);
      for (int64_t k = 0; k < width; ++k) (below[k] <= k ? low : high)[k] = middle[k];
      widest = 0;
      for (int64_t k = 0; k < columns; ++k) widest = std::max(widest, high[k] - low[k]);
      spread = std::max(high[columns - 1], 1e-4 * laplacian.bound);
    }
  }

  void start() {
    uint64_t state = 1;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t k = 0; k < width; ++k) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        vectors.at[i * width + k] = k < columns ? static_cast<double>(static_cast<int64_t>(state)) * 0x1p-63 : 0.0;
      }
  }

  // Gram and Schmidt: each column is taken out of those behind it.
  void orthonormalise() {
    double* x = vectors.at;
    std::vector<double> dots(width);
    for (int64_t k = 0; k < columns; ++k) {
      each_lane([&](Lane lane) {
        Lanes sum(0);
        for (int64_t i = 0; i < n; ++i) sum += lane.load(x + i * width) * x[i * width + k];
        lane.store(dots.data(), sum);
      });
      const double inverse = 1 / std::sqrt(dots[k]);
      for (int64_t j = 0; j < width; ++j) dots[j] = j > k ? dots[j] * inverse : 0.0;
      for (int64_t i = 0; i < n; ++i) {
        const double own = x[i * width + k] * inverse;
        each_lane([&](Lane lane) {
          lane.store(x + i * width, lane.load(x + i * width) - lane.load(dots.data()) * own);
        });
        x[i * width + k] = own;
      }
    }
  }

  // Rayleigh and Ritz: the vectors are turned so that Xᵀ L X is diagonal.
  void rotate() {
    const double *x = vectors.at, *y = images.at;
    each_lane([&](Lane lane) {
      laplacian.times(x, images.at, width, lane);
      for (int64_t k = 0; k < width; k += 4) {
        Lanes sum[4] = {Lanes(0), Lanes(0), Lanes(0), Lanes(0)};
        for (int64_t i = 0; i < n; ++i)
          for (int r = 0; r < 4; ++r) sum[r] += lane.load(y + i * width) * x[i * width + k + r];
        for (int r = 0; r < 4; ++r) lane.store(form.at + (k + r) * width, sum[r]);
      }
    });
    diagonalise();
    each_lane([&](Lane lane) {
      for (int64_t i = 0; i < n; ++i) {
        Lanes sum(0);
        for (int64_t k = 0; k < columns; ++k) sum += lane.load(turns.at + k * width) * x[i * width + k];
        lane.store(images.at + i * width, sum);
      }
    });
    std::swap(vectors, images);
  }

  // Jacobi: the eigenvalues of `form` ascending into `values`, its eigenvectors into the columns of `turns`.
  void diagonalise() {
    double* h = form.at;
    std::vector<double> q(columns * columns, 0.0);
    for (int64_t k = 0; k < columns; ++k) q[k * columns + k] = 1;
    bool turned = true;
    for (int sweep = 0; turned && sweep < 30; ++sweep) {
      turned = false;
      for (int64_t a = 0; a < columns; ++a)
        for (int64_t b = a + 1; b < columns; ++b) {
          const double off = h[a * width + b], gap = h[b * width + b] - h[a * width + a];
          if (std::abs(off) <= 1e-10 * std::abs(gap) + 1e-15 * laplacian.bound) continue;
          turned = true;
          const double tangent = 2 * off / (gap + (gap < 0 ? -1 : 1) * std::hypot(gap, 2 * off));
          const double cosine = 1 / std::sqrt(1 + tangent * tangent), sine = tangent * cosine;
          const auto turn = [&](double& one, double& other) {
            const double before = one;
            one = cosine * before - sine * other;
            other = sine * before + cosine * other;
          };
          for (int64_t k = 0; k < columns; ++k) turn(h[a * width + k], h[b * width + k]);
          for (int64_t k = 0; k < columns; ++k) turn(h[k * width + a], h[k * width + b]);
          for (int64_t k = 0; k < columns; ++k) turn(q[a * columns + k], q[b * columns + k]);
        }
    }
    std::vector<int64_t> order(columns);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return h[a * width + a] < h[b * width + b]; });
    std::fill_n(turns.at, width * width, 0.0);
    for (int64_t k = 0; k < columns; ++k) {
      values[k] = h[order[k] * width + order[k]];
      for (int64_t j = 0; j < columns; ++j) turns.at[j * width + k] = q[order[k] * columns + j];
    }
  }

  bool converged() {
    std::vector<double> squares(width);
    each_lane([&](Lane lane) {
      laplacian.times(vectors.at, images.at, width, lane);
      Lanes sum(0);
      for (int64_t i = 0; i < n; ++i) {
        const Lanes image = lane.load(images.at + i * width), x = lane.load(vectors.at + i * width);
        const Lanes rest = image - x * lane.load(values.data());
        sum += rest * rest;
      }
      lane.store(squares.data(), sum);
    });
    const double most = 1e-20 * spread * spread;
    return std::all_of(squares.begin(), squares.begin() + wanted, [=](double square) { return square < most; });
  }

  bool none_missing() {
    const double shift = values[wanted - 1] - 1e-7 * laplacian.bound;
    const auto found = std::lower_bound(values.begin(), values.begin() + wanted, shift) - values.begin();
    return laplacian.factor(Lanes(shift), factors.at).r[0][0] <= static_cast<double>(found);
  }
};

// Eigenpairs of S (D − A) S, with S = D^-½ if `normalised`: unit vectors [N, count] float32, of `walk` S v in their
// place, zero where a graph has fewer, the entry of largest magnitude positive, the first among ties; values
// [G, count], ∞ where a graph has fewer; and whether they were found [G].
std::tuple<Tensor, Tensor, Tensor> smallest_eigenpairs(const Tensor& ptr, const Tensor& colptr, const Tensor& out_target,
                                                       bool normalised, bool walk, int64_t count) {
  const int64_t graphs = ptr.size(0) - 1, nodes = colptr.size(0) - 1;
  const int64_t *begin = read<int64_t>(ptr), *column = read<int64_t>(colptr), *target = read<int64_t>(out_target);
  Tensor vectors = new_empty(ptr, {nodes, count}, ScalarType::Float);
  Tensor values = new_empty(ptr, {graphs, count}, ScalarType::Double), found = new_empty(ptr, {graphs}, ScalarType::Bool);
  float* vector = write<float>(vectors);
  double* value = write<double>(values);
  bool* has_found = write<bool>(found);
  parallel(graphs, nodes * count * 64, [&](int64_t first, int64_t last) {
    SmallestEigenpairs pairs;
    for (int64_t g = first; g < last; ++g) {
      const StoredGraph graph{begin[g], begin[g + 1] - begin[g], column + begin[g], target};
      float* to = vector + graph.first * count;
      std::fill_n(to, graph.count * count, 0.0f);
      std::fill_n(value + g * count, count, INFINITY);
      has_found[g] = pairs.find(graph, normalised, count);
      for (int64_t k = 0; has_found[g] && k < std::min(count, graph.count); ++k) {
        double largest = 0, squares = 0;
        for (int64_t i = 0; i < graph.count; ++i) {
          const double entry = pairs.vector(i, k, walk);
          if (std::abs(entry) * (1 - 1e-6) > std::abs(largest)) largest = entry;
          squares += entry * entry;
        }
        const double unit = std::copysign(1 / std::sqrt(squares), largest);
        for (int64_t i = 0; i < graph.count; ++i)
          to[i * count + k] = static_cast<float>(pairs.vector(i, k, walk) * unit);
        value[g * count + k] = std::max(0.0, pairs.values[k]);
      }
    }
  });
  return {vectors, values, found};
}

}  // namespace gnnlab

GNNLAB_OP(smallest_eigenpairs,
          "(Tensor ptr, Tensor colptr, Tensor out_target, bool normalised, bool walk, int count) -> (Tensor, Tensor, Tensor)")
