// Row-parallel execution on the CPU. Every row is computed by one thread and in one order, so results do not
// depend on the number of threads.
#pragma once
#include <algorithm>
#include <vector>

#include <omp.h>

#include <torch/csrc/stable/ops.h>

#include "../vec.h"

namespace gnnlab {

// About the work, in elements touched, below which waking a second thread costs more than it saves.
constexpr int64_t kSerial = 1 << 15;

inline int threads_for(int64_t work) { return work < kSerial ? 1 : static_cast<int>(torch::stable::get_num_threads()); }

// One compiled copy of a body: inlined where one thread runs it and again where several do, the compiler may fuse
// multiplications and additions in one of the two and not in the other, and the last bit would depend on threads.
template <class Fn> __attribute__((noinline)) void run(const Fn& fn, int64_t first, int64_t last) { fn(first, last); }

// Below this work, and in how many parts for each thread above it: small arrays stay in the cache of the thread that has
// part k of every op; large ones outlast a thread that is held up.
constexpr int64_t kSettled = 1024 * kSerial;
inline int64_t parts_for(int64_t n, int64_t work, int threads) {
  return std::min<int64_t>(n, work > kSettled ? threads * 8 : threads);
}

// fn(part) for every part.
template <class Fn> void in_parts(int64_t parts, int threads, const Fn& fn) {
  if (parts <= threads) {
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int64_t part = 0; part < parts; ++part) fn(part);
  } else {
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int64_t part = 0; part < parts; ++part) fn(part);
  }
}

// fn(first, last) over [0, n), in parts of equal size.
template <class Fn> void parallel(int64_t n, int64_t work, const Fn& fn) {
  const int threads = threads_for(work);
  if (threads == 1 || n < 2) return run(fn, 0, n);
  const int64_t parts = parts_for(n, work, threads);
  in_parts(parts, threads, [&](int64_t part) { run(fn, n * part / parts, n * (part + 1) / parts); });
}

// The same for rows that own the ranges of `ptr` [n+1]: parts of equal rows + entries.
template <class I, class Fn> void parallel(const I* ptr, int64_t n, int64_t work, const Fn& fn) {
  const int threads = threads_for(work);
  if (threads == 1 || n < 2) return run(fn, 0, n);
  const int64_t parts = parts_for(n, work, threads), total = ptr[n] - ptr[0] + n;
  std::vector<int64_t> cut(parts + 1, n);
  cut[0] = 0;
  for (int64_t part = 1; part < parts; ++part) {
    int64_t low = cut[part - 1], high = n;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (ptr[middle] - ptr[0] + middle < total * part / parts) low = middle + 1;
      else high = middle;
    }
    cut[part] = low;
  }
  in_parts(parts, threads, [&](int64_t part) { run(fn, cut[part], cut[part + 1]); });
}

// body(row, lane) for the features of one row: four registers at a time, then one; the odd end once more with the
// features before it, where a whole register fits. A body may therefore write only what it computes from other arrays.
template <class T, class Body> HD void features(const Body& body, int64_t row, int64_t width) {
  int64_t at = 0;
  for (; at + Full<T, 4>::width <= width; at += Full<T, 4>::width) body(row, Full<T, 4>{at});
  for (; at + Full<T, 1>::width <= width; at += Full<T, 1>::width) body(row, Full<T, 1>{at});
  if (at == width) return;
  if (width >= Full<T, 1>::width) body(row, Full<T, 1>{width - Full<T, 1>::width});
  else body(row, Tail<T>{0, static_cast<int>(width)});
}

// body(row, lane) for every row of `rows` and every feature of `width`; row i does work in proportion to 1 + the
// length of ptr[i] … ptr[i+1].
template <class T, class I, class Body>
void for_rows(const Tensor&, const I* ptr, int64_t rows, int64_t entries, int64_t width, const Body& body) {
  parallel(ptr, rows, (rows + entries) * width, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) features<T>(body, row, width);
  });
}

// The same where every row does the same work.
template <class T, class Body> void for_rows(const Tensor&, int64_t rows, int64_t width, const Body& body) {
  parallel(rows, rows * width, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) features<T>(body, row, width);
  });
}

// out[row] = Σ over the features of body(row, lane), which must be 0 where all that it loads is 0.
template <class T, class Body>
void for_rows_summed(const Tensor&, int64_t rows, int64_t width, T* out, const Body& body) {
  parallel(rows, rows * width, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      Vec<Acc<T>, 1> sum(Acc<T>(0));
      int64_t at = 0;
      for (; at + Full<T, 1>::width <= width; at += Full<T, 1>::width) sum += body(row, Full<T, 1>{at});
      if (at < width) sum += body(row, Tail<T>{at, static_cast<int>(width - at)});
      out[row] = static_cast<T>(sum_lanes(sum));
    }
  });
}

}  // namespace gnnlab
