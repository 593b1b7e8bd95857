#include "gradus/optim/sparse_adam.h"

#include <cmath>

#include "core/check.h"
#include "core/dispatch.h"
#include "core/isa.h"

namespace gradus::optim {
namespace {

void validate(const SparseAdamOptions& o) {
  check<ValueError>(std::isfinite(o.lr) && o.lr > 0, "SparseAdam: lr is {}; it must be finite and above 0", o.lr);
  check<ValueError>(std::isfinite(o.eps) && o.eps > 0, "SparseAdam: eps is {}; it must be finite and above 0", o.eps);
  for (size_t i = 0; i < o.betas.size(); ++i)
    check<ValueError>(o.betas[i] >= 0 && o.betas[i] < 1, "SparseAdam: betas[{}] is {}; it must be in [0, 1)", i, o.betas[i]);
}

}  // namespace

SparseAdam::SparseAdam(const std::vector<Tensor>& params, const SparseAdamOptions& options) : defaults_(options) {
  add_param_group({.params = params});
}

SparseAdam::SparseAdam(const std::vector<ParamGroup<SparseAdamOptions>>& groups, const SparseAdamOptions& options) : defaults_(options) {
  check<ValueError>(!groups.empty(), "SparseAdam: there are no parameter groups; there is nothing to train");
  for (const auto& group : groups) add_param_group(group);
}

void SparseAdam::add_param_group(const ParamGroup<SparseAdamOptions>& group) {
  const SparseAdamOptions options = group.options.value_or(defaults_);
  validate(options);
  options_.reserve(options_.size() + 1);
  add_params(group.params);
  options_.push_back(options);
}

void SparseAdam::update(size_t group, const Update& u) const noexcept {
  const SparseAdamOptions& o = options_[group];
  const auto t = static_cast<double>(u.step);
  const double rate = o.lr * std::sqrt(1 - std::pow(o.betas[1], t)) / (1 - std::pow(o.betas[0], t));
  dispatch_floating("SparseAdam", u.param.dtype(), [&]<class T>() {
    isa::run([n = u.param.numel(), p = u.param.data<T>(), g = u.grad.data<T>(), m = u.buffers[0].data<T>(), v = u.buffers[1].data<T>(),
              sign = static_cast<T>(o.maximize ? -1 : 1), rest1 = static_cast<T>(1 - o.betas[0]), rest2 = static_cast<T>(1 - o.betas[1]),
              eps = static_cast<T>(o.eps), size = static_cast<T>(rate)] {
      GRADUS_INDEPENDENT
      for (int64_t i = 0; i < n; ++i) {
        m[i] += rest1 * (sign * g[i] - m[i]);
        v[i] += rest2 * (g[i] * g[i] - v[i]);
        p[i] -= size * m[i] / (std::sqrt(v[i]) + eps);
      }
    });
  });
}

}  // namespace gradus::optim
