// Random walks on a store of graphs (gnnlab.packed.Packed), all of them at once.
#include <memory>
#include <utility>
#include <vector>

#include "../op.h"
#include "store.h"

namespace gnnlab {

// Walks that end in the nodes column, column + 1, … of a graph, 16 K of them side by side: row i of `now` holds the
// probabilities to be there after the steps so far from node i. `out` [nodes, steps]: to be back.
template <int K>
void walk_back(const StoredGraph& graph, int64_t column, int64_t steps, float* now, float* next, float* out) {
  constexpr int64_t kWidth = Vec<float, K>::lanes * K;
  const Full<float, K> lane{0};
  const int64_t own = std::min(kWidth, graph.count - column);
  std::fill_n(now, graph.count * kWidth, 0.0f);
  for (int64_t c = 0; c < own; ++c) now[(column + c) * kWidth + c] = 1.0f;
  for (int64_t step = 0; step < steps; ++step, std::swap(now, next)) {
    for (int64_t i = 0; i < graph.count; ++i) {
      const int64_t begin = graph.colptr[i], end = graph.colptr[i + 1];
      Vec<float, K> sum(0.0f);
      for (int64_t edge = begin; edge < end; ++edge) sum += lane.load(now + (graph.target[edge] - graph.first) * kWidth);
      lane.store(next + i * kWidth, sum * (1.0f / static_cast<float>(std::max<int64_t>(1, end - begin))));
    }
    for (int64_t c = 0; c < own; ++c) out[(column + c) * steps + step] = next[(column + c) * kWidth + c];
  }
}

// The probability that a walk along the edges is back at node i after 1 … `steps` steps: [N, steps] float32.
Tensor return_probabilities(const Tensor& ptr, const Tensor& colptr, const Tensor& out_target, int64_t steps) {
  const int64_t graphs = ptr.size(0) - 1, nodes = colptr.size(0) - 1;
  const int64_t* begin = read<int64_t>(ptr);
  Tensor out = new_empty(ptr, {nodes, steps}, ScalarType::Float);
  float* to = write<float>(out);
  constexpr int64_t kMost = 4 * Vec<float, 1>::lanes;
  std::vector<std::pair<int64_t, int64_t>> blocks;  // graph, column
  int64_t work = 0;
  for (int64_t g = 0; g < graphs; ++g)
    for (int64_t column = 0; column < begin[g + 1] - begin[g]; column += kMost) {
      blocks.emplace_back(g, column);
      work += (begin[g + 1] - begin[g]) * kMost * steps;
    }
  parallel(static_cast<int64_t>(blocks.size()), work, [&](int64_t first, int64_t last) {
    std::vector<Vec<float, 1>> memory;  // aligned: of a register elsewhere, every load takes two
    for (int64_t b = first; b < last; ++b) {
      const auto [g, column] = blocks[b];
      const StoredGraph graph{begin[g], begin[g + 1] - begin[g], read<int64_t>(colptr) + begin[g], read<int64_t>(out_target)};
      const size_t size = graph.count * (kMost / Vec<float, 1>::lanes);
      if (memory.size() < 2 * size) memory.resize(2 * size);
      float *now = reinterpret_cast<float*>(memory.data()), *next = reinterpret_cast<float*>(memory.data() + size);
      float* at = to + graph.first * steps;
      switch ((std::min(kMost, graph.count - column) - 1) / Vec<float, 1>::lanes) {
        case 0: walk_back<1>(graph, column, steps, now, next, at); break;
        case 1: walk_back<2>(graph, column, steps, now, next, at); break;
        case 2: walk_back<3>(graph, column, steps, now, next, at); break;
        default: walk_back<4>(graph, column, steps, now, next, at);
      }
    }
  });
  return out;
}

}  // namespace gnnlab

GNNLAB_OP(return_probabilities, "(Tensor ptr, Tensor colptr, Tensor out_target, int steps) -> Tensor")
