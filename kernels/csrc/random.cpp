// The keep-or-drop decisions of random.h by themselves, and dropout by them.
#include "random.h"

#include "op.h"

namespace gnnlab {

struct Decide {
  const int64_t* seed;
  double p;
  float* out;
  template <class Lane> HD void operator()(int64_t row, Lane lane) const {
    using V = typename Lane::V;
    lane.store(out + row * kGroup, select(Keep(*seed, p).lane(lane, row * kGroup), V(1), V(0)));
  }
};

// 1 where kept and 0 where dropped, for elements 0 … 128 groups - 1: [groups, 128].
Tensor keep(const Tensor& seed_, int64_t groups, double p) {
  const Tensor seed = dense(seed_);
  Tensor out = new_empty(seed, {groups, kGroup}, ScalarType::Float);
  for_rows<float>(seed, groups, kGroup, Decide{read<int64_t>(seed), p, write<float>(out)});
  return out;
}

// Elements scaled where they are kept, 0 where not; a row is a group of them, and that of row 0 begins with `first`.
template <class T> struct Thin {
  const T* x;
  const int64_t* seed;
  double p;
  T* out;
  int64_t first;
  template <class Lane> HD void operator()(int64_t row, Lane lane) const {
    const int64_t at = first + row * kGroup;
    const Keep keep(*seed, p);
    const auto scaled = lane.load(x + at) * static_cast<Acc<T>>(keep.scale());
    lane.store(out + at, select(keep.lane(lane, at), scaled, lane.fill(0)));
  }
};

// The elements of x in row-major order: scaled where kept, 0 where dropped.
Tensor dropout(const Tensor& x_, const Tensor& seed, double p) {
  const Tensor x = dense(x_);
  Tensor out = torch::stable::empty_like(x);
  by_float(x, "dropout", [&](auto t) {
    using T = typename decltype(t)::type;
    const int64_t groups = x.numel() / kGroup;
    Thin<T> body{read<T>(x), read<int64_t>(seed), p, write<T>(out), 0};
    for_rows<T>(x, groups, kGroup, body);
    body.first = groups * kGroup;
    for_rows<T>(x, 1, x.numel() - body.first, body);
  });
  return out;
}

}  // namespace gnnlab

GNNLAB_OP(keep, "(Tensor seed, int groups, float p) -> Tensor")
GNNLAB_OP(dropout, "(Tensor x, Tensor seed, float p) -> Tensor")
