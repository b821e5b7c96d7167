// A batch from a packed split (gnnlab.packed.Packed): the rows of the chosen graphs one after the other, in every
// array, with the numbers of nodes and of edges moved to their new place.
#include <cstring>
#include <vector>

#include <torch/csrc/inductor/aoti_torch/c/shim.h>

#include "../op.h"

namespace gnnlab {

using Tensors = std::vector<Tensor>;

// The rows of a graph: where they are, where they go, how many they are. One of these for each graph of a batch.
struct Source {
  int64_t from, to, count;
};
using Layout = std::vector<Source>;

// An array whose rows are copied as they are.
struct Copy {
  const char* from;
  char* to;
  int64_t bytes;
  const Layout& rows;
  void operator()(int64_t g) const {
    if (const int64_t size = rows[g].count * bytes; size > 0)  // an empty array may have no address
      std::memcpy(to + rows[g].to * bytes, from + rows[g].from * bytes, size);
  }
};

// An array whose entries are numbers of the rows `counted`.
struct Shift {
  const int64_t* from;
  int64_t* to;
  const Layout &rows, &counted;
  void operator()(int64_t g) const {
    const int64_t by = counted[g].to - counted[g].from, count = rows[g].count;
    const int64_t* __restrict before = from + rows[g].from;
    int64_t* __restrict after = to + rows[g].to;
    for (int64_t i = 0; i < count; ++i) after[i] = before[i] + by;
  }
};

// A dense tensor. Not through the dispatcher, which takes four times as long: a batch is a dozen small arrays.
Tensor make(const Tensor& like, const std::vector<int64_t>& sizes) {
  std::vector<int64_t> strides(sizes.size(), 1);
  for (size_t i = sizes.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * std::max<int64_t>(sizes[i], 1);
  int32_t type;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_dtype(like.get(), &type));
  AtenTensorHandle made;
  TORCH_ERROR_CODE_CHECK(aoti_torch_empty_strided(sizes.size(), sizes.data(), strides.data(), type,
                                                         aoti_torch_device_type_cpu(), 0, &made));
  return Tensor(made);
}

const int64_t* numbers(const Tensor& t) {
  STD_TORCH_CHECK(t.scalar_type() == ScalarType::Long && t.is_contiguous(), "assemble: expected dense int64 indices");
  return read<int64_t>(t);
}

// What is to be done for every graph of a batch.
struct Assembly {
  Layout nodes, edges, graphs;
  int64_t num_nodes = 0, num_edges = 0, max_nodes = 0, work = 0;
  std::vector<Copy> copies;
  std::vector<Shift> shifts;

  Assembly(const int64_t* index, int64_t count, const int64_t* ptr, const int64_t* edge_ptr, int64_t stored)
      : nodes(count), edges(count), graphs(count) {
    for (int64_t g = 0; g < count; ++g) {
      const int64_t i = index[g];
      STD_TORCH_CHECK(i >= 0 && i < stored, "assemble: there is no graph ", i, " among ", stored);
      nodes[g] = {ptr[i], num_nodes, ptr[i + 1] - ptr[i]};
      edges[g] = {edge_ptr[i], num_edges, edge_ptr[i + 1] - edge_ptr[i]};
      graphs[g] = {i, g, 1};
      num_nodes += nodes[g].count;
      num_edges += edges[g].count;
      max_nodes = std::max(max_nodes, nodes[g].count);
    }
  }

  void shift(const int64_t* from, int64_t* to, const Layout& rows, const Layout& counted) {
    shifts.push_back({from, to, rows, counted});
    work += &rows == &nodes ? num_nodes : num_edges;
  }

  Tensors copy(const Tensors& values, const Layout& rows, int64_t count) {
    Tensors out;
    for (const Tensor& value : values) {
      STD_TORCH_CHECK(value.is_contiguous(), "assemble: expected dense attributes");
      std::vector<int64_t> sizes(value.sizes().begin(), value.sizes().end());
      int64_t bytes = value.element_size();
      for (size_t i = 1; i < sizes.size(); ++i) bytes *= sizes[i];
      sizes[0] = count;
      out.push_back(make(value, sizes));
      copies.push_back({read<char>(value), write<char>(out.back()), bytes, rows});
      work += count * bytes / 8;
    }
    return out;
  }

  void run(int64_t* ptr, int64_t* batch) const {
    ptr[nodes.size()] = num_nodes;
    parallel(nodes.size(), work, [&](int64_t first, int64_t last) {
      for (int64_t g = first; g < last; ++g) {
        ptr[g] = nodes[g].to;
        std::fill_n(batch + nodes[g].to, nodes[g].count, g);
      }
      for (const Shift& shift : shifts)
        for (int64_t g = first; g < last; ++g) shift(g);
      for (const Copy& copy : copies)
        for (int64_t g = first; g < last; ++g) copy(g);
    });
  }
};

// The graphs order[first] … order[last − 1]: the index arrays of gnnlab.batch.Batch in its order, the attributes of
// nodes, edges and graphs, and the nodes of the largest graph.
std::tuple<Tensors, Tensors, Tensors, Tensors, int64_t> assemble(
    const Tensor& order, int64_t first, int64_t last, const Tensor& ptr, const Tensor& edge_ptr,
    const Tensor& edge_index, const Tensor& rowptr, const Tensor& colptr, const Tensor& transpose,
    const Tensor& out_target, const Tensors& node, const Tensors& edge, const Tensors& graph) {
  STD_TORCH_CHECK(0 <= first && first <= last && last <= order.size(0), "assemble: no graphs ", first, " to ", last);
  const int64_t count = last - first;
  Assembly all(numbers(order) + first, count, numbers(ptr), numbers(edge_ptr), ptr.size(0) - 1);
  const int64_t n = all.num_nodes, e = all.num_edges;
  Tensors index;
  for (const auto& sizes : std::initializer_list<std::vector<int64_t>>{{2, e}, {count + 1}, {n}, {n + 1}, {n + 1}, {e}, {e}})
    index.push_back(make(ptr, sizes));
  auto made = [&](int i) { return write<int64_t>(index[i]); };
  all.shift(numbers(edge_index), made(0), all.edges, all.nodes);
  all.shift(numbers(edge_index) + edge_index.size(1), made(0) + e, all.edges, all.nodes);
  all.shift(numbers(rowptr), made(3), all.nodes, all.edges);
  all.shift(numbers(colptr), made(4), all.nodes, all.edges);
  all.shift(numbers(transpose), made(5), all.edges, all.edges);
  all.shift(numbers(out_target), made(6), all.edges, all.nodes);
  made(3)[n] = made(4)[n] = e;
  Tensors nodes = all.copy(node, all.nodes, n), edges = all.copy(edge, all.edges, e),
          graphs = all.copy(graph, all.graphs, count);
  all.run(made(1), made(2));
  return {std::move(index), std::move(nodes), std::move(edges), std::move(graphs), all.max_nodes};
}

}  // namespace gnnlab

GNNLAB_OP(assemble,
          "(Tensor order, int first, int last, Tensor ptr, Tensor edge_ptr, Tensor edge_index, Tensor rowptr, "
          "Tensor colptr, Tensor transpose, Tensor out_target, Tensor[] node, Tensor[] edge, Tensor[] graph) -> "
          "(Tensor[], Tensor[], Tensor[], Tensor[], int)")
