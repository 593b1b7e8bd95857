#include "gradus/ops/loss.h"

#include <array>

#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
#include "ops/loss/class_targets.h"
#include "ops/loss/pair_loss.h"

/// Losses that ask for a margin between scores.
namespace gradus {

Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target, const HingeEmbeddingLossOptions& options) {
  constexpr Op op("hinge_embedding_loss");
  check_real(op, input);
  op.takes(target);
  const Tensor unlike = where(ne(target, 1), clamp(sub(options.margin, input), 0), 0.0);
  return reduced_loss(add(unlike, where(ne(target, -1), input, 0.0)), options.reduction);
}

Tensor margin_ranking_loss(const Tensor& input1, const Tensor& input2, const Tensor& target, const MarginLossOptions& options) {
  constexpr Op op("margin_ranking_loss");
  const Shape &a = impl_of(op, input1).layout.shape, &b = impl_of(op, input2).layout.shape, &t = impl_of(op, target).layout.shape;
  op.check<ShapeError>(a.size() == b.size() && a.size() == t.size(),
                       "input1 has shape {}, input2 {} and target {}; they must have as many dimensions", a, b, t);
  return reduced_loss(clamp(add(mul(neg(target), sub(input1, input2)), options.margin), 0), options.reduction);
}

Tensor soft_margin_loss(const Tensor& input, const Tensor& target, const LossOptions& options) {
  constexpr Op op("soft_margin_loss");
  check_real(op, input);
  const Shape shape = broadcast_shapes(op, input.shape(), impl_of(op, target).layout.shape);
  op.check<ShapeError>(shape == input.shape(), "target has shape {}, which does not broadcast to that of the input, {}", target.shape(),
                       input.shape());
  return pair_loss(
      op, input, expand(to(target, input.dtype()), shape), options.reduction, [](auto x, auto t) { return softplus_of(-t * x); },
      [](const auto& x, const auto& t) { return -t * sigmoid_of(-t * x); },
      []<class T>(const T& x, const T& t) {
        const T s = sigmoid_of(-t * x);
        return choose<T>(s == factor<T>(0), 0.0, -x * s);  // at infinity too
      });
}

Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target, const WeightedLossOptions& options) {
  constexpr Op op("multilabel_soft_margin_loss");
  check_real(op, input);
  op.takes(target);
  op.check<ShapeError>(input.dim() > 0, "the input is a scalar; expected scores (…, C)");
  Tensor losses = neg(add(share_of(target, logsigmoid(input)), share_of(sub(1, target), logsigmoid(neg(input)))));
  if (options.weight.defined()) losses = share_of(options.weight, losses);
  const int64_t class_dim = input.dim() - 1;
  return reduced_loss(losses.sum({class_dim}) / static_cast<double>(input.size(class_dim)), options.reduction);
}

namespace {

/// N rows of C scores, whatever the number of dimensions they came in: (C) is one row, a scalar one row of one.
Tensor rows_of_scores(Op op, const Tensor& input) {
  const Shape& shape = impl_of(op, input).layout.shape;
  check_real(op, input);
  op.check<ShapeError>(shape.size() <= 2 && (shape.empty() || shape[shape.size() - 1] > 0),
                       "input has shape {}; expected scores (C) or (N, C) of at least one class", shape);
  return shape.size() == 2 ? input : reshape(input, {1, -1});
}

}  // namespace

Tensor multi_margin_loss(const Tensor& input, const Tensor& target, const MultiMarginLossOptions& options) {
  constexpr Op op("multi_margin_loss");
  const Tensor x = rows_of_scores(op, input);
  const int64_t N = x.size(0), C = x.size(1);
  op.check<ValueError>(options.p == 1 || options.p == 2, "p is {}; it must be 1 or 2", options.p);
  check_index_dtype(op, target);
  op.check<ShapeError>(target.dim() <= 1 && target.numel() == N, "target has shape {}, but input of shape {} needs [{}], one class a row",
                       target.shape(), input.shape(), N);
  check_class_weight(op, options.weight, C, x.dtype());
  const Tensor labels = target.contiguous();
  check_targets(op, labels, C, {}, target.shape());

  const Tensor own = reshape(labels, {N, 1});
  Tensor excess = relu(add(sub(x, gather(x, 1, own)), options.margin));
  if (options.p == 2) excess = square(excess);
  if (options.weight.defined()) excess = mul(excess, unsqueeze(index_select(options.weight.detach(), 0, reshape(labels, -1)), 1));
  const Tensor counted = masked_fill(excess, reshape(one_hot(own, C), {N, C}).to(DType::Bool), 0);
  const Tensor losses = counted.sum({1}) / C;
  return options.reduction == Reduction::None ? reshape(losses, target.shape()) : reduced_loss(losses, options.reduction);
}

namespace {

/// One row of multilabel_margin_loss: the sum over its targets t and the other classes c of max(0, 1 - x[t] + x[c]), and what each score
/// counts in it.
template <class T>
T multilabel_row(int64_t C, const T* x, const int64_t* targets, T* slope) {
  std::vector<bool> is_target(static_cast<size_t>(C));
  int64_t count = 0;
  while (count < C && targets[count] >= 0) is_target[static_cast<size_t>(targets[count++])] = true;
  double total = 0;
  for (int64_t k = 0; k < count; ++k)
    for (int64_t c = 0; c < C; ++c) {
      const T excess = 1 - x[targets[k]] + x[c];
      if (is_target[static_cast<size_t>(c)] || !(excess > 0 || excess != excess)) continue;
      total += static_cast<double>(excess);
      slope[targets[k]] -= 1;
      slope[c] += 1;
    }
  return static_cast<T>(total);
}

}  // namespace

Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target, const LossOptions& options) {
  constexpr Op op("multilabel_margin_loss");
  const Tensor x = rows_of_scores(op, input);
  const int64_t N = x.size(0), C = x.size(1);
  check_index_dtype(op, target);
  op.check<ShapeError>(target.shape() == input.shape(), "target has shape {}, but input has {}; they must be equal", target.shape(),
                       input.shape());
  const Tensor labels = target.contiguous(), scores = x.detach().contiguous();
  check_targets(op, labels, C, -1, target.shape());

  Tensor losses = op.empty(N, x.dtype());
  const Tensor slope = zeros({N, C}, {.dtype = x.dtype()});
  dispatch_floating(op, x.dtype(), [&]<class T>() {
    for (int64_t i = 0; i < N; ++i)
      elements<T>(losses)[i] =
          multilabel_row(C, elements<T>(scores) + i * C, elements<int64_t>(labels) + i * C, elements<T>(slope) + i * C) / static_cast<T>(C);
  });
  losses = op.record(losses, wrt(x, [slope = Saved(slope), C](const Tensor& dy) { return mul(*slope, unsqueeze(div(dy, C), 1)); }));
  const bool one_row = input.dim() < 2;
  return options.reduction == Reduction::None && one_row ? reshape(losses, {}) : reduced_loss(losses, options.reduction);
}

}  // namespace gradus
