// Tensors that kernels of a program have made and no later one reads, for the later ones to write into: to make one takes
// longer than to look for one, and its memory is still in the caches.
#pragma once
#include <algorithm>
#include <optional>
#include <vector>

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

namespace gnnlab {

class Pool {
  using Tensor = torch::stable::Tensor;
  static constexpr size_t kMost = 16;
  std::vector<Tensor> left;
  Pool* before;

 public:
  static inline thread_local Pool* current = nullptr;  // that of the program which runs in this thread

  Pool() : before(current) {
    left.reserve(kMost);
    current = this;
  }
  Pool(const Pool&) = delete;
  ~Pool() { current = before; }

  void give(Tensor&& tensor) {
    if (left.size() == kMost) left.erase(left.begin());
    left.push_back(std::move(tensor));
  }

  // The last one given of these sizes and this type.
  std::optional<Tensor> take(const int64_t* sizes, int64_t dims, torch::headeronly::ScalarType type) {
    for (size_t i = left.size(); i-- > 0;) {
      const auto has = left[i].sizes();
      if (static_cast<int64_t>(has.size()) != dims || !std::equal(has.begin(), has.end(), sizes) ||
          left[i].scalar_type() != type)
        continue;
      Tensor found = std::move(left[i]);
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(i));
      return found;
    }
    return std::nullopt;
  }
};

}  // namespace gnnlab
