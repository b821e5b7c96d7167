// Categorical features to rows on the CPU: the sum of one row of a table for each column.
#include "../op.h"

namespace gnnlab {

// out_i = Σ_c table[first_c + value_ic].
template <class T, class I> struct Embed {
  const I* value;
  const T* table;
  const int64_t* first;
  T* out;
  int64_t columns, width;
  template <class Lane> void operator()(int64_t i, Lane lane) const {
    typename Lane::V sum(0);
    for (int64_t c = 0; c < columns; ++c) sum += lane.load(table + (first[c] + value[i * columns + c]) * width);
    lane.store(out + i * width, sum);
  }
};

template <class I> void check_values(const I* value, const int64_t* first, int64_t rows, int64_t columns, int64_t size) {
  STD_TORCH_CHECK(columns == 0 || first[0] >= 0, "embed: the first column begins at row ", first[0], " of the table");
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t v = value[i * columns + c], own = (c + 1 < columns ? first[c + 1] : size) - first[c];
      STD_TORCH_CHECK(v >= 0 && v < own, "embed: value ", v, " of column ", c, " is not among its ", own);
    }
}

Tensor embed(const Tensor& value_, const Tensor& table_, const Tensor& first_) {
  const Tensor value = dense(value_), table = dense(table_), first = dense(first_);
  const int64_t rows = value.size(0), columns = first.size(0), width = table.size(1);
  STD_TORCH_CHECK(fits(value, value.scalar_type(), {kAny, columns}) && fits(first, ScalarType::Long, {kAny}),
                  "embed: expected value [N, columns] and int64 first [columns]");
  Tensor out = new_empty(table, {rows, width});
  by_types(table, value, "embed", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using I = typename decltype(i)::type;
    check_values(read<I>(value), read<int64_t>(first), rows, columns, table.size(0));
    for_rows<T>(table, rows, width,
                Embed<T, I>{read<I>(value), read<T>(table), read<int64_t>(first), write<T>(out), columns, width});
  });
  return out;
}

// The gradient of the table [size, d], each thread's features of all rows in their order.
Tensor embed_backward(const Tensor& g_, const Tensor& value_, const Tensor& first_, int64_t size) {
  const Tensor g = dense(g_), value = dense(value_), first_row = dense(first_);
  const int64_t rows = g.size(0), columns = first_row.size(0), width = g.size(1);
  STD_TORCH_CHECK(fits(value, value.scalar_type(), {rows, columns}), "embed_backward: expected g [N, d] and value [N, columns]");
  Tensor grad = new_empty(g, {size, width});
  by_types(g, value, "embed_backward", [&](auto t, auto i) {
    using T = typename decltype(t)::type;
    using A = Acc<T>;
    const auto* at = read<typename decltype(i)::type>(value);
    const int64_t* first = read<int64_t>(first_row);
    const T* from = read<T>(g);
    T* to = write<T>(grad);
    constexpr int64_t lanes = RegOf<A>::lanes;
    parallel((width + lanes - 1) / lanes, (rows * columns + size) * width, [&](int64_t begin, int64_t end) {
      const int64_t left = begin * lanes, wide = std::min(width, end * lanes) - left;
      std::vector<A> apart;  // where T is too coarse to add up in
      A* sums;
      int64_t stride;
      if constexpr (std::is_same_v<T, A>) {
        sums = to + left, stride = width;
        for (int64_t row = 0; row < size; ++row) std::fill_n(sums + row * stride, wide, A(0));
      } else {
        apart.resize(size * wide);
        sums = apart.data(), stride = wide;
      }
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t c = 0; c < columns; ++c) {
          A* sum = sums + (first[c] + at[row * columns + c]) * stride;
          for (int64_t f = 0; f < wide; ++f) sum[f] += widen(from[row * width + left + f]);
        }
      if constexpr (!std::is_same_v<T, A>)
        for (int64_t row = 0; row < size; ++row)
          for (int64_t f = 0; f < wide; ++f) to[row * width + left + f] = static_cast<T>(sums[row * stride + f]);
    });
  });
  return grad;
}

}  // namespace gnnlab

GNNLAB_OP(embed, "(Tensor value, Tensor table, Tensor first) -> Tensor")
GNNLAB_OP(embed_backward, "(Tensor g, Tensor value, Tensor first, int size) -> Tensor")
