#include "gradus/ops/loss.h"

#include "ops/loss/pair_loss.h"

/// Losses that measure how far a prediction is from a number.
namespace gradus {
namespace {

struct Pair {
  Tensor x, target;
};

/// Both in the dtype in which they meet, which must be floating-point.
Pair promoted(Op op, const Tensor& x, const Tensor& target) {
  check_same_shape(op, x, target);
  const DType dtype = result_type(x, target);
  op.check<DTypeError>(is_floating_point(dtype), "one of input and target must be float32 or float64, got {} and {}", name(x.dtype()),
                       name(target.dtype()));
  return {x.to(dtype), target.to(dtype)};
}

/// The slope of smooth_l1_loss at difference d: -1 below -beta, 1 above beta, d / beta between, where with beta 0 only 0 and NaN are left.
template <class T>
T smooth_slope(const T& d, double beta) {
  const T inside = d / factor<T>(beta > 0 ? beta : 1);
  return choose<T>(d < factor<T>(-beta), -1.0, choose<T>(d > factor<T>(beta), 1.0, inside));
}

}  // namespace

Tensor mse_loss(const Tensor& input, const Tensor& target, const LossOptions& options) {
  constexpr Op op("mse_loss");
  const Pair p = promoted(op, input, target);
  return pair_loss(
      op, p.x, p.target, options.reduction, [](auto x, auto t) { return (x - t) * (x - t); },
      []<class T>(const T& x, const T& t) { return (x - t) * factor<T>(2); },
      []<class T>(const T& x, const T& t) { return (t - x) * factor<T>(2); });
}

Tensor l1_loss(const Tensor& input, const Tensor& target, const LossOptions& options) {
  check_same_shape(Op("l1_loss"), input, target);
  return reduced_loss((input - target).abs(), options.reduction);
}

Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, const SmoothL1LossOptions& options) {
  constexpr Op op("smooth_l1_loss");
  const Pair p = promoted(op, input, target);
  op.check<ValueError>(options.beta >= 0, "beta is {}, but must not be negative", options.beta);
  return pair_loss(
      op, p.x, p.target, options.reduction,
      [beta = options.beta]<class T>(T x, T t) {
        const T b = static_cast<T>(beta), d = x - t, size = d < 0 ? -d : d;
        return size < b ? d * d / (2 * b) : size - b / 2;
      },
      [beta = options.beta](const auto& x, const auto& t) { return smooth_slope(x - t, beta); },
      [beta = options.beta](const auto& x, const auto& t) { return smooth_slope(t - x, beta); });
}

Tensor huber_loss(const Tensor& input, const Tensor& target, const HuberLossOptions& options) {
  constexpr Op op("huber_loss");
  check_same_shape(op, input, target);
  check_real(op, input);
  op.check<ValueError>(options.delta > 0, "delta is {}, but must be positive", options.delta);
  const double delta = options.delta;
  return pair_loss(
      op, input, target.to(input.dtype()), options.reduction,
      [delta]<class T>(T x, T t) {
        const T b = static_cast<T>(delta), d = x - t, size = d < 0 ? -d : d;
        return size < b ? d * d / 2 : b * (size - b / 2);
      },
      [delta](const auto& x, const auto& t) { return at_most(at_least(x - t, -delta), delta); },
      [delta](const auto& x, const auto& t) { return at_most(at_least(t - x, -delta), delta); });
}

}  // namespace gradus
