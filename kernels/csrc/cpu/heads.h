// Rows of several heads side by side, on the CPU: the features h C … (h + 1) C of a row are head h's.
#pragma once
#include <vector>

#include "rows.h"

namespace gnnlab {

#ifdef __AVX512F__
HD Reg<float> permute(const Reg<float>& v, const Reg<int32_t>& from) {
  return (Reg<float>)_mm512_permutexvar_ps((__m512i)from, (__m512)v);
}
HD Reg<double> permute(const Reg<double>& v, const Reg<int64_t>& from) {
  return (Reg<double>)_mm512_permutexvar_pd((__m512i)from, (__m512d)v);
}
#else
template <class R, class N> HD R permute(const R& v, const N& from) {
  R out;
  for (size_t l = 0; l < sizeof from / sizeof from[0]; ++l) out[l] = v[from[l]];
  return out;
}
#endif

// A number for each head, of type T or Acc<T>, read as a number for each feature.
template <class T> struct PerHead {
  using A = Acc<T>;
  static constexpr int lanes = RegOf<A>::lanes;
  const IntOf<A>* head;  // of each feature
  int64_t heads;

  template <class S> HD Reg<A> load_register(const S* p, int64_t at) const {
    const int64_t first = head[at];
    if (head[at + lanes - 1] == first) return splat<A>(widen(p[first]));
    Reg<A> some;
    load_part<S>(some, p + first, static_cast<int>(std::min<int64_t>(lanes, heads - first)));
    Reg<IntOf<A>> from;
    std::memcpy(&from, head + at, sizeof from);
    return permute(some, from - static_cast<IntOf<A>>(first));
  }
  template <class S, int K> HD Vec<A, K> load(const S* p, const Full<T, K>& lane) const {
    Vec<A, K> v;
    for (int k = 0; k < K; ++k) v.r[k] = load_register(p, lane.at + k * lanes);
    return v;
  }
  template <class S> HD Vec<A, 1> load(const S* p, const Tail<T>& lane) const {
    Vec<A, 1> v;
    v.r[0] = load_register(p, lane.at);
    return v;
  }
};

// Holds what PerHead reads: the head of each feature, and of a register's worth of features after the last.
template <class T> struct HeadsOf {
  std::vector<IntOf<Acc<T>>> head;
  int64_t heads;
  HeadsOf(int64_t heads_, int64_t width) : heads(heads_) {
    head.reserve(heads * width + PerHead<T>::lanes);
    for (int64_t h = 0; h < heads; ++h) head.insert(head.end(), width, static_cast<IntOf<Acc<T>>>(h));
    head.insert(head.end(), PerHead<T>::lanes, static_cast<IntOf<Acc<T>>>(heads - 1));
  }
  PerHead<T> each() const { return {head.data(), heads}; }
};

// The sum of a register, by halves.
template <class A> HD A fold(const Reg<A>& v) {
  typedef A Half __attribute__((vector_size(kRegister / 2)));
  typedef A Quarter __attribute__((vector_size(kRegister / 4)));
  Half half[2];
  std::memcpy(half, &v, sizeof half);
  half[0] += half[1];
  Quarter quarter[2];
  std::memcpy(quarter, half, sizeof quarter);
  quarter[0] += quarter[1];
  if constexpr (sizeof(A) == 8) return quarter[0][0] + quarter[0][1];
  else return (quarter[0][0] + quarter[0][2]) + (quarter[0][1] + quarter[0][3]);
}

// out[row, h] = Σ over the features of head h of body(row, lane), which must be 0 where all that it loads is 0.
template <class T, class S, class Body>
void for_heads_summed(const Tensor&, int64_t rows, int64_t heads, int64_t width, S* out, const Body& body) {
  constexpr int lanes = RegOf<Acc<T>>::lanes;
  parallel(rows, rows * heads * width, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row)
      for (int64_t h = 0; h < heads; ++h) {
        Vec<Acc<T>, 1> sum(Acc<T>(0));
        int64_t at = h * width;
        const int64_t end = at + width;
        for (; at + lanes <= end; at += lanes) sum += body(row, Full<T, 1>{at});
        if (at < end) sum += body(row, Tail<T>{at, static_cast<int>(end - at)});
        out[row * heads + h] = static_cast<S>(fold<Acc<T>>(sum.r[0]));
      }
  });
}

}  // namespace gnnlab
