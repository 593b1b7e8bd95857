#include "core/check.h"
#include "gradus/autograd.h"
#include "nn/module_state.h"

namespace gradus::nn {
namespace {

using Tensors = std::vector<Tensor>;

/// What a hook gave in place of `now`, or `now` where it gave nothing.
Tensors replaced(const char* kind, const Module& module, const Tensors& now, const Tensors& given) {
  if (given.empty()) return now;
  check<ValueError>(given.size() == now.size(), "{}: a {} gave {} tensors in place of {}; give all of them, or none to keep them",
                    module.type_name(), kind, given.size(), now.size());
  return given;
}

/// The inputs, or the output, as new tensors whose gradients pass through `backward` on their way back.
Tensors watched(const Tensors& tensors, const std::function<Tensors(const Tensors&)>& backward) {
  return autograd::apply_function(
      tensors, "BackwardHookFunction", [](autograd::Context&, const Tensors& in) { return in; },
      [backward](autograd::Context&, const Tensors& dy) { return backward(dy); });
}

}  // namespace

static void check_hook(const char* op, bool there) { check<ValueError>(there, "{}: the hook is empty", op); }

int64_t Module::register_forward_pre_hook(ForwardPreHook hook) const {
  check_hook("register_forward_pre_hook", static_cast<bool>(hook));
  state().hooks.before.emplace(state_->hooks.next_id, std::move(hook));
  return state_->hooks.next_id++;
}

int64_t Module::register_forward_hook(ForwardHook hook) const {
  check_hook("register_forward_hook", static_cast<bool>(hook));
  state().hooks.after.emplace(state_->hooks.next_id, std::move(hook));
  return state_->hooks.next_id++;
}

int64_t Module::register_full_backward_hook(BackwardHook hook) const {
  check_hook("register_full_backward_hook", static_cast<bool>(hook));
  state().hooks.backward.emplace(state_->hooks.next_id, std::move(hook));
  return state_->hooks.next_id++;
}

void Module::remove_hook(int64_t id) const {
  Hooks& hooks = state().hooks;
  hooks.before.erase(id);
  hooks.after.erase(id);
  hooks.backward.erase(id);
}

bool Module::has_hooks() const {
  const Hooks& hooks = state().hooks;
  return !hooks.before.empty() || !hooks.after.empty() || !hooks.backward.empty();
}

Tensor Module::call_with_hooks(Tensors inputs, const std::function<Tensor(const Tensors&)>& forward) const {
  const Hooks hooks = state().hooks;  // a hook may remove itself
  for (const auto& [id, hook] : hooks.before) inputs = replaced("forward pre-hook", *this, inputs, hook(*this, inputs));

  // The output's gradient comes first; the inputs' gradients, which the hooks wait for, when the module's own pass is done.
  const auto grad_output = std::make_shared<Tensors>();
  const auto run_backward_hooks = [module = *this, hooks = hooks.backward, grad_output](const Tensors& grad_input) {
    Tensors found = grad_input;
    for (const auto& [id, hook] : hooks) found = replaced("full backward hook", module, found, hook(module, found, *grad_output));
    return found;
  };
  bool inputs_watched = false;
  for (const Tensor& x : inputs) inputs_watched = inputs_watched || (x.defined() && x.requires_grad());
  inputs_watched = inputs_watched && !hooks.backward.empty() && is_grad_enabled();
  if (inputs_watched) {
    Tensors present;
    for (const Tensor& x : inputs)
      if (x.defined()) present.push_back(x);
    present = watched(present, run_backward_hooks);
    for (size_t i = 0, next = 0; i < inputs.size(); ++i)
      if (inputs[i].defined()) inputs[i] = present[next++];
  }

  Tensor output = forward(inputs);
  for (const auto& [id, hook] : hooks.after) output = replaced("forward hook", *this, {output}, hook(*this, inputs, {output}))[0];

  if (hooks.backward.empty() || !output.requires_grad()) return output;
  return watched({output}, [=, count = inputs.size()](const Tensors& dy) {
    *grad_output = dy;
    if (!inputs_watched) run_backward_hooks(Tensors(count));
    return dy;
  })[0];
}

}  // namespace gradus::nn
