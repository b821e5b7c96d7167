// Dropout of consecutive numbers on the CPU, by the decisions of random.h.
#pragma once
#include "../op.h"
#include "../random.h"

namespace gnnlab {

struct Dropout {
  std::optional<Keep> keep;  // none: nothing is dropped

  Dropout(const std::optional<Tensor>& seed, double p) {
    if (seed.has_value() && p > 0) keep.emplace(*read<int64_t>(*seed), p);
  }

  // Values 0 … n-1 are elements first … first + n - 1.
  template <class T> void apply(T* values, uint64_t first, int64_t n) const {
    if (!keep) return;
    using A = Acc<T>;
    constexpr int lanes = RegOf<A>::lanes, run = 32 * kGroup;
    const Reg<A> scale = splat(static_cast<A>(keep->scale()));
    uint32_t bits[(run / kGroup + 1) * 4 + 1];
    for (int64_t begin = 0; begin < n; begin += run) {
      const int64_t count = std::min<int64_t>(run, n - begin), offset = (first + begin) % kGroup;
      keep->fill(first + begin, count, bits);
      for (int64_t i = 0; i < count; i += lanes) {
        Reg<A> v;
        const int64_t left = count - i;
        load_part<T>(v, values + begin + i, left);
        v = unpack<A, 1>(bits, offset + i).r[0] ? v * scale : Reg<A>{};
        store_part(values + begin + i, v, left);
      }
    }
  }
};

}  // namespace gnnlab
