// A graph of a store (gnnlab.packed.Packed).
#pragma once
#include <cstdint>

namespace gnnlab {

struct StoredGraph {
  int64_t first, count;   // its nodes
  const int64_t* colptr;  // the edges out of its node i: target[colptr[i]] … target[colptr[i + 1] − 1]
  const int64_t* target;

  // fn(i, j) for the edges i → j between its nodes, which count from 0, in the order of i.
  template <class Fn> void each_edge(const Fn& fn) const {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t edge = colptr[i]; edge < colptr[i + 1]; ++edge) fn(i, target[edge] - first);
  }
};

}  // namespace gnnlab
