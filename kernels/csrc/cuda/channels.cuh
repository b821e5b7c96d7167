// Channel-parallel walks along sequences on a GPU: a thread for each channel of each part of the sequences. A warp
// holds the 32 channels of a group and walks in step, so that it can add up over them.
#pragma once
#include "rows.cuh"

#define GNNLAB_UNROLL _Pragma("unroll")

namespace gnnlab {

constexpr int64_t kParts = 1024;

// The threads past the last channel hold zeros.
template <class T> struct Channel : One<T> {
  bool live;
  HD Acc<T> load(const T* p) const { return live ? One<T>::load(p) : Acc<T>(0); }
  HD void store(T* p, Acc<T> v) const {
    if (live) One<T>::store(p, v);
  }
};

template <class T> struct Split {
  int64_t sequences, width, parts, groups;
  Split(int64_t sequences, int64_t width)
      : sequences(sequences), width(width), parts(sequences < kParts ? sequences : kParts), groups((width + 31) / 32) {}
  HD int64_t first(int64_t part) const { return sequences * part / parts; }
};

template <class T, class Body> __global__ void channels_kernel(Split<T> split, Body body) {
  const int64_t warp = (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  if (warp >= split.parts * split.groups) return;
  const int64_t group = warp % split.groups, at = group * 32 + threadIdx.x % 32;
  body(warp / split.groups, group, Channel<T>{{at}, at < split.width}, false);
}

// body(part, group, lane, false) for all channels.
template <class T, class Body>
void for_channels(const Tensor& on, const Split<T>& split, int64_t, const Body& body) {
  const int64_t warps = split.parts * split.groups;
  if (warps == 0) return;
  Stream current(on);
  channels_kernel<T><<<static_cast<unsigned int>((warps + 3) / 4), 128, 0, current.stream>>>(split, body);
  check_launch("gnnlab channels kernel");
}

// The same channel of an array of Acc<T>.
template <class T> HD Channel<Acc<T>> exact(Channel<T> lane) { return {{lane.at}, lane.live}; }

// out[s] = Σ over the channels of values[s]; all threads of the warp call it together.
template <class A> HD void sum_channels(A (&values)[16], A* out, bool) {
#ifdef __CUDA_ARCH__
  GNNLAB_UNROLL
  for (int s = 0; s < 16; ++s) {
    A sum = values[s];
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_down_sync(0xffffffffu, sum, offset);
    if (threadIdx.x % 32 == 0) out[s] = sum;
  }
#endif
}

HD float exp2_(float a) { return ::exp2f(a); }
HD double exp2_(double a) { return ::exp2(a); }

}  // namespace gnnlab
