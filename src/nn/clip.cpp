#include "gradus/nn/clip.h"

#include <fmt/format.h>

#include <cmath>

#include "autograd/row_sparse.h"
#include "autograd/tensor_impl.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/autograd.h"
#include "kernels/vector_norm.h"

namespace gradus::nn {
namespace {

/// A gradient's elements, side by side, and which parameter it belongs to.
struct Gradient {
  Tensor values;
  size_t parameter;
};

/// The sum of |g / unit|^p.
double power_sum(const Tensor& g, double p, double unit) {
  const double factor = 1 / unit;
  // Other orders are rare: no loop of their own.
  if (p != 2) return (g.to(DType::Float64).abs() * factor).pow(p).sum().item<double>();
  return dispatch_floating("clip_grad_norm_", g.dtype(),
                           [&]<class T>() { return kernels::sum_of_squares(g.numel(), elements<T>(g), factor); });
}

/// The largest |g|; NaN when there is one.
double largest(const Tensor& g) {
  return dispatch_floating("clip_grad_norm_", g.dtype(), [&]<class T>() { return kernels::largest_magnitude(g.numel(), elements<T>(g)); });
}

/// The norm of all gradients together. Sums of powers that leave the range of numbers are formed again from gradients divided by the
/// largest; on that way `found` is told of those that are not finite.
double total_norm(const std::vector<Gradient>& gradients, double p, const auto& found) {
  const auto root = [&](double unit) {
    double total = 0;
    for (const Gradient& g : gradients) total += power_sum(g.values, p, unit);
    return p == 2 ? std::sqrt(total) : std::pow(total, 1 / p);
  };
  if (!std::isinf(p)) {
    const double norm = root(1);
    if (std::isfinite(norm) && norm > 0) return norm;
  }
  double top = 0;
  for (const Gradient& g : gradients) {
    const double here = largest(g.values);
    if (!std::isfinite(here)) found(g);
    top = std::isnan(here) || here > top ? here : top;
  }
  return std::isinf(p) || top == 0 || !std::isfinite(top) ? top : top * root(top);
}

void scale(const Tensor& grad, double factor) {
  if (!grad.is_contiguous()) {
    grad.detach().mul_(factor);
    return;
  }
  dispatch_floating("clip_grad_norm_", grad.dtype(),
                    [&]<class T>() { kernels::scale(grad.numel(), elements<T>(grad), static_cast<T>(factor)); });
  grad.impl()->storage->bump_version();
}

void check_norm_type(const char* op, double norm_type) {
  check<ValueError>(norm_type > 0, "{}: norm_type {} must be positive", op, norm_type);
}

std::vector<Gradient> gradients_of(const std::vector<Tensor>& parameters) {
  std::vector<Gradient> gradients;
  for (size_t i = 0; i < parameters.size(); ++i)
    if (const Tensor grad = gradient_values(parameters[i]); grad.defined()) gradients.push_back({grad.contiguous(), i});
  return gradients;
}

double clip(const std::vector<Tensor>& parameters, double max_norm, double norm_type, bool error_if_nonfinite, const auto& describe) {
  check<ValueError>(max_norm >= 0, "clip_grad_norm_: max_norm {} must not be negative", max_norm);
  check_norm_type("clip_grad_norm_", norm_type);
  NoGradGuard no_grad;
  const std::vector<Gradient> gradients = gradients_of(parameters);
  const double norm = total_norm(gradients, norm_type, [&](const Gradient& g) {
    check<ValueError>(!error_if_nonfinite, "clip_grad_norm_: the gradient of {} (shape {}) is not finite; nothing was changed",
                      describe(g.parameter), g.values.shape());
  });
  const double factor = max_norm / (norm + 1e-6);
  if (factor < 1 || std::isnan(factor))
    for (const Gradient& g : gradients) scale(gradient_values(parameters[g.parameter]), factor);
  return norm;
}

}  // namespace

double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type, bool error_if_nonfinite) {
  return clip(parameters, max_norm, norm_type, error_if_nonfinite, [](size_t i) { return fmt::format("parameter {}", i); });
}

double clip_grad_norm_(const Module& module, double max_norm, double norm_type, bool error_if_nonfinite) {
  const StateDict named = module.named_parameters();
  std::vector<Tensor> parameters;
  for (const auto& [name, parameter] : named) parameters.push_back(parameter);
  return clip(parameters, max_norm, norm_type, error_if_nonfinite, [&](size_t i) { return named[i].first; });
}

double grad_norm(const std::vector<Tensor>& parameters, double norm_type) {
  check_norm_type("grad_norm", norm_type);
  NoGradGuard no_grad;
  return total_norm(gradients_of(parameters), norm_type, [](const Gradient&) {});
}

void clip_grad_value_(const std::vector<Tensor>& parameters, double clip_value) {
  check<ValueError>(clip_value >= 0, "clip_grad_value_: clip_value {} must not be negative", clip_value);
  NoGradGuard no_grad;
  for (const Tensor& p : parameters)
    if (const Tensor grad = gradient_values(p); grad.defined()) grad.clamp_(-clip_value, clip_value);
}

}  // namespace gradus::nn
