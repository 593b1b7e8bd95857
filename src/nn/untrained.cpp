#include "autograd/untrained.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <set>

#include "autograd/tensor_impl.h"
#include "nn/module_state.h"

/// Finds layers that a model uses and nobody trains: those that did not pass through register_module. At an optimizer's first step such a
/// layer got gradients in the pass that the optimizer's own parameters got theirs in, and neither it nor anything registered around it ever
/// came to an optimizer. Frozen layers get no gradients; a layer that is trained by hand shares no pass with an optimizer, as a rule.
namespace gradus::nn {

using detail::ModuleState;
using Handle = std::shared_ptr<ModuleState>;

namespace {

/// The modules that were called on this thread and are not known to be trained.
class Called {
 public:
  ~Called() { is_gone = true; }

  void add(ModuleState& module) {
    if (modules_.size() == modules_.capacity()) std::erase_if(modules_, [](const auto& weak) { return weak.expired(); });
    modules_.push_back(module.weak_from_this());
  }

  /// Keeps those for which f holds.
  void keep_if(const std::function<bool(ModuleState&)>& f) {
    std::erase_if(modules_, [&](const auto& weak) {
      const Handle module = weak.lock();
      return !module || !f(*module);
    });
  }

  /// This thread has none any more: it is about to end, with objects whose destructors may compute.
  static thread_local bool is_gone;

 private:
  std::vector<std::weak_ptr<ModuleState>> modules_;
};

thread_local bool Called::is_gone = false;
thread_local Called called;

/// The module around all. The caller holds tree_mutex.
Handle root_of(const Handle& module) {
  Handle root = module;
  for (bool climbs = true; std::exchange(climbs, false);)
    for (const auto& weak : root->parents) {
      Handle parent = weak.lock();
      const auto is_root = [&](const auto& child) { return ModuleState::of(child.second) == root.get(); };
      if (!parent || std::none_of(parent->children.begin(), parent->children.end(), is_root)) continue;
      root = std::move(parent);
      climbs = true;
      break;
    }
  return root;
}

bool any_parameter(const ModuleState& module, bool recurse, const std::function<bool(const TensorImpl&)>& holds) {
  for (const auto& [name, slot] : module.parameters)
    if (slot->tensor.defined() && holds(*slot->tensor.impl())) return true;
  return recurse && std::any_of(module.children.begin(), module.children.end(),
                                [&](const auto& child) { return any_parameter(*ModuleState::of(child.second), true, holds); });
}

/// What it is, on one line: "Linear(in_features=2, out_features=3, bias=True)".
std::string title(const ModuleState& module) {
  const std::type_info* type = module.cpp_type ? module.cpp_type.load() : module.registered_as;
  const std::string name = !module.name.empty() ? module.name : type ? detail::readable(*type) : "Module";
  return fmt::format("{}({})", name, module.children.empty() ? module.details : "…");
}

void report(const char* optimizer, const std::vector<Tensor>& trained) {
  std::set<uint64_t> passes;
  bool trains_modules = false;
  for (const Tensor& p : trained) {
    if (p.impl()->sink && p.impl()->sink->last_pass() > 0) passes.insert(p.impl()->sink->last_pass());
    trains_modules = trains_modules || p.impl()->is_parameter;
  }
  if (!trains_modules || passes.empty() || Called::is_gone) return;
  const auto is_optimized = [](const TensorImpl& p) { return p.is_optimized; };
  const auto has_gradient = [&](const TensorImpl& p) { return p.sink && passes.contains(p.sink->last_pass()); };
  std::set<const ModuleState*> told;
  std::lock_guard lock(detail::tree_mutex);
  called.keep_if([&](ModuleState& module) {
    const Handle root = root_of(module.shared_from_this());
    if (told.contains(root.get()) || any_parameter(*root, true, is_optimized)) return false;
    if (!any_parameter(module, false, has_gradient)) return true;
    told.insert(root.get());
    const std::string inside = root.get() == &module ? "" : fmt::format(" (its {}, {})", detail::path_of(module, {}), title(module));
    fmt::print(stderr,
               "gradus: warning: {}{} took part in a backward pass, but is not in a registered module and no optimizer has its "
               "parameters, so {} does not train it. Pass it through register_module in the module that it belongs to, or give its "
               "parameters to an optimizer, or freeze it with requires_grad_(false).\n",
               title(*root), inside, optimizer);
    return false;
  });
}

[[maybe_unused]] const bool reports = (report_untrained = report, true);

}  // namespace

void detail::note_call(ModuleState& module) {
  if (module.is_noted.exchange(true) || module.parameters.empty() || Called::is_gone) return;
  called.add(module);
}

}  // namespace gradus::nn
