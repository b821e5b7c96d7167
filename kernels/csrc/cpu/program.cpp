// A straight line of kernels in one call: what gnnlab/ops/recorded/player.py has put into words.
#include "../op.h"

namespace gnnlab {

// The number by which a program calls a kernel, -1 if it cannot.
int64_t instruction(std::string name) {
  const auto& all = instructions();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Instruction& one) { return one.name == name; });
  return found == all.end() ? -1 : found - all.begin();
}

// Words: how many slots there are; how many tensors are returned and their slots; then the instructions, each with its
// number, its words, how many slots are empty from then on, and which. Slot 0 is empty, those after it hold `given`.
std::vector<Tensor> play(std::vector<Tensor> given, const Tensor& words) {
  STD_TORCH_CHECK(fits(words, ScalarType::Long, {kAny}) && words.is_contiguous(), "play: expected int64 words in a row");
  const int64_t *at = read<int64_t>(words), *end = at + words.size(0);
  const int64_t first_made = static_cast<int64_t>(given.size()) + 1;
  Slots slots(*at++);
  std::move(given.begin(), given.end(), slots.begin() + 1);
  Pool pool;
  const int64_t count = *at++, *returned = at;
  for (at += count; at < end;) {
    const Instruction& one = instructions()[*at++];
    one.run(at, slots);
    at += one.words;
    for (int64_t done = *at++; done > 0; --done, ++at) {
      if (*at >= first_made) pool.give(std::move(*slots[*at]));
      slots[*at].reset();
    }
  }
  std::vector<Tensor> out;
  out.reserve(count);
  for (int64_t i = 0; i < count; ++i) out.push_back(*slots[returned[i]]);
  return out;
}

void sum_to(Tensor& to, const Tensor& a, const Tensor& b) {
  const int64_t n = to.numel();
  const auto left = a.sizes(), right = b.sizes();
  STD_TORCH_CHECK(std::equal(left.begin(), left.end(), right.begin(), right.end()) && a.scalar_type() == b.scalar_type(),
                  "add: expected two tensors of one shape and type");
  by_float(a, "add", [&](auto t) {
    using T = typename decltype(t)::type;
    const T *x = read<T>(a), *y = read<T>(b);
    T* sum = write<T>(to);
    parallel(n, n, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) sum[i] = static_cast<T>(widen(x[i]) + widen(y[i]));
    });
  });
}

// The sum of two gradients.
Tensor add(const Tensor& a_, const Tensor& b) {
  const Tensor a = dense(a_);
  Tensor sum = new_like(a);
  sum_to(sum, a, dense(b));
  return sum;
}

// The same in the place of the first.
void add_(Tensor a, const Tensor& b) {
  STD_TORCH_CHECK(a.is_contiguous(), "add_: expected a dense tensor");
  sum_to(a, a, dense(b));
}

}  // namespace gnnlab

STABLE_TORCH_LIBRARY_FRAGMENT(gnnlab, m) { m.def("instruction(str name) -> int"); }
STABLE_TORCH_LIBRARY_IMPL(gnnlab, CompositeExplicitAutograd, m) { m.impl("instruction", TORCH_BOX(&gnnlab::instruction)); }
GNNLAB_OP(play, "(Tensor[] given, Tensor words) -> Tensor[]")
GNNLAB_OP(add, "(Tensor a, Tensor b) -> Tensor")
GNNLAB_OP(add_, "(Tensor(a!) a, Tensor b) -> ()")
