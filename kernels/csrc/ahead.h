// Neighbours' rows lie anywhere, but which ones come next is known: asking for them early hides the memory's latency.
#pragma once
#include "vec.h"

namespace gnnlab {

// A few edges after edge k of so many.
HD int64_t ahead(int64_t k, int64_t edges) { return k + 8 < edges ? k + 8 : edges - 1; }

// Asks for what `lane` is going to load of a row. A GPU hides latency by its many threads.
template <class Lane, class T> HD void prefetch(const T* row, const Lane& lane) {
  if constexpr (!std::is_same_v<Lane, One<T>>)
    for (size_t byte = 0; byte < sizeof(typename Lane::V) * sizeof(T) / sizeof(Acc<T>); byte += 64)
      __builtin_prefetch(reinterpret_cast<const char*>(row + lane.at) + byte);
}

}  // namespace gnnlab
