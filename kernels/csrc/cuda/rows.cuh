// Row-parallel execution on a GPU: a thread for each feature of each row. Threads of a warp read neighbouring
// features, and each row is summed by one thread in one order: no atomics, the same bits every time.
#pragma once
#include <cuda_runtime.h>

#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/accelerator.h>

#include "../vec.h"

namespace gnnlab {

// The current stream of the device that holds `t`, made current for as long as this lives.
struct Stream {
  torch::stable::accelerator::DeviceGuard guard;
  cudaStream_t stream;
  explicit Stream(const Tensor& t) : guard(t.get_device_index()) {
    void* current = nullptr;
    TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(t.get_device_index(), &current));
    stream = static_cast<cudaStream_t>(current);
  }
};

inline void check_launch(const char* what) {
  const cudaError_t error = cudaGetLastError();
  STD_TORCH_CHECK(error == cudaSuccess, what, ": ", cudaGetErrorString(error));
}

constexpr int kThreads = 256;
inline unsigned int blocks_for(int64_t n) {
  const int64_t blocks = (n + kThreads - 1) / kThreads;
  return static_cast<unsigned int>(blocks < 1 ? 1 : blocks > (1 << 20) ? (1 << 20) : blocks);
}

template <class T, class Body> __global__ void rows_kernel(int64_t rows, int64_t width, Body body) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < rows * width; i += step)
    body(i / width, One<T>{i % width});
}

// body(row, lane) for every row of `rows` and every feature of `width`, on the device of `on`.
template <class T, class Body> void for_rows(const Tensor& on, int64_t rows, int64_t width, const Body& body) {
  if (rows * width == 0) return;
  Stream current(on);
  rows_kernel<T><<<blocks_for(rows * width), kThreads, 0, current.stream>>>(rows, width, body);
  check_launch("gnnlab rows kernel");
}

template <class T, class I, class Body>
void for_rows(const Tensor& on, const I*, int64_t rows, int64_t, int64_t width, const Body& body) {
  for_rows<T>(on, rows, width, body);
}

// A warp for each row: lanes take every 32nd feature and add up in a fixed order.
template <class T, class Body> __global__ void rows_summed_kernel(int64_t rows, int64_t width, T* out, Body body) {
  const int64_t warps = static_cast<int64_t>(gridDim.x) * (blockDim.x / 32);
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32; row < rows; row += warps) {
    Acc<T> sum = 0;
    for (int64_t f = threadIdx.x % 32; f < width; f += 32) sum += body(row, One<T>{f});
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_down_sync(0xffffffffu, sum, offset);
    if (threadIdx.x % 32 == 0) out[row] = static_cast<T>(sum);
  }
}

// out[row] = Σ over the features of body(row, lane).
template <class T, class Body>
void for_rows_summed(const Tensor& on, int64_t rows, int64_t width, T* out, const Body& body) {
  if (rows == 0) return;
  Stream current(on);
  rows_summed_kernel<T><<<blocks_for(rows * 32), kThreads, 0, current.stream>>>(rows, width, out, body);
  check_launch("gnnlab summed rows kernel");
}

}  // namespace gnnlab
