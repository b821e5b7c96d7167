// The Laplacian L = S (D − A) S of a graph as a sparse matrix, and L − σ factored for 16 shifts σ side by side.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "../vec.h"
#include "store.h"

namespace gnnlab {

using Lanes = Vec<double, 2>;
using Lane = Full<double, 2>;

// A is max(A, Aᵀ) of a directed graph; self-loops do not count, parallel edges add up.
//
// L − σ = Uᵀ Δ U, U unit upper triangular, Δ diagonal, the nodes in an order of minimum degree: for a molecule U has
// hardly more entries than there are bonds. There is no pivoting, so the result is that of a matrix which differs from
// L by about 10⁻¹⁶ ‖L‖² / η, if σ is η away from the eigenvalues of L and of what is eliminated first.
class SparseLaplacian {
 public:
  int64_t n = 0;
  std::vector<int32_t> position;  // of a node in the order of elimination, by which rows and columns count
  std::vector<double> scale;      // of a row: the diagonal of S
  double bound = 0;               // no eigenvalue is larger

  // False where an elimination would change more than `most` entries.
  bool set(const StoredGraph& graph, bool normalised, int64_t most) {
    n = graph.count;
    if (!eliminate(graph, most)) return false;
    find_changed();
    find_entries(graph, normalised);
    return true;
  }

  // Numbers that a factorisation takes for each shift.
  int64_t size() const { return static_cast<int64_t>(entry.size()); }

  // Δ⁻¹ and Δ U of L − shift into f [size, 16]. By Sylvester's law: the number of eigenvalues below each shift.
  Lanes factor(const Lanes& shift, double* f) const {
    const Lane lane{0};
    for (int64_t e = 0; e < size(); ++e)
      lane.store(f + e * Lane::width, e < n ? Lanes(entry[e]) - shift : Lanes(entry[e]));
    const Lanes tiny(1e-30 * bound);
    Lanes below(0);
    const int32_t* to = changed.data();
    for (int64_t i = 0; i < n; ++i) {
      const Lanes kept = lane.load(f + i * Lane::width), d = select(max_(kept, -kept) < tiny, tiny, kept);
      const Lanes inverse = 1.0 / d;
      below += select(d < Lanes(0), Lanes(1), Lanes(0));
      lane.store(f + i * Lane::width, inverse);
      for (int32_t j = row[i]; j < row[i + 1]; ++j) {
        const Lanes part = lane.load(f + j * Lane::width) * inverse;
        for (int32_t k = j; k < row[i + 1]; ++k, ++to) {
          double* at = f + *to * Lane::width;
          lane.store(at, lane.load(at) - part * lane.load(f + k * Lane::width));
        }
      }
    }
    return below;
  }

  // The columns x of a lane become (L − shift)⁻¹ x. Rows are `width` apart.
  void solve(const double* f, double* x, int64_t width, Lane lane) const {
    const Lane from{0};
    for (int64_t i = 0; i < n; ++i) {
      const Lanes part = lane.load(x + i * width) * from.load(f + i * Lane::width);
      lane.store(x + i * width, part);
      for (int32_t e = row[i]; e < row[i + 1]; ++e) {
        double* other = x + column[e - n] * width;
        lane.store(other, lane.load(other) - part * from.load(f + e * Lane::width));
      }
    }
    for (int64_t i = n; i-- > 0;) {
      Lanes sum(0);
      for (int32_t e = row[i]; e < row[i + 1]; ++e)
        sum += lane.load(x + column[e - n] * width) * from.load(f + e * Lane::width);
      lane.store(x + i * width, lane.load(x + i * width) - sum * from.load(f + i * Lane::width));
    }
  }

  // y = L x for the columns of a lane.
  void times(const double* x, double* y, int64_t width, Lane lane) const {
    for (int64_t i = 0; i < n; ++i) lane.store(y + i * width, lane.load(x + i * width) * entry[i]);
    for (int64_t i = 0; i < n; ++i) {
      const Lanes own = lane.load(x + i * width);
      Lanes sum = lane.load(y + i * width);
      for (int32_t e = row[i]; e < row[i + 1]; ++e) {
        const int64_t other = column[e - n] * width;
        sum += lane.load(x + other) * entry[e];
        lane.store(y + other, lane.load(y + other) + own * entry[e]);
      }
      lane.store(y + i * width, sum);
    }
  }

 private:
  std::vector<double> entry;     // the diagonal; then right of it, row after row, with the zeros that fill up
  std::vector<int32_t> row;      // entries row[i] … row[i + 1] − 1 are those right of the diagonal in row i
  std::vector<int32_t> column;   // of entry n, n + 1, …
  std::vector<int32_t> changed;  // the entries that eliminating row 0, 1, … changes
  std::vector<double> reverse;   // edges against the order of elimination, where `entry` counts those along it
  std::vector<uint64_t> neighbours;        // of nodes that are left: a bit for each pair
  std::vector<int32_t> degree;             // in the same sense
  std::vector<std::vector<int32_t>> bins;  // nodes by the degree that they have, or had

  bool eliminate(const StoredGraph& graph, int64_t most) {
    const int64_t words = (n + 63) / 64;
    neighbours.assign(n * words, 0);
    graph.each_edge([&](int64_t i, int64_t j) {
      if (i == j) return;
      neighbours[i * words + j / 64] |= uint64_t(1) << (j % 64);
      neighbours[j * words + i / 64] |= uint64_t(1) << (i % 64);
    });
    degree.assign(n, 0);
    if (static_cast<int64_t>(bins.size()) < n) bins.resize(n);
    for (auto& bin : bins) bin.clear();
    const auto put = [&](int32_t i) {
      degree[i] = 0;
      for (int64_t w = 0; w < words; ++w) degree[i] += std::popcount(neighbours[i * words + w]);
      bins[degree[i]].push_back(i);
    };
    for (int32_t i = 0; i < n; ++i) put(i);
    position.assign(n, -1);
    row.assign(1, static_cast<int32_t>(n));
    column.clear();
    int64_t changes = 0;
    for (int32_t least = 0, place = 0; place < n;) {
      if (bins[least].empty()) {
        ++least;
        continue;
      }
      const int32_t i = bins[least].back();
      bins[least].pop_back();
      if (position[i] >= 0 || degree[i] != least) continue;
      if ((changes += int64_t(least) * (least + 1) / 2) > most) return false;
      position[i] = place++;
      const size_t first = column.size();
      for (int64_t w = 0; w < words; ++w)
        for (uint64_t bits = neighbours[i * words + w]; bits; bits &= bits - 1)
          column.push_back(static_cast<int32_t>(w * 64 + std::countr_zero(bits)));
      for (size_t e = first; e < column.size(); ++e) {  // its neighbours become neighbours of each other
        const int32_t j = column[e];
        for (int64_t w = 0; w < words; ++w) neighbours[j * words + w] |= neighbours[i * words + w];
        for (const int32_t gone : {i, j}) neighbours[j * words + gone / 64] &= ~(uint64_t(1) << (gone % 64));
        put(j);
        least = std::min(least, degree[j]);
      }
      row.push_back(static_cast<int32_t>(n + column.size()));
    }
    for (auto& j : column) j = position[j];
    for (int64_t i = 0; i < n; ++i) std::sort(column.begin() + row[i] - n, column.begin() + row[i + 1] - n);
    return true;
  }

  // The entry in row i and column j > i.
  int32_t right_of_diagonal(int32_t i, int32_t j) const {
    const auto first = column.begin() - n;
    return static_cast<int32_t>(std::lower_bound(first + row[i], first + row[i + 1], j) - first);
  }

  void find_changed() {
    changed.clear();
    for (int64_t i = 0; i < n; ++i)
      for (int32_t j = row[i]; j < row[i + 1]; ++j) {
        changed.push_back(column[j - n]);
        for (int32_t k = j + 1; k < row[i + 1]; ++k) changed.push_back(right_of_diagonal(column[j - n], column[k - n]));
      }
  }

  void find_entries(const StoredGraph& graph, bool normalised) {
    entry.assign(n + column.size(), 0.0);
    reverse.assign(n + column.size(), 0.0);
    graph.each_edge([&](int64_t i, int64_t j) {
      const int32_t a = position[i], b = position[j];
      if (a != b) ++(a < b ? entry : reverse)[right_of_diagonal(std::min(a, b), std::max(a, b))];
    });
    for (int64_t i = 0; i < n; ++i)
      for (int32_t e = row[i]; e < row[i + 1]; ++e) {
        entry[e] = std::max(entry[e], reverse[e]);
        entry[i] += entry[e];
        entry[column[e - n]] += entry[e];
      }
    scale.resize(n);
    bound = normalised ? 2.0 : 1.0;
    for (int64_t i = 0; i < n; ++i) {
      if (!normalised) bound = std::max(bound, 2 * entry[i]);
      scale[i] = normalised ? 1 / std::sqrt(std::max(entry[i], 1.0)) : 1.0;
      entry[i] *= scale[i] * scale[i];
    }
    for (int64_t i = 0; i < n; ++i)
      for (int32_t e = row[i]; e < row[i + 1]; ++e) entry[e] *= -scale[i] * scale[column[e - n]];
  }
};

}  // namespace gnnlab
