// Products of the thin matrices that graph networks have, by one thread: C[M,N] = A[M,K] B[K,N].
// B lies packed with rows of whole registers; a tile of C stays in registers while K runs.
#pragma once
#include <memory>
#include <vector>

#include "../op.h"

namespace gnnlab {

constexpr int kTileRows = 6, kTileRegisters = 4;  // 24 accumulators, 4 of B, and a broadcast: 29 of 32 registers

template <class A> constexpr int64_t whole_registers(int64_t n) {
  return (n + RegOf<A>::lanes - 1) / RegOf<A>::lanes * RegOf<A>::lanes;
}

// A tile of M rows and R registers; A's entry (m, k) lies at a[m * row + k * column].
template <class A, int M, int R>
HD void tile(const A* a, int64_t row, int64_t column, int64_t depth, const A* b, int64_t b_row, Reg<A> (&c)[M][R]) {
  for (int64_t k = 0; k < depth; ++k) {
    Reg<A> right[R];
    for (int r = 0; r < R; ++r) load_register(right[r], b + k * b_row + r * RegOf<A>::lanes);
    for (int m = 0; m < M; ++m) {
      const Reg<A> left = Reg<A>{} + a[m * row + k * column];
      for (int r = 0; r < R; ++r) c[m][r] += left * right[r];
    }
  }
}

// finish(m, n, register) for every register of A B, rows 0 … rows-1, columns 0 … columns-1 in whole registers.
template <class A, int M, int R, class Finish>
HD void tile_and_finish(const A* a, int64_t row, int64_t column, int64_t depth, const A* b, int64_t b_row, int64_t m0,
                        int64_t n0, const Finish& finish) {
  Reg<A> c[M][R] = {};
  tile<A, M, R>(a + m0 * row, row, column, depth, b + n0, b_row, c);
  for (int m = 0; m < M; ++m)
    for (int r = 0; r < R; ++r) finish(m0 + m, n0 + r * RegOf<A>::lanes, c[m][r]);
}

template <class A, int R, class Finish>
void columns_of_tiles(const A* a, int64_t row, int64_t column, int64_t rows, int64_t depth, const A* b, int64_t b_row,
                      int64_t n0, const Finish& finish) {
  int64_t m = 0;
  for (; m + kTileRows <= rows; m += kTileRows)
    tile_and_finish<A, kTileRows, R>(a, row, column, depth, b, b_row, m, n0, finish);
  switch (rows - m) {
    case 5: tile_and_finish<A, 5, R>(a, row, column, depth, b, b_row, m, n0, finish); break;
    case 4: tile_and_finish<A, 4, R>(a, row, column, depth, b, b_row, m, n0, finish); break;
    case 3: tile_and_finish<A, 3, R>(a, row, column, depth, b, b_row, m, n0, finish); break;
    case 2: tile_and_finish<A, 2, R>(a, row, column, depth, b, b_row, m, n0, finish); break;
    case 1: tile_and_finish<A, 1, R>(a, row, column, depth, b, b_row, m, n0, finish); break;
    default: break;
  }
}

template <class A, class Finish>
void gemm(const A* a, int64_t row, int64_t column, int64_t rows, int64_t depth, const A* b, int64_t b_row,
          int64_t columns, const Finish& finish) {
  constexpr int lanes = RegOf<A>::lanes;
  int64_t n = 0;
  for (; n + kTileRegisters * lanes <= columns; n += kTileRegisters * lanes)
    columns_of_tiles<A, kTileRegisters>(a, row, column, rows, depth, b, b_row, n, finish);
  if (n + 2 * lanes <= columns) {
    columns_of_tiles<A, 2>(a, row, column, rows, depth, b, b_row, n, finish);
    n += 2 * lanes;
  }
  if (n < columns) columns_of_tiles<A, 1>(a, row, column, rows, depth, b, b_row, n, finish);
  if (n + lanes < columns) columns_of_tiles<A, 1>(a, row, column, rows, depth, b, b_row, n + lanes, finish);
}

// The matrix [rows, columns] as numbers of Acc<T>, its rows filled up with zeros to whole registers.
template <class T> std::vector<Acc<T>> packed(const T* from, int64_t rows, int64_t columns) {
  const int64_t wide = whole_registers<Acc<T>>(columns);
  std::vector<Acc<T>> to(rows * wide);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) to[i * wide + j] = widen(from[i * columns + j]);
  return to;
}

// Its transpose [columns, rows], packed alike.
template <class T> std::vector<Acc<T>> packed_transpose(const T* from, int64_t rows, int64_t columns) {
  const int64_t wide = whole_registers<Acc<T>>(rows);
  std::vector<Acc<T>> to(columns * wide);
  for (int64_t i0 = 0; i0 < rows; i0 += 16)
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t i = i0; i < std::min(i0 + 16, rows); ++i) to[j * wide + i] = widen(from[i * columns + j]);
  return to;
}

}  // namespace gnnlab
