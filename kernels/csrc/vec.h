// A few features of one row at a time. A kernel body is written once over a lane:
// on the CPU a lane is a handful of SIMD registers, on a GPU it is one number of one thread.
// Arithmetic is done in Acc<T>: float for float and bfloat16, double for double.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <torch/headeronly/util/BFloat16.h>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#ifdef __CUDACC__
#define HD __host__ __device__ __forceinline__
#else
#define HD inline __attribute__((always_inline))
#endif

namespace gnnlab {

using bfloat16 = c10::BFloat16;

template <class T> struct AccOf { using type = T; };
template <> struct AccOf<bfloat16> { using type = float; };
template <class T> using Acc = typename AccOf<T>::type;
template <class A> using IntOf = std::conditional_t<sizeof(A) == 4, int32_t, int64_t>;  // what is kept beside an A

// The edge, of `count`, whose row to prefetch while reading that of edge p: random rows are far away.
HD int64_t soon(int64_t p, int64_t count) { return p + 16 < count ? p + 16 : p; }

// ---- one number -------------------------------------------------------------------------------

HD float widen(float v) { return v; }
HD double widen(double v) { return v; }
HD float widen(bfloat16 v) { return static_cast<float>(v); }

HD float sqrt_(float a) { return ::sqrtf(a); }
HD double sqrt_(double a) { return ::sqrt(a); }
HD float exp_(float a) { return ::expf(a); }
HD double exp_(double a) { return ::exp(a); }
HD float log1p_(float a) { return ::log1pf(a); }
HD double log1p_(double a) { return ::log1p(a); }
template <class A> HD std::enable_if_t<std::is_floating_point_v<A>, A> max_(A a, A b) { return a > b ? a : b; }
template <class A> HD std::enable_if_t<std::is_floating_point_v<A>, A> min_(A a, A b) { return a < b ? a : b; }
template <class A> HD std::enable_if_t<std::is_floating_point_v<A>, A> select(bool m, A a, A b) { return m ? a : b; }
template <class A> HD std::enable_if_t<std::is_integral_v<A>, A> select(bool m, A a, A b) { return m ? a : b; }

// One feature of a row, for one thread of a GPU (and for the odd end of a row in double-checks).
template <class T> struct One {
  using A = Acc<T>;
  using V = A;           // a number
  using Index = int64_t; // an edge number kept beside it
  int64_t at;
  HD V load(const T* p) const { return widen(p[at]); }
  template <class U> HD void prefetch(const U*) const {}
  HD void store(T* p, V v) const { p[at] = static_cast<T>(v); }
  template <class I> HD Index load_index(const I* p) const { return p[at]; }
  template <class I> HD void store_index(I* p, Index v) const { p[at] = static_cast<I>(v); }
  HD static V fill(A a) { return a; }
  HD static Index fill_index(int64_t i) { return i; }
};

#ifndef __CUDACC__
// ---- K registers of 64 bytes ------------------------------------------------------------------
// Plain vector extensions of GCC and Clang: they compile to what the machine has.

constexpr int kRegister = 64;

template <class A> struct RegOf {
  typedef A type __attribute__((vector_size(kRegister), aligned(kRegister)));
  static constexpr int lanes = kRegister / sizeof(A);
};
template <class A> using Reg = typename RegOf<A>::type;

// `a` in all lanes. 0 + a would be computed, lest -0 become 0; a - 0 is a, and the load itself fills the lanes.
template <class A> HD Reg<A> splat(A a) { return a - Reg<A>{}; }

template <class A, int K> struct Vec {
  static constexpr int lanes = RegOf<A>::lanes;
  Reg<A> r[K];
  Vec() = default;
  HD Vec(A a) {
    for (int k = 0; k < K; ++k) r[k] = splat(a);
  }
};

#define GNNLAB_ARITHMETIC(op)                                                              \
  template <class A, int K> HD Vec<A, K> operator op(const Vec<A, K>& a, const Vec<A, K>& b) { \
    Vec<A, K> o;                                                                           \
    for (int k = 0; k < K; ++k) o.r[k] = a.r[k] op b.r[k];                                 \
    return o;                                                                              \
  }                                                                                        \
  template <class A, int K> HD Vec<A, K> operator op(const Vec<A, K>& a, std::type_identity_t<A> b) { \
    return a op Vec<A, K>(b);                                                              \
  }                                                                                        \
  template <class A, int K> HD Vec<A, K> operator op(std::type_identity_t<A> a, const Vec<A, K>& b) { \
    return Vec<A, K>(a) op b;                                                              \
  }
GNNLAB_ARITHMETIC(+)
GNNLAB_ARITHMETIC(-)
GNNLAB_ARITHMETIC(*)
GNNLAB_ARITHMETIC(/)
GNNLAB_ARITHMETIC(&)
GNNLAB_ARITHMETIC(|)
#undef GNNLAB_ARITHMETIC

template <class A, int K> HD Vec<A, K> operator-(const Vec<A, K>& a) { return Vec<A, K>(A(0)) - a; }
template <class A, int K> HD Vec<A, K>& operator+=(Vec<A, K>& a, const Vec<A, K>& b) { return a = a + b; }

// Comparisons give a Vec of integers, all ones where true; `select` takes such a mask.
#define GNNLAB_COMPARISON(op)                                                                     \
  template <class A, int K> HD Vec<IntOf<A>, K> operator op(const Vec<A, K>& a, const Vec<A, K>& b) { \
    Vec<IntOf<A>, K> o;                                                                           \
    for (int k = 0; k < K; ++k) o.r[k] = a.r[k] op b.r[k];                                        \
    return o;                                                                                     \
  }                                                                                               \
  template <class A, int K> HD Vec<IntOf<A>, K> operator op(const Vec<A, K>& a, std::type_identity_t<A> b) { \
    return a op Vec<A, K>(b);                                                                     \
  }
GNNLAB_COMPARISON(>)
GNNLAB_COMPARISON(<)
GNNLAB_COMPARISON(==)
GNNLAB_COMPARISON(!=)
#undef GNNLAB_COMPARISON

template <class A, int K> HD Vec<A, K> select(const Vec<IntOf<A>, K>& m, const Vec<A, K>& a, const Vec<A, K>& b) {
  Vec<A, K> o;
  for (int k = 0; k < K; ++k) o.r[k] = m.r[k] ? a.r[k] : b.r[k];
  return o;
}
template <class A, int K> HD Vec<A, K> max_(const Vec<A, K>& a, const Vec<A, K>& b) { return select(a > b, a, b); }
template <class A, int K> HD Vec<A, K> min_(const Vec<A, K>& a, const Vec<A, K>& b) { return select(a < b, a, b); }

template <class A, int K> HD Vec<A, K> sqrt_(const Vec<A, K>& a) {
  Vec<A, K> o;
  for (int k = 0; k < K; ++k)
    for (int l = 0; l < Vec<A, K>::lanes; ++l) o.r[k][l] = std::sqrt(a.r[k][l]);
  return o;
}

// exp to about one unit in the last place: x = n ln 2 + r, a polynomial in r, n added to the exponent.
// Overflows to inf, underflows to 0 below the smallest normal number; NaN stays NaN.
HD Reg<float> exp_register(Reg<float> x) {
  using R = Reg<float>;
  typedef int32_t N __attribute__((vector_size(kRegister)));
  const R big = splat(88.72283935546875f), small = splat(-87.3365478515625f);
  R c = x > big ? big : x;
  c = c < small ? small : c;
  R shifted = c * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: rounds to an integer
  N n = (N)shifted - 0x4B400000;
  R whole = shifted - 12582912.0f;
  R r = c - whole * 0.693359375f + whole * 2.12194440e-4f;
  R p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  N half = n >> 1;  // in two steps, so that 2^128 is not needed where the result is finite
  R y = p * (R)((half + 127) << 23) * (R)((n - half + 127) << 23);
  y = x > big ? splat(INFINITY) : y;
  y = x < small ? R{} : y;
  return x != x ? x : y;
}
HD Reg<double> exp_register(Reg<double> x) {
  for (int l = 0; l < RegOf<double>::lanes; ++l) x[l] = std::exp(x[l]);
  return x;
}
template <class A, int K> HD Vec<A, K> exp_(const Vec<A, K>& a) {
  Vec<A, K> o;
  for (int k = 0; k < K; ++k) o.r[k] = exp_register(a.r[k]);
  return o;
}

template <class A, int K> HD A sum_lanes(const Vec<A, K>& a) {
  Reg<A> total = a.r[0];
  for (int k = 1; k < K; ++k) total += a.r[k];
  A s = 0;
  for (int l = 0; l < Vec<A, K>::lanes; ++l) s += total[l];
  return s;
}

// ---- loads and stores of numbers of type T as registers of Acc<T> ---------------------------

HD void load_register(Reg<float>& v, const float* p) { std::memcpy(&v, p, sizeof v); }
HD void load_register(Reg<double>& v, const double* p) { std::memcpy(&v, p, sizeof v); }
HD void load_register(Reg<float>& v, const bfloat16* p) {
  typedef uint16_t H __attribute__((vector_size(kRegister / 2)));
  typedef uint32_t W __attribute__((vector_size(kRegister)));
  H h;
  std::memcpy(&h, p, sizeof h);
  v = (Reg<float>)(__builtin_convertvector(h, W) << 16);
}
HD void store_register(float* p, const Reg<float>& v) { std::memcpy(p, &v, sizeof v); }
HD void store_register(double* p, const Reg<double>& v) { std::memcpy(p, &v, sizeof v); }
HD void store_register(bfloat16* p, const Reg<float>& v) {  // to the nearest, ties to even; NaN stays NaN
  typedef uint16_t H __attribute__((vector_size(kRegister / 2)));
  typedef uint32_t W __attribute__((vector_size(kRegister)));
  W bits = (W)v;
  W rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  W kept = (v == v) ? rounded : (W{} + 0x7FC0);
  H h = __builtin_convertvector(kept, H);
  std::memcpy(p, &h, sizeof h);
}

// The first `count` numbers at p, and zeros.
template <class T> HD void load_part(Reg<Acc<T>>& v, const T* p, int64_t count) {
  if (count >= RegOf<Acc<T>>::lanes) return load_register(v, p);
#ifdef __AVX512F__
  if constexpr (std::is_same_v<T, float>) {
    v = (Reg<float>)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p);
    return;
  }
#endif
  alignas(kRegister) T buffer[RegOf<Acc<T>>::lanes] = {};
  std::memcpy(buffer, p, count * sizeof(T));
  load_register(v, buffer);
}

// The first `count` numbers of v, or all of them where a register holds fewer.
template <class T> HD void store_part(T* p, const Reg<Acc<T>>& v, int64_t count) {
  constexpr int lanes = RegOf<Acc<T>>::lanes;
  if (count >= lanes) return store_register(p, v);
#ifdef __AVX512F__
  if constexpr (std::is_same_v<T, float>) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), (__m512)v);
    return;
  }
#endif
  alignas(kRegister) T buffer[lanes];
  store_register(buffer, v);
  std::memcpy(p, buffer, count * sizeof(T));
}

// K full registers of a row, from feature `at` on.
template <class T, int K> struct Full {
  using A = Acc<T>;
  using V = Vec<A, K>;
  using Index = Vec<IntOf<A>, K>;
  static constexpr int lanes = RegOf<A>::lanes;
  static constexpr int width = K * lanes;
  int64_t at;
  HD V load(const T* p) const {
    V v;
    for (int k = 0; k < K; ++k) load_register(v.r[k], p + at + k * lanes);
    return v;
  }
  template <class U> HD void prefetch(const U* p) const {
    for (int byte = 0; byte < width * static_cast<int>(sizeof(U)); byte += 64)
      __builtin_prefetch(reinterpret_cast<const char*>(p + at) + byte);
  }
  HD void store(T* p, const V& v) const {
    for (int k = 0; k < K; ++k) store_register(p + at + k * lanes, v.r[k]);
  }
  HD Index load_index(const IntOf<A>* p) const {
    Index v;
    std::memcpy(&v, p + at, sizeof v);
    return v;
  }
  HD void store_index(IntOf<A>* p, const Index& v) const { std::memcpy(p + at, &v, sizeof v); }
  HD static V fill(A a) { return V(a); }
  HD static Index fill_index(int64_t i) { return Index(static_cast<IntOf<A>>(i)); }
};

// The last `count` features of a row, fewer than a register holds.
template <class T> struct Tail {
  using A = Acc<T>;
  using V = Vec<A, 1>;
  using Index = Vec<IntOf<A>, 1>;
  static constexpr int lanes = RegOf<A>::lanes;
  int64_t at;
  int count;
  HD V load(const T* p) const {
    V v;
    load_part<T>(v.r[0], p + at, count);
    return v;
  }
  template <class U> HD void prefetch(const U* p) const { __builtin_prefetch(p + at); }
  HD void store(T* p, const V& v) const {
    store_part(p + at, v.r[0], count);
  }
  HD Index load_index(const IntOf<A>* p) const {
    Index v(0);
    std::memcpy(&v, p + at, count * sizeof(IntOf<A>));
    return v;
  }
  HD void store_index(IntOf<A>* p, const Index& v) const { std::memcpy(p + at, &v, count * sizeof(IntOf<A>)); }
  HD static V fill(A a) { return V(a); }
  HD static Index fill_index(int64_t i) { return Index(static_cast<IntOf<A>>(i)); }
};

// The same features of an array of Acc<T>.
template <class T, int K> HD Full<Acc<T>, K> exact(Full<T, K> lane) { return {lane.at}; }
template <class T> HD Tail<Acc<T>> exact(Tail<T> lane) { return {lane.at, lane.count}; }
#endif

// ---- functions of numbers and of registers alike ----------------------------------------------

template <class V> HD V maximum_(const V& a, const V& b) { return select(a == a, max_(a, b), a); }  // NaN where either is
template <class V> HD V minimum_(const V& a, const V& b) { return select(a == a, min_(a, b), a); }
template <class V> HD auto exceeds_(const V& v, const V& best) { return (v > best) | ((v != v) & (best == best)); }
template <class V> HD V relu_(const V& v) { return select(v < V(0), V(0), v); }  // NaN stays NaN
template <class V> HD V sigmoid_(const V& v) { return V(1) / (V(1) + exp_(-v)); }

}  // namespace gnnlab
