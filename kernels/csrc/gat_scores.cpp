// GAT's scores of the nodes, head by head: source_n = Σ_c s_c v_nc and target_n = Σ_c t_c v_nc (Veličković et al., ICLR
// 2018).
#include "heads.h"
#include "sum_of_rows.h"

namespace gnnlab {

template <class T> struct Product {
  const T *value, *vector;
  int64_t width;
  template <class Lane> HD typename Lane::V operator()(int64_t n, Lane lane) const {
    return lane.load(value + n * width) * lane.load(vector);
  }
};

template <class T> struct GradValue {
  const T *g_source, *g_target, *source, *target;
  T* grad;
  int64_t heads, width;
  PerHead<T> per_head;
  template <class Lane> HD void operator()(int64_t n, Lane lane) const {
    lane.store(grad + n * width, per_head.load(g_source + n * heads, lane) * lane.load(source) +
                                     per_head.load(g_target + n * heads, lane) * lane.load(target));
  }
};

template <class T> struct GradVector {
  const T *g, *value;
  int64_t heads, width;
  PerHead<T> per_head;
  template <class Lane> HD typename Lane::V operator()(int64_t n, Lane lane) const {
    return per_head.load(g + n * heads, lane) * lane.load(value + n * width);
  }
};

std::tuple<Tensor, Tensor> gat_scores(const Tensor& value_, const Tensor& source_, const Tensor& target_) {
  const Tensor value = dense(value_), source = dense(source_), target = dense(target_);
  const ScalarType type = value.scalar_type();
  const int64_t heads = source.size(0), width = source.numel(), rows = value.size(0);
  STD_TORCH_CHECK(heads > 0 && fits(source, type, {heads, kAny}) && fits(value, type, {kAny, width}) &&
                      fits(target, type, {heads, width / heads}),
                  "gat_scores: expected values [N, H C], source and target [H, C] of one type, for H = ", heads);
  Tensor of_source = new_empty(value, {rows, heads}), of_target = new_empty(value, {rows, heads});
  by_float(value, "gat_scores", [&](auto t) {
    using T = typename decltype(t)::type;
    for_heads_summed<T>(value, rows, heads, width / heads, write<T>(of_source),
                        Product<T>{read<T>(value), read<T>(source), width});
    for_heads_summed<T>(value, rows, heads, width / heads, write<T>(of_target),
                        Product<T>{read<T>(value), read<T>(target), width});
  });
  return {of_source, of_target};
}

std::tuple<Tensor, Tensor, Tensor> gat_scores_backward(const Tensor& g_source_, const Tensor& g_target_,
                                                       const Tensor& value_, const Tensor& source_,
                                                       const Tensor& target_) {
  const Tensor g_source = dense(g_source_), g_target = dense(g_target_), value = dense(value_),
               source = dense(source_), target = dense(target_);
  const int64_t heads = source.size(0), width = source.numel(), rows = value.size(0);
  Tensor grad = new_like(value), grad_source, grad_target;
  by_float(value, "gat_scores_backward", [&](auto t) {
    using T = typename decltype(t)::type;
    const HeadsOf<T> head(heads, width / heads);
    for_rows<T>(value, rows, width,
                GradValue<T>{read<T>(g_source), read<T>(g_target), read<T>(source), read<T>(target), write<T>(grad),
                             heads, width, head.each()});
    auto vector = [&](const Tensor& g) {
      const GradVector<T> rows_of{read<T>(g), read<T>(value), heads, width, head.each()};
      return torch::stable::view(sum_of_rows<T>(value, rows, width, rows_of), {heads, width / heads});
    };
    grad_source = vector(g_source), grad_target = vector(g_target);
  });
  return {grad, grad_source, grad_target};
}

}  // namespace gnnlab

GNNLAB_OP(gat_scores, "(Tensor value, Tensor source, Tensor target) -> (Tensor, Tensor)")
GNNLAB_OP(gat_scores_backward, "(Tensor g_source, Tensor g_target, Tensor value, Tensor source, Tensor target) -> "
                               "(Tensor, Tensor, Tensor)")
