// Kernels by number, so that a program (program.cpp) calls them with neither Python nor the dispatcher in between.
#pragma once
#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/Exception.h>

namespace gnnlab {

using Slots = std::vector<std::optional<torch::stable::Tensor>>;

// A kernel whose arguments and results are words: the slot of a tensor, a whole number, or the bits of a double.
struct Instruction {
  std::string_view name;
  int64_t words;
  void (*run)(const int64_t* words, Slots& slots);
};

inline std::vector<Instruction>& instructions() {
  static std::vector<Instruction> all;
  return all;
}

template <class A> decltype(auto) argument(int64_t word, Slots& slots) {
  if constexpr (std::is_same_v<A, std::optional<torch::stable::Tensor>>) {
    return (slots[word]);
  } else if constexpr (std::is_same_v<A, torch::stable::Tensor>) {
    STD_TORCH_CHECK(slots[word].has_value(), "a program asks for a tensor that is not there");
    return (*slots[word]);
  } else if constexpr (std::is_same_v<A, double>) {
    return std::bit_cast<double>(word);
  } else {
    return static_cast<A>(word);
  }
}

template <class A> constexpr bool kIsWord =
    std::is_same_v<A, std::optional<torch::stable::Tensor>> || std::is_same_v<A, torch::stable::Tensor> ||
    std::is_same_v<A, double> || std::is_same_v<A, int64_t> || std::is_same_v<A, bool>;

template <class R> struct Results {  // one tensor
  static constexpr int64_t count = 1;
  static void keep(R&& result, const int64_t* words, Slots& slots) { slots[words[0]] = std::move(result); }
};
template <> struct Results<void> {
  static constexpr int64_t count = 0;
};
template <class... R> struct Results<std::tuple<R...>> {
  static constexpr int64_t count = sizeof...(R);
  static void keep(std::tuple<R...>&& results, const int64_t* words, Slots& slots) {
    std::apply([&](R&... result) { ((slots[*words++] = std::move(result)), ...); }, results);
  }
};

template <auto kernel, class R, class... A, size_t... i>
void run_instruction(R (*)(A...), std::index_sequence<i...>, const int64_t* words, Slots& slots) {
  if constexpr (std::is_void_v<R>) kernel(argument<std::decay_t<A>>(words[i], slots)...);
  else Results<R>::keep(kernel(argument<std::decay_t<A>>(words[i], slots)...), words + sizeof...(A), slots);
}

// Whether the kernel is an instruction: those that take lists of tensors are none.
template <auto kernel, class R, class... A> bool enlist(const char* name, R (*)(A...)) {
  if constexpr ((kIsWord<std::decay_t<A>> && ...)) {
    instructions().push_back({name, static_cast<int64_t>(sizeof...(A)) + Results<R>::count, [](const int64_t* words, Slots& slots) {
                                run_instruction<kernel>(kernel, std::index_sequence_for<A...>{}, words, slots);
                              }});
    return true;
  }
  return false;
}

}  // namespace gnnlab
