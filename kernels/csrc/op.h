// What every op's source includes: tensors of the stable ABI, checks, dispatch over types, and `GNNLAB_OP`.
// The same source is compiled by the C++ compiler for the CPU and by nvcc for CUDA.
#pragma once
#include <algorithm>
#include <optional>
#include <tuple>

#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#ifndef __CUDACC__
#include "cpu/pool.h"
#endif
#include "vec.h"

namespace gnnlab {

using Tensor = torch::stable::Tensor;
using ScalarType = torch::headeronly::ScalarType;
template <class T> struct Type { using type = T; };

// `fn(Type<T>{})` for the tensor's floating type.
template <class Fn> void by_float(const Tensor& x, const char* op, Fn&& fn) {
  switch (x.scalar_type()) {
    case ScalarType::Float: return fn(Type<float>{});
    case ScalarType::Double: return fn(Type<double>{});
    case ScalarType::BFloat16: return fn(Type<bfloat16>{});
    default: STD_TORCH_CHECK(false, op, ": expected float32, float64 or bfloat16 values");
  }
}

// `fn(Type<T>{}, Type<I>{})` for the floating type of x and the type of the indices.
template <class Fn> void by_types(const Tensor& x, const Tensor& index, const char* op, Fn&& fn) {
  by_float(x, op, [&](auto t) {
    switch (index.scalar_type()) {
      case ScalarType::Int: return fn(t, Type<int32_t>{});
      case ScalarType::Long: return fn(t, Type<int64_t>{});
      default: STD_TORCH_CHECK(false, op, ": expected int32 or int64 indices");
    }
  });
}

template <class T> const T* read(const Tensor& t) { return static_cast<const T*>(t.const_data_ptr()); }
template <class T> T* write(Tensor& t) { return static_cast<T*>(t.mutable_data_ptr()); }

inline Tensor dense(const Tensor& t) { return t.is_contiguous() ? t : torch::stable::contiguous(t); }
inline std::optional<Tensor> dense(const std::optional<Tensor>& t) {
  return t.has_value() ? std::optional<Tensor>(dense(*t)) : std::nullopt;
}
template <class T> const T* read(const std::optional<Tensor>& t) { return t.has_value() ? read<T>(*t) : nullptr; }

// A dense tensor of unwritten memory on the device of `like`. torch::stable::new_empty takes the dispatcher twice.
inline Tensor new_empty(const Tensor& like, const int64_t* sizes, int64_t dims, ScalarType type) {
#ifndef __CUDACC__
  if (Pool::current)
    if (auto found = Pool::current->take(sizes, dims, type)) return *std::move(found);
#endif
  int64_t strides[8], stride = 1;
  STD_TORCH_CHECK(dims <= 8, "new_empty: more than 8 dimensions");
  for (int64_t d = dims; d-- > 0; stride *= std::max<int64_t>(1, sizes[d])) strides[d] = stride;
  int32_t kind;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_device_type(like.get(), &kind));
  AtenTensorHandle made;
  TORCH_ERROR_CODE_CHECK(aoti_torch_empty_strided(dims, sizes, strides, static_cast<int32_t>(type), kind,
                                                  like.get_device_index(), &made));
  return Tensor(made);
}
inline Tensor new_empty(const Tensor& like, std::initializer_list<int64_t> sizes, ScalarType type) {
  return new_empty(like, sizes.begin(), static_cast<int64_t>(sizes.size()), type);
}
inline Tensor new_empty(const Tensor& like, std::initializer_list<int64_t> sizes) {
  return new_empty(like, sizes, like.scalar_type());
}
inline Tensor new_like(const Tensor& t) { return new_empty(t, t.sizes().data(), t.dim(), t.scalar_type()); }

// Whether t is of this type and these sizes, of which kAny is any; what is absent is.
constexpr int64_t kAny = -1;
inline bool fits(const Tensor& t, ScalarType type, std::initializer_list<int64_t> sizes) {
  if (t.scalar_type() != type || t.dim() != static_cast<int64_t>(sizes.size())) return false;
  int64_t d = 0;
  return std::all_of(sizes.begin(), sizes.end(), [&](int64_t size) { return t.size(d++) == size || size == kAny; });
}
inline bool fits(const std::optional<Tensor>& t, ScalarType type, std::initializer_list<int64_t> sizes) {
  return !t.has_value() || fits(*t, type, sizes);
}

// Whether the ranges of `ptr` end with the last of `rows`. A GPU is not asked: that would mean to wait for it.
inline bool ends_at(const Tensor& ptr, int64_t rows) {
#ifdef __CUDACC__
  return true;
#else
  const int64_t last = ptr.size(0) - 1;
  return (ptr.scalar_type() == ScalarType::Int ? read<int32_t>(ptr)[last] : read<int64_t>(ptr)[last]) == rows;
#endif
}

// The type in which numbers of x's are added up.
inline ScalarType accumulator(const Tensor& x) {
  return x.scalar_type() == ScalarType::BFloat16 ? ScalarType::Float : x.scalar_type();
}

// For the numbers of edges or rows kept beside `like`: see Lane::Index.
inline Tensor new_index(const Tensor& like, std::initializer_list<int64_t> sizes) {
  return new_empty(like, sizes, like.scalar_type() == ScalarType::Double ? ScalarType::Long : ScalarType::Int);
}

}  // namespace gnnlab

#ifdef __CUDACC__
#include "cuda/rows.cuh"
#else
#include "cpu/instructions.h"
#include "cpu/rows.h"
#endif

// The edges of a batch in a schema: gnnlab.batch.Edges.
#define GNNLAB_EDGES "Tensor rowptr, Tensor source, Tensor target, Tensor colptr, Tensor transpose, Tensor out_target"

// GNNLAB_OP(function, "(Tensor x) -> Tensor"): the op gnnlab::function, on the device this file is compiled for; on a CPU
// an instruction of programs too.
#ifdef __CUDACC__
#define GNNLAB_OP(function, signature) \
  STABLE_TORCH_LIBRARY_IMPL(gnnlab, CUDA, m) { m.impl(#function, TORCH_BOX(&gnnlab::function)); }
#else
#define GNNLAB_OP(function, signature)                                                           \
  STABLE_TORCH_LIBRARY_FRAGMENT(gnnlab, m) { m.def(#function signature); }                       \
  STABLE_TORCH_LIBRARY_IMPL(gnnlab, CPU, m) { m.impl(#function, TORCH_BOX(&gnnlab::function)); } \
  [[maybe_unused]] static const bool function##_is_instruction =                                 \
      gnnlab::enlist<&gnnlab::function>(#function, &gnnlab::function);
#endif
