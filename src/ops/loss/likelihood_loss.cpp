#include "gradus/ops/loss.h"

#include <limits>
#include <numbers>

#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/reduction.h"
#include "ops/index_check.h"
#include "ops/loss/pair_loss.h"

/// Losses that are negative log-likelihoods of the target under a distribution that the model predicts.
namespace gradus {
namespace {

/// The losses, each times its weight where there is one, reduced. A weight gets no gradient.
Tensor weighted(Op op, const Tensor& losses, const Tensor& weight, Reduction reduction) {
  if (!weight.defined()) return reduced_loss(losses, reduction);
  op.check<ShapeError>(broadcast_shapes(op, losses.shape(), weight.shape()) == losses.shape(),
                       "weight has shape {}, which does not broadcast to that of the input, {}", weight.shape(), losses.shape());
  return reduced_loss(share_of(weight.detach(), losses).to(losses.dtype()), reduction);
}

void check_probabilities(const Tensor& x) {
  constexpr Op op("binary_cross_entropy");
  const Tensor dense = x.detach().contiguous();
  dispatch_floating(op, x.dtype(), [&]<class T>() {
    const T* p = elements<T>(dense);
    for (int64_t i = 0; i < dense.numel(); ++i)
      op.check<ValueError>(p[i] >= 0 && p[i] <= 1,
                           "input {} at {} is no probability; give numbers from 0 to 1, or use "
                           "binary_cross_entropy_with_logits",
                           p[i], place_of(i, x.shape()));
  });
}

/// share * loss, where no share of an infinite loss is 0.
template <class T>
T part_of(T share, T loss) {
  return share == 0 && loss > std::numeric_limits<T>::max() ? T(0) : share * loss;
}

/// -y ln s(v) - (1 - y) ln (1 - s(v)), s the sigmoid: what v says against y, and ln(1 + e^-|v|).
constexpr auto logit_loss = []<class T>(T v, T y) {
  const T size = v < 0 ? -v : v;
  return part_of(v > 0 ? 1 - y : y, size) + log1p_of(exp_of(-size));
};

}  // namespace

Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const WeightedLossOptions& options) {
  constexpr Op op("binary_cross_entropy");
  check_same_shape(op, input, target);
  check_real(op, input);
  check_same_dtype(op, input, "target", target);
  check_probabilities(input);
  const Reduction first = options.weight.defined() ? Reduction::None : options.reduction;
  const Tensor losses = pair_loss(
      op, input, target, first,
      []<class T>(T x, T t) { return (t - 1) * at_least(std::log1p(-x), -100) - t * at_least(std::log(x), -100); },
      []<class T>(const T& x, const T& t) { return (x - t) / at_least((factor<T>(1) - x) * x, 1e-12); },
      []<class T>(const T& x, const T&) { return log1p_of(-x) - log_of(x); });
  return options.weight.defined() ? weighted(op, losses, options.weight, options.reduction) : losses;
}

Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const BCEWithLogitsLossOptions& options) {
  constexpr Op op("binary_cross_entropy_with_logits");
  check_same_shape(op, input, target);
  check_real(op, input);
  check_real(op, target);
  const DType dtype = result_type(input, target);
  const Tensor x = input.to(dtype), t = target.to(dtype);
  const bool plain = !options.weight.defined() && !options.pos_weight.defined();
  const Reduction first = plain ? options.reduction : Reduction::None;
  Tensor losses;
  if (options.pos_weight.defined()) {
    const Tensor no = share_of(sub(1, t), logsigmoid(neg(x))), yes = share_of(t, logsigmoid(x));
    losses = neg(add(no, weighted(op, yes, options.pos_weight, Reduction::None)));
  } else {
    losses = pair_loss(
        op, x, t, first, logit_loss, [](const auto& v, const auto& y) { return sigmoid_of(v) - y; },
        []<class T>(const T& v, const T&) -> T { return -v; });
  }
  return (plain ? losses : weighted(op, losses, options.weight, options.reduction)).to(target.dtype());
}

Tensor kl_div(const Tensor& input, const Tensor& target, const KLDivLossOptions& options) {
  constexpr Op op("kl_div");
  check_real(op, input);
  check_real(op, target);
  const Tensor losses = options.log_target ? share_of(exp(target), sub(target, input))
                                           : sub(where(eq(target, 0), 0.0, mul(target, log(target))), share_of(target, input));
  switch (options.reduction) {
    case KLDivReduction::None: return losses;
    case KLDivReduction::Mean: return mean(losses);
    case KLDivReduction::Sum: return sum(losses);
    case KLDivReduction::BatchMean: break;
  }
  return input.dim() == 0 ? sum(losses) : div(sum(losses), input.size(0));
}

Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, const PoissonNLLLossOptions& options) {
  constexpr Op op("poisson_nll_loss");
  op.takes(input, target);
  Tensor losses = options.log_input ? sub(exp(input), share_of(target, input)) : sub(input, share_of(target, log(add(input, options.eps))));
  if (options.full) {
    // Stirling's approximation of ln(target!), which counts from 2 on.
    const Tensor stirling = add(sub(mul(target, log(target)), target), mul(log(mul(target, 2 * std::numbers::pi)), 0.5));
    losses = add(losses, masked_fill(stirling, le(target, 1), 0));
  }
  return reduced_loss(losses, options.reduction);
}

Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, const Tensor& var, const GaussianNLLLossOptions& options) {
  constexpr Op op("gaussian_nll_loss");
  const Shape& shape = impl_of(op, input).layout.shape;
  op.takes(target);
  check_real(op, var);
  Tensor spread = var;
  if (var.shape() != shape) {
    Shape one = shape, without = shape;
    if (!shape.empty()) {
      one[shape.size() - 1] = 1;
      without.erase(shape.size() - 1);
    }
    op.check<ShapeError>(!shape.empty() && (var.shape() == one || var.shape() == without),
                         "var has shape {}; for input of shape {} give the same, or {} or {}, one variance a row", var.shape(), shape, one,
                         without);
    if (var.shape() == without) spread = var.unsqueeze(-1);
  }
  const Tensor number = spread.detach();
  op.check<ValueError>(!any(lt(number, 0)).item<bool>(), "var has a negative element; a variance is 0 or more");
  // The bound keeps the logarithm finite and is no part of the function: the gradient passes it.
  const Tensor v = op.record(clamp(number, options.eps), wrt(spread, [](const Tensor& dy) { return dy; }));
  const Tensor distance = sub(input, target);
  Tensor losses = mul(add(log(v), div(mul(distance, distance), v)), 0.5);
  if (options.full) losses = add(losses, 0.5 * std::log(2 * std::numbers::pi));
  return reduced_loss(losses, options.reduction);
}

}  // namespace gradus
