#include "gradus/nn/clip.h"

#include <fmt/format.h>

#include <cmath>

#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/autograd.h"
#include "gradus/ops.h"
#include "kernels/reduce.h"

namespace gradus::nn {
namespace {


/// The sum of |g|^p over one gradient, or its largest |g|.
double power_sum(const Tensor& g, double p) {
  return dispatch_floating("clip_grad_norm_", g.dtype(), [&]<class T>() {
    const T* x = g.data<T>();
    const int64_t n = g.numel();
    double total = 0;
    if (p == 2) {
      kernels::sum(1, n, 1, x, &total, [](T v) { return static_cast<double>(v) * static_cast<double>(v); });
      return total;
    }
    for (int64_t i = 0; i < n; ++i) {
      const double v = std::fabs(static_cast<double>(x[i]));
      if (std::isnan(v)) return v;
      total = std::isinf(p) ? std::max(total, v) : total + std::pow(v, p);
    }
    return total;
  });
}

double clip(const std::vector<Tensor>& parameters, double max_norm, double norm_type, const auto& name_of) {
  check<ValueError>(max_norm >= 0, "clip_grad_norm_: max_norm {} must not be negative", max_norm);
  check<ValueError>(norm_type > 0, "clip_grad_norm_: norm_type {} must be positive", norm_type);
  NoGradGuard no_grad;
  std::vector<Tensor> gradients;
  double total = 0;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Tensor grad = parameters[i].grad();
    if (!grad.defined()) continue;
    const double part = power_sum(grad.detach().contiguous(), norm_type);
    check<ValueError>(std::isfinite(part), "clip_grad_norm_: the gradient of {} (shape {}) is not finite", name_of(i), parameters[i].shape());
    total = std::isinf(norm_type) ? std::max(total, part) : total + part;
    gradients.push_back(grad);
  }
  const double norm = std::isinf(norm_type) ? total : std::pow(total, 1 / norm_type);
  const double scale = max_norm / (norm + 1e-6);
  if (scale < 1)
    for (const Tensor& grad : gradients) grad.detach().mul_(scale);
  return norm;
}

}  // namespace

double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type) {
  return clip(parameters, max_norm, norm_type, [](size_t i) { return fmt::format("parameter {}", i); });
}

double clip_grad_norm_(const Module& module, double max_norm, double norm_type) {
  const StateDict named = module.named_parameters();
  std::vector<Tensor> parameters;
  for (const auto& [name, parameter] : named) parameters.push_back(parameter);
  return clip(parameters, max_norm, norm_type, [&](size_t i) { return named[i].first; });
}

}  // namespace gradus::nn
