// The small products that attention is made of, on panels of 32 queries: a panel [rows][32] holds a row's numbers for
// the 32 queries side by side, so that softmax over keys needs no sums within a register. R is the number of registers
// of a panel's row in use: all, or half of them where no more than 16 queries are left. Keys come in eights, the last
// filled up with zeros, and their features in whole registers. GCC keeps an array of registers out of memory only where
// it is told to unroll.
#pragma once
#include <algorithm>

#include "../vec.h"

namespace gnnlab {

constexpr int kQueries = 32, kKeys = 4, kEight = 8;

// Rows of numbers, `step` apart.
template <class A> struct Rows {
  A* at;
  int64_t step;
  HD A* operator[](int64_t i) const { return at + i * step; }
  HD Rows from(int64_t i) const { return {at + i * step, step}; }
};

template <class A, int R> HD Vec<A, R> load(const A* p) {
  Vec<A, R> v;
#pragma GCC unroll 4
  for (int k = 0; k < R; ++k) load_register(v.r[k], p + k * RegOf<A>::lanes);
  return v;
}
template <class A, int R> HD void store(A* p, const Vec<A, R>& v) {
#pragma GCC unroll 4
  for (int k = 0; k < R; ++k) store_register(p + k * RegOf<A>::lanes, v.r[k]);
}

// The first `count` numbers at p, or a register of them, and zeros.
template <class T> HD Reg<Acc<T>> load_some(const T* p, int64_t count) {
  Reg<Acc<T>> v;
  if (count >= RegOf<Acc<T>>::lanes) load_register(v, p);
  else load_part<T>(v, p, static_cast<int>(count));
  return v;
}

// ---- between rows and panels ------------------------------------------------------------------

template <class A> HD Reg<A> shuffle(const Reg<A>& a, const Reg<A>& b, const Reg<IntOf<A>>& from) {
#ifdef __clang__
  constexpr int lanes = RegOf<A>::lanes;
  Reg<A> o;
  for (int l = 0; l < lanes; ++l) o[l] = from[l] < lanes ? a[from[l]] : b[from[l] - lanes];
  return o;
#else
  return __builtin_shuffle(a, b, from);
#endif
}

// Exchanges the off-diagonal blocks of D x D numbers within blocks of 2D x 2D, for D = 1, 2, 4, …
template <class A, int D = 1> HD void transpose(Reg<A>* r) {
  constexpr int lanes = RegOf<A>::lanes;
  if constexpr (D < lanes) {
    Reg<IntOf<A>> low, high;
    for (int l = 0; l < lanes; ++l) {
      low[l] = l & D ? lanes + l - D : l;
      high[l] = l & D ? lanes + l : l + D;
    }
    for (int i = 0; i < lanes; ++i)
      if (!(i & D)) {
        const Reg<A> a = r[i], b = r[i + D];
        r[i] = shuffle<A>(a, b, low);
        r[i + D] = shuffle<A>(a, b, high);
      }
    transpose<A, 2 * D>(r);
  }
}

// panel[c][i] = factor rows[i][c] for i < count, and 0 beyond.
template <class T, class A> void pack(Rows<const T> rows, int count, int64_t width, A factor, A* panel) {
  constexpr int lanes = RegOf<A>::lanes;
  for (int i = 0; i < kQueries; i += lanes)
    for (int64_t c = 0; c < width; c += lanes) {
      Reg<A> block[lanes];
      for (int l = 0; l < lanes; ++l) block[l] = i + l < count ? load_some<T>(rows[i + l] + c, width - c) : Reg<A>{};
      transpose<A>(block);
      for (int l = 0; l < std::min<int64_t>(lanes, width - c); ++l)
        store_register(panel + (c + l) * kQueries + i, block[l] * factor);
    }
}

// rows[i][c] = panel[c][i] for i < count.
template <class T, class A> void unpack(const A* panel, int count, int64_t width, Rows<T> rows) {
  constexpr int lanes = RegOf<A>::lanes;
  for (int i = 0; i < count; i += lanes)
    for (int64_t c = 0; c < width; c += lanes) {
      Reg<A> block[lanes];
      for (int l = 0; l < lanes; ++l) load_register(block[l], panel + std::min(c + l, width - 1) * kQueries + i);
      transpose<A>(block);
      for (int l = 0; l < std::min(lanes, count - i); ++l) store_part(rows[i + l] + c, block[l], width - c);
    }
}

// ---- products ---------------------------------------------------------------------------------

// scores[j] = Σ_c rows[j][c] panel[c] for kKeys rows.
template <class A, int R> HD void dots(Rows<const A> rows, const A* panel, int64_t width, Vec<A, R> (&scores)[kKeys]) {
  Vec<A, R> sums[kKeys];
#pragma GCC unroll 4
  for (int j = 0; j < kKeys; ++j) sums[j] = Vec<A, R>(A(0));
  for (int64_t c = 0; c < width; ++c)
#pragma GCC unroll 4
    for (int k = 0; k < R; ++k) {
      Reg<A> x;
      load_register(x, panel + c * kQueries + k * RegOf<A>::lanes);
#ifdef __AVX512F__
      asm("" : "+v"(x));  // or GCC reads it again for each row
#endif
#pragma GCC unroll 4
      for (int j = 0; j < kKeys; ++j) sums[j].r[k] += x * rows[j][c];
    }
#pragma GCC unroll 4
  for (int j = 0; j < kKeys; ++j) scores[j] = sums[j];
}

// panel[c] += Σ_j rows[j][c] weights[j] for j < n, eight columns c at a time.
template <class A, int R> void mix(const A* weights, Rows<const A> rows, int64_t n, int64_t width, A* panel) {
  for (int64_t c = 0; c < width; c += kEight) {
    Vec<A, R> sums[kEight];
#pragma GCC unroll 8
    for (int b = 0; b < kEight; ++b) sums[b] = load<A, R>(panel + (c + b) * kQueries);
    for (int64_t j = 0; j < n; ++j) {
      const Vec<A, R> w = load<A, R>(weights + j * kQueries);
#pragma GCC unroll 8
      for (int b = 0; b < kEight; ++b)
#pragma GCC unroll 4
        for (int k = 0; k < R; ++k) sums[b].r[k] += w.r[k] * rows[j][c + b];
    }
#pragma GCC unroll 8
    for (int b = 0; b < kEight; ++b) store(panel + (c + b) * kQueries, sums[b]);
  }
}

// out[j] += Σ_i weights[j][i] rows[i] for i < count, eight rows j at a time.
template <class A>
void spread(const A* weights, Rows<const A> rows, int count, int64_t width, Rows<A> out, int64_t keys) {
  for (int64_t j = 0; j < keys; j += kEight, weights += kEight * kQueries)
    for (int64_t c = 0; c < width; c += RegOf<A>::lanes) {
      Reg<A> sums[kEight];
#pragma GCC unroll 8
      for (int k = 0; k < kEight; ++k) load_register(sums[k], out[j + k] + c);
      for (int i = 0; i < count; ++i) {
        Reg<A> x;
        load_register(x, rows[i] + c);
#pragma GCC unroll 8
        for (int k = 0; k < kEight; ++k) sums[k] += x * weights[k * kQueries + i];
      }
#pragma GCC unroll 8
      for (int k = 0; k < kEight; ++k) store_register(out[j + k] + c, sums[k]);
    }
}

}  // namespace gnnlab
