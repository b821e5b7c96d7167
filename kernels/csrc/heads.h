// Attention over edges: numbers for each head of an edge, features for each head of a node.
#pragma once
#include "op.h"

#ifdef __CUDACC__
#include "cuda/heads.cuh"
#else
#include "cpu/heads.h"
#endif

namespace gnnlab {

template <class V, class A> HD V leaky_relu(const V& v, A slope) { return select(v > V(0), v, v * slope); }

}  // namespace gnnlab
