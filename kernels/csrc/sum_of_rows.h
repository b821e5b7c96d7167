// The sum of all rows by a tree of fixed shape: the same bits for any number of threads.
#pragma once
#include "op.h"

namespace gnnlab {

constexpr int64_t kFold = 16;  // rows

// out[i] = Σ row(r, lane) over rows i kFold … (i + 1) kFold − 1.
template <class T, class Row> struct Fold {
  Row row;
  T* to;
  int64_t rows, width;
  template <class Lane> HD void operator()(int64_t i, Lane lane) const {
    typename Lane::V sum(0);
    for (int64_t r = i * kFold; r < rows && r < (i + 1) * kFold; ++r) sum += row(r, lane);
    lane.store(to + i * width, sum);
  }
};

template <class T> struct Stored {
  const T* from;
  int64_t width;
  template <class Lane> HD typename Lane::V operator()(int64_t r, Lane lane) const { return lane.load(from + r * width); }
};

// [1, width] on the device of `like`, of `rows` rows that `row(r, lane)` gives.
template <class T, class Row> Tensor sum_of_rows(const Tensor& like, int64_t rows, int64_t width, const Row& row) {
  const int64_t folded = std::max<int64_t>(1, (rows + kFold - 1) / kFold);
  Tensor to = new_empty(like, {folded, width});
  for_rows<T>(like, folded, width, Fold<T, Row>{row, write<T>(to), rows, width});
  return folded == 1 ? to : sum_of_rows<T>(to, folded, width, Stored<T>{read<T>(to), width});
}

}  // namespace gnnlab
