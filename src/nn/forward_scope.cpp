#include <algorithm>
#include <mutex>
#include <type_traits>
#include <utility>

#include "core/error_context.h"
#include "core/fork.h"
#include "gradus/autograd.h"
#include "nn/module_state.h"
#include "nn/output_watch.h"

namespace gradus::nn {

using detail::ModuleState;

namespace {

/// Read at every call of a layer; this model of thread-local storage does it in one instruction, and a library that is loaded at run time
/// has room for so little of it.
__attribute__((tls_model("initial-exec"))) thread_local constinit const ForwardScope* innermost = nullptr;
__attribute__((tls_model("initial-exec"))) thread_local constinit const OutputWatch* watch = nullptr;

using Handle = std::shared_ptr<ModuleState>;

/// The name under which `parent` has `child`; none when it does not have it any more.
const std::string* name_in(const ModuleState& parent, const ModuleState& child) {
  for (const auto& [name, module] : parent.children)
    if (ModuleState::of(module) == &child) return &name;
  return nullptr;
}

/// Whether module, or one that contains it, is being called.
bool leads_to_active(const ModuleState& module, const std::vector<const ModuleState*>& active) {
  if (std::find(active.begin(), active.end(), &module) != active.end()) return true;
  return std::any_of(module.parents.begin(), module.parents.end(), [&](const auto& weak) {
    const Handle parent = weak.lock();
    return parent && name_in(*parent, module) && leads_to_active(*parent, active);
  });
}

/// The parent by way of which module is being called, or else the first.
Handle parent_of(const ModuleState& module, const std::vector<const ModuleState*>& active) {
  Handle first;
  for (const auto& weak : module.parents) {
    Handle parent = weak.lock();
    if (!parent || !name_in(*parent, module)) continue;
    if (leads_to_active(*parent, active)) return parent;
    if (!first) first = std::move(parent);
  }
  return first;
}

}  // namespace

namespace detail {

static_assert(std::is_trivially_destructible_v<std::mutex>);  // modules may be in static storage
constinit std::mutex tree_mutex;
[[maybe_unused]] static const bool tree_prepared =
    at_fork(ForkOrder::Modules, {.before = [] { tree_mutex.lock(); }, .after = [] { tree_mutex.unlock(); }});

void add_parent(ModuleState& child, const std::shared_ptr<ModuleState>& parent) {
  auto& parents = child.parents;
  std::erase_if(parents, [&](const std::weak_ptr<ModuleState>& known) {
    const Handle handle = known.lock();
    return !handle || handle == parent;
  });
  parents.push_back(parent);
}

std::string path_of(const ModuleState& module, const std::vector<const ModuleState*>& active) {
  std::string path;
  const ModuleState* at = &module;
  for (Handle parent = parent_of(*at, active), below; parent; below = std::exchange(parent, parent_of(*parent, active))) {
    path = *name_in(*parent, *at) + (path.empty() ? "" : "." + path);
    at = parent.get();
  }
  return path;
}

}  // namespace detail

// ---- what is being called

namespace {

std::string current_path() {
  if (!innermost) return "";
  const std::vector<const ModuleState*> active = ForwardScope::active();
  if (active.empty()) return "";
  std::lock_guard lock(detail::tree_mutex);
  return detail::path_of(*active[0], {active.begin() + 1, active.end()});
}

[[maybe_unused]] const bool paths_are_told = (set_error_context(current_path), true);

}  // namespace

ForwardScope::ForwardScope(const Module& module) : module_(module), outer_(innermost), watch_(watch) {
  ModuleState& state = module.state();
  if (!state.is_noted.load(std::memory_order_relaxed) && is_grad_enabled()) [[unlikely]]
    detail::note_call(state);
  innermost = this;
}

ForwardScope::~ForwardScope() { innermost = outer_; }

void ForwardScope::show(const std::vector<Tensor>& outputs) const {
  if (const ModuleState* state = ModuleState::of(module_)) watch_->tell(*state, outputs);
}

OutputWatch::OutputWatch(Tell tell) : tell_(std::move(tell)), outer_(std::exchange(watch, this)) {}
OutputWatch::~OutputWatch() { watch = outer_; }

std::vector<const ModuleState*> ForwardScope::active() {
  std::vector<const ModuleState*> states;
  for (const ForwardScope* scope = innermost; scope; scope = scope->outer_)
    if (const ModuleState* state = ModuleState::of(scope->module_)) states.push_back(state);
  return states;
}

}  // namespace gradus::nn
