// The keep-or-drop decisions of random.h by themselves.
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

}  // namespace gnnlab

GNNLAB_OP(keep, "(Tensor seed, int groups, float p) -> Tensor")
