#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/optim.h"
#include "kernels/optim.h"
#include "optim/validate.h"

namespace gradus::optim {
namespace {

void validate(const SGDOptions& o) {
  check_not_negative("SGD", "lr", o.lr);
  check_not_negative("SGD", "momentum", o.momentum);
  check_not_negative("SGD", "weight_decay", o.weight_decay);
  check<ValueError>(std::isfinite(o.dampening), "SGD: dampening is {}; it must be finite", o.dampening);
  check<ValueError>(!o.nesterov || (o.momentum > 0 && o.dampening == 0),
                    "SGD: nesterov needs momentum above 0 and dampening 0, but they are {} and {}", o.momentum, o.dampening);
}

}  // namespace

SGD::SGD(const std::vector<Tensor>& params, const SGDOptions& options) : defaults_(options) { add_param_group({.params = params}); }

SGD::SGD(const std::vector<ParamGroup<SGDOptions>>& groups, const SGDOptions& options) : defaults_(options) {
  check<ValueError>(!groups.empty(), "SGD: there are no parameter groups; there is nothing to train");
  for (const auto& group : groups) add_param_group(group);
}

void SGD::add_param_group(const ParamGroup<SGDOptions>& group) {
  const SGDOptions options = group.options.value_or(defaults_);
  validate(options);
  options_.reserve(options_.size() + 1);
  add_params(group.params);
  options_.push_back(options);
}

std::vector<std::string> SGD::buffer_names(size_t group) const {
  if (options_[group].momentum == 0) return {};
  return {"momentum_buffer"};
}

Optimizer::RowSparseGradients SGD::row_sparse_gradients(size_t group) const noexcept {
  const SGDOptions& o = options_[group];
  return o.momentum == 0 && o.weight_decay == 0 ? RowSparseGradients::ByRows : RowSparseGradients::Densified;
}

void SGD::update(size_t group, const Update& u) const noexcept {
  const SGDOptions& o = options_[group];
  const bool first = u.step == 1;
  const kernels::SgdStep step{.lr = o.lr,
                              .weight_decay = o.weight_decay,
                              .keep = o.momentum,
                              .take = first ? 1 : 1 - o.dampening,
                              .momentum = o.momentum,
                              .nesterov = o.nesterov};
  dispatch_floating("SGD", u.param.dtype(), [&]<class T>() {
    kernels::sgd(u.param.numel(), u.param.data<T>(), u.grad.data<T>(), u.buffers.empty() ? nullptr : u.buffers[0].data<T>(), step);
  });
}

}  // namespace gradus::optim
