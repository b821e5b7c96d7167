// Channel-parallel walks along sequences on the CPU: a lane holds a register of channels. Parts of consecutive
// sequences × groups of consecutive channels run in parallel; both depend on the shapes alone.
#pragma once
#include "rows.h"

#ifdef __AVX512F__
#define GNNLAB_UNROLL _Pragma("GCC unroll 16")
#else
#define GNNLAB_UNROLL
#endif

namespace gnnlab {

constexpr int64_t kTasks = 32;

template <class T> struct Split {
  int64_t sequences, width, blocks, parts, groups;
  Split(int64_t sequences, int64_t width) : sequences(sequences), width(width) {
    blocks = (width + lanes - 1) / lanes;
    parts = std::min(sequences, kTasks);
    groups = std::min(blocks, parts ? (kTasks + parts - 1) / parts : 1);
  }
  int64_t first(int64_t part) const { return sequences * part / parts; }
  static constexpr int lanes = Full<T, 1>::lanes;
};

// body(part, group, lane, add) for all channels; `add` where the lane is not the first of its group.
template <class T, class Body>
void for_channels(const Tensor&, const Split<T>& split, int64_t work, const Body& body) {
  parallel(split.parts * split.groups, work, [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      const int64_t part = task / split.groups, group = task % split.groups;
      const int64_t begin = split.blocks * group / split.groups, end = split.blocks * (group + 1) / split.groups;
      for (int64_t block = begin; block < end; ++block) {
        const int64_t at = block * split.lanes, rest = split.width - at;
        if (rest >= split.lanes) body(part, group, Full<T, 1>{at}, block > begin);
        else body(part, group, Tail<T>{at, static_cast<int>(rest)}, block > begin);
      }
    }
  });
}

#ifdef __AVX512F__
// Lane l of the result: the sum of lanes l and l ^ k, of b where l has bit k and else of a.
template <int k> HD Reg<float> add_pairs(Reg<float> a, Reg<float> b) {
  typedef int32_t N __attribute__((vector_size(kRegister)));
  const N lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const N of_b = (lane & k) != 0, partner = (lane ^ k) | (of_b & 16);
  return (of_b ? b : a) + (Reg<float>)_mm512_permutex2var_ps((__m512)a, (__m512i)partner, (__m512)b);
}
#endif

// out[s] = Σ over the channels of values[s], or that much more.
template <class A> HD void sum_channels(Vec<A, 1> (&values)[16], A* out, bool add) {
#ifdef __AVX512F__
  if constexpr (std::is_same_v<A, float>) {
    Reg<float> v[16], before{};
    GNNLAB_UNROLL
    for (int s = 0; s < 16; s += 2) v[s] = add_pairs<1>(values[s].r[0], values[s + 1].r[0]);
    GNNLAB_UNROLL
    for (int s = 0; s < 16; s += 4) v[s] = add_pairs<2>(v[s], v[s + 2]);
    GNNLAB_UNROLL
    for (int s = 0; s < 16; s += 8) v[s] = add_pairs<4>(v[s], v[s + 4]);
    if (add) load_register(before, out);
    store_register(out, before + add_pairs<8>(v[0], v[8]));
    return;
  }
#endif
  for (int s = 0; s < 16; ++s) out[s] = (add ? out[s] : A(0)) + sum_lanes(values[s]);
}

HD Reg<double> exp2_register(Reg<double> x) {
  for (int l = 0; l < RegOf<double>::lanes; ++l) x[l] = std::exp2(x[l]);
  return x;
}
// To three units in the last place: 2^n times a polynomial (minimax, relative) in what is left of x.
HD Reg<float> exp2_register(Reg<float> x) {
#ifdef __AVX512F__
  using R = Reg<float>;
  const __m512 n = _mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const R r = x - (R)n;
  R p = splat(1.3276472168e-3f);
  p = p * r + 9.6755413310e-3f;
  p = p * r + 5.5507132729e-2f;
  p = p * r + 2.4022119724e-1f;
  p = p * r + 6.9314696707e-1f;
  p = p * r + 1.0f;
  return (R)_mm512_scalef_ps((__m512)p, n);
#else
  return exp_register(x * 0.693147180559945309f);
#endif
}
template <class A, int K> HD Vec<A, K> exp2_(const Vec<A, K>& a) {
  Vec<A, K> o;
  for (int k = 0; k < K; ++k) o.r[k] = exp2_register(a.r[k]);
  return o;
}

}  // namespace gnnlab
