// Rows of several heads side by side, on a GPU: the features h C … (h + 1) C of a row are head h's.
#pragma once
#include "rows.cuh"

namespace gnnlab {

// A number for each head, of type T or Acc<T>, read as a number for each feature.
template <class T> struct PerHead {
  int64_t width;
  template <class S> HD Acc<T> load(const S* p, const One<T>& lane) const { return widen(p[lane.at / width]); }
};

template <class T> struct HeadsOf {
  int64_t width;
  HeadsOf(int64_t, int64_t width_) : width(width_) {}
  PerHead<T> each() const { return {width}; }
};

// A group of threads, a part of one warp, for each head of each row: they take the features in turn and add up in a
// fixed order. All threads of a warp pass through the loop together, so that each shuffle finds them all.
template <class T, class S, class Body>
__global__ void heads_summed_kernel(int64_t rows, int64_t heads, int64_t width, int group, S* out, Body body) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x / group;
  const int64_t mine = (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / group;
  const int64_t first_of_warp = (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x / 32 * 32) / group;
  const int lane = threadIdx.x % group;
  for (int64_t passed = 0; first_of_warp + passed < rows * heads; passed += step) {
    const int64_t i = mine + passed, begin = i % heads * width;
    Acc<T> sum = 0;
    if (i < rows * heads)
      for (int64_t f = lane; f < width; f += group) sum += body(i / heads, One<T>{begin + f});
    for (int offset = group / 2; offset > 0; offset /= 2) sum += __shfl_down_sync(0xffffffffu, sum, offset, group);
    if (lane == 0 && i < rows * heads) out[i] = static_cast<S>(sum);
  }
}

// out[row, h] = Σ over the features of head h of body(row, lane).
template <class T, class S, class Body>
void for_heads_summed(const Tensor& on, int64_t rows, int64_t heads, int64_t width, S* out, const Body& body) {
  if (rows * heads == 0) return;
  int group = 1;
  while (group < 32 && group < width) group *= 2;
  Stream current(on);
  heads_summed_kernel<T><<<blocks_for(rows * heads * group), kThreads, 0, current.stream>>>(rows, heads, width, group,
                                                                                            out, body);
  check_launch("gnnlab heads kernel");
}

}  // namespace gnnlab
