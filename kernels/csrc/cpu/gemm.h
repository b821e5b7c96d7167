// Products of the thin matrices that graph networks have, by one thread: C[M,N] = A[M,K] B[K,N].
// B lies packed with rows of whole registers; a tile of C stays in registers while K runs.
#pragma once
#include <cstdlib>
#include <memory>
#include <vector>

#include "../op.h"

namespace gnnlab {

// Rows of a tile that is so many registers wide: they, a row of B and a broadcast fill the 32 registers there are.
constexpr int tile_rows(int registers) { return registers == 4 ? 6 : 8; }

template <class A> constexpr int64_t whole_registers(int64_t n) {
  return (n + RegOf<A>::lanes - 1) / RegOf<A>::lanes * RegOf<A>::lanes;
}

// A tile of M rows and R registers; A's entry (m, k) lies at a[m * row + k * column].
template <class A, int M, int R>
HD void tile(const A* a, int64_t row, int64_t column, int64_t depth, const A* b, int64_t b_row, Reg<A> (&c)[M][R]) {
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) c[m][r] = Reg<A>{};
  for (int64_t k = 0; k < depth; ++k) {
    Reg<A> right[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) load_register(right[r], b + k * b_row + r * RegOf<A>::lanes);
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const Reg<A> left = splat(a[m * row + k * column]);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) c[m][r] += left * right[r];
    }
  }
}

// finish(m, n, register) for every register of A B, rows 0 … rows-1, columns 0 … columns-1 in whole registers.
template <class A, int M, int R, class Finish>
HD void tile_and_finish(const A* a, int64_t row, int64_t column, int64_t depth, const A* b, int64_t b_row, int64_t m0,
                        int64_t n0, const Finish& finish) {
  Reg<A> c[M][R];
  tile<A, M, R>(a + m0 * row, row, column, depth, b + n0, b_row, c);
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) finish(m0 + m, n0 + r * RegOf<A>::lanes, c[m][r]);
}

template <class A, int R, class Finish>
void columns_of_tiles(const A* a, int64_t row, int64_t column, int64_t rows, int64_t depth, const A* b, int64_t b_row,
                      int64_t n0, const Finish& finish) {
  constexpr int M = tile_rows(R);
  int64_t m = 0;
  for (; m + M <= rows; m += M) tile_and_finish<A, M, R>(a, row, column, depth, b, b_row, m, n0, finish);
  if (M > 4 && m + 4 <= rows) {
    tile_and_finish<A, 4, R>(a, row, column, depth, b, b_row, m, n0, finish);
    m += 4;
  }
  if (m + 2 <= rows) {
    tile_and_finish<A, 2, R>(a, row, column, depth, b, b_row, m, n0, finish);
    m += 2;
  }
  if (m < rows) tile_and_finish<A, 1, R>(a, row, column, depth, b, b_row, m, n0, finish);
}

// How many registers to take at a time where so many are left: 4, unless that leaves a narrow rest. A tile of 5 has too
// few rows for what it reads.
constexpr int64_t next_width(int64_t registers) { return registers <= 4 ? registers : registers <= 6 ? 3 : 4; }

template <class A, class Finish>
void gemm(const A* a, int64_t row, int64_t column, int64_t rows, int64_t depth, const A* b, int64_t b_row,
          int64_t columns, const Finish& finish) {
  constexpr int lanes = RegOf<A>::lanes;
  int64_t registers = (columns + lanes - 1) / lanes, n = 0;
  while (registers > 0) {
    const int64_t width = next_width(registers);
    switch (width) {
      case 4: columns_of_tiles<A, 4>(a, row, column, rows, depth, b, b_row, n, finish); break;
      case 3: columns_of_tiles<A, 3>(a, row, column, rows, depth, b, b_row, n, finish); break;
      case 2: columns_of_tiles<A, 2>(a, row, column, rows, depth, b, b_row, n, finish); break;
      default: columns_of_tiles<A, 1>(a, row, column, rows, depth, b, b_row, n, finish);
    }
    registers -= width;
    n += width * lanes;
  }
}

// Memory that begins where a cache line does: of a register elsewhere, every load takes two.
struct Free { void operator()(void* p) const { std::free(p); } };
template <class A> using Packed = std::unique_ptr<A[], Free>;
template <class A> Packed<A> unwritten(int64_t n) {
  return Packed<A>(static_cast<A*>(std::aligned_alloc(kRegister, (n * sizeof(A) / kRegister + 1) * kRegister)));
}

// The matrix [rows, columns] as numbers of Acc<T>, its rows filled up with zeros to whole registers.
template <class T> Packed<Acc<T>> packed(const T* from, int64_t rows, int64_t columns) {
  const int64_t wide = whole_registers<Acc<T>>(columns);
  auto to = unwritten<Acc<T>>(rows * wide);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) to[i * wide + j] = widen(from[i * columns + j]);
    for (int64_t j = columns; j < wide; ++j) to[i * wide + j] = 0;
  }
  return to;
}

// Its transpose [columns, rows], packed alike.
template <class T> Packed<Acc<T>> packed_transpose(const T* from, int64_t rows, int64_t columns) {
  const int64_t wide = whole_registers<Acc<T>>(rows);
  auto to = unwritten<Acc<T>>(columns * wide);
  // It is read in columns, and the optimizer has just written it: ask for all of it, up to what the first cache holds.
  for (int64_t at = 0; at < std::min<int64_t>(rows * columns, 8192); at += kRegister / sizeof(T)) __builtin_prefetch(from + at);
  for (int64_t i0 = 0; i0 < wide; i0 += 16)
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t i = i0; i < std::min(i0 + 16, wide); ++i)
        to[j * wide + i] = i < rows ? widen(from[i * columns + j]) : Acc<T>(0);
  return to;
}

}  // namespace gnnlab
