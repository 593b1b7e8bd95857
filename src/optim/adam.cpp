#include <cmath>

#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/optim.h"
#include "kernels/optim.h"
#include "optim/validate.h"

namespace gradus::optim {
namespace {

void validate(const char* op, const AdamOptions& o) {
  check_not_negative(op, "lr", o.lr);
  check_not_negative(op, "eps", o.eps);
  check_not_negative(op, "weight_decay", o.weight_decay);
  for (size_t i = 0; i < o.betas.size(); ++i)
    check<ValueError>(o.betas[i] >= 0 && o.betas[i] < 1, "{}: betas[{}] is {}; it must be in [0, 1)", op, i, o.betas[i]);
}

AdamOptions as_adam(const AdamWOptions& o) {
  return {.lr = o.lr, .betas = o.betas, .eps = o.eps, .weight_decay = o.weight_decay, .amsgrad = o.amsgrad};
}

ParamGroup<AdamOptions> as_adam(const ParamGroup<AdamWOptions>& group) {
  ParamGroup<AdamOptions> same{.params = group.params};
  if (group.options) same.options = as_adam(*group.options);
  return same;
}

}  // namespace

Adam::Adam(const std::vector<Tensor>& params, const AdamOptions& options) : Adam(options, false) { add_param_group({.params = params}); }

Adam::Adam(const std::vector<ParamGroup<AdamOptions>>& groups, const AdamOptions& options) : Adam(options, false) {
  check<ValueError>(!groups.empty(), "Adam: there are no parameter groups; there is nothing to train");
  for (const auto& group : groups) add_param_group(group);
}

void Adam::add_param_group(const ParamGroup<AdamOptions>& group) {
  const AdamOptions options = group.options.value_or(defaults_);
  validate(name(), options);
  options_.reserve(options_.size() + 1);
  add_params(group.params);
  options_.push_back(options);
}

std::vector<std::string> Adam::buffer_names(size_t group) const {
  std::vector<std::string> names{"exp_avg", "exp_avg_sq"};
  if (options_[group].amsgrad) names.push_back("max_exp_avg_sq");
  return names;
}

void Adam::update(size_t group, const Update& u) const noexcept {
  const AdamOptions& o = options_[group];
  const auto t = static_cast<double>(u.step);
  const kernels::AdamStep step{.beta1 = o.betas[0],
                               .beta2 = o.betas[1],
                               .eps = o.eps,
                               .shrink = decoupled_ ? 1 - o.lr * o.weight_decay : 1,
                               .weight_decay = decoupled_ ? 0 : o.weight_decay,
                               .step_size = o.lr / (1 - std::pow(o.betas[0], t)),
                               .sqrt_correction2 = std::sqrt(1 - std::pow(o.betas[1], t))};
  dispatch_floating("Adam", u.param.dtype(), [&]<class T>() {
    kernels::adam(u.param.numel(), u.param.data<T>(), u.grad.data<T>(), u.buffers[0].data<T>(), u.buffers[1].data<T>(),
                  o.amsgrad ? u.buffers[2].data<T>() : nullptr, step);
  });
}

AdamW::AdamW(const std::vector<Tensor>& params, const AdamWOptions& options) : Adam(as_adam(options), true) {
  add_param_group({.params = params});
}

AdamW::AdamW(const std::vector<ParamGroup<AdamWOptions>>& groups, const AdamWOptions& options) : Adam(as_adam(options), true) {
  check<ValueError>(!groups.empty(), "AdamW: there are no parameter groups; there is nothing to train");
  for (const auto& group : groups) add_param_group(group);
}

void AdamW::add_param_group(const ParamGroup<AdamWOptions>& group) { Adam::add_param_group(as_adam(group)); }

}  // namespace gradus::optim
