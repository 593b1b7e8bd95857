#include "gradus/nn/module.h"

#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ostream>
#include <unordered_map>
#include <unordered_set>

#include "autograd/row_sparse.h"
#include "autograd/set_data.h"
#include "autograd/tensor_impl.h"
#include "core/check.h"
#include "gradus/autograd.h"
#include "nn/module_state.h"

namespace gradus::nn {

using detail::ModuleState;
using detail::Slots;

Module::Module() : state_(std::make_shared<ModuleState>()) {}
Module::Module(std::string name, std::string details) : Module() {
  state_->name = std::move(name);
  state_->details = std::move(details);
}
Module::Module(const Module& other) = default;
Module::~Module() = default;

Module& Module::operator=(const Module& other) {
  leave_for(other);
  state_ = other.state_;
  return *this;
}

Module& Module::operator=(Module&& other) noexcept {
  leave_for(other);
  state_ = std::move(other.state_);
  return *this;
}

/// This handle is about to stand for another module. Its members, which are assigned after it, are to do the same, rather than to put
/// the other module's parameters in the place of this one's.
void Module::leave_for(const Module& other) noexcept {
  if (!state_ || state_.get() == other.state_.get()) return;
  for (const Slots* slots : {&state_->parameters, &state_->buffers})
    for (const auto& [name, slot] : *slots) {
      std::lock_guard lock(slot->mutex);
      slot->left_for = other.state_.get();
    }
}

void Module::fail_moved_from() const {
  fail<StateError>("{}: this handle was moved from and is empty; use the one that it was moved to", detail::readable(typeid(*this)));
}

std::any& Module::held_contents() const { return state().contents; }

// ---- registration

namespace {

void check_name(const char* op, const std::string& name, const Slots& parameters, const Slots& buffers,
                const std::vector<std::pair<std::string, Module>>& children) {
  check<ValueError>(!name.empty() && name.find('.') == std::string::npos, "{}: the name '{}' must not be empty or hold a dot", op, name);
  const auto same = [&](const auto& entry) { return entry.first == name; };
  check<ValueError>(std::none_of(parameters.begin(), parameters.end(), same) && std::none_of(buffers.begin(), buffers.end(), same) &&
                        std::none_of(children.begin(), children.end(), same),
                    "{}: the name '{}' is taken", op, name);
}

}  // namespace

std::string detail::readable(const std::type_info& type) {
  int status = 0;
  char* demangled = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  const std::string name = status == 0 ? demangled : type.name();
  std::free(demangled);
  size_t begin = 0, end = name.size();
  int depth = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '<' && depth == 0) end = i;
    if (std::string_view("<({").find(name[i]) != std::string_view::npos) ++depth;
    if (std::string_view(">)}").find(name[i]) != std::string_view::npos) --depth;
    if (depth == 0 && name.compare(i, 2, "::") == 0) {
      begin = i + 2;
      end = name.size();
    }
  }
  return name.substr(begin, end - begin);
}

/// A copy as Module knows its C++ type no more, so the first to ask with the whole type decides.
void Module::name_after(const std::type_info& type) const {
  const std::type_info* none = nullptr;
  state().cpp_type.compare_exchange_strong(none, &type);
}

Parameter Module::register_parameter(const std::string& name, const Tensor& tensor) {
  check_name("register_parameter", name, state().parameters, state().buffers, state().children);
  check<StateError>(tensor.defined(), "register_parameter: '{}' is undefined; give it a value first", name);
  tensor.requires_grad_();
  tensor.impl()->is_parameter = true;
  Parameter parameter(tensor);
  parameter.slot_->owner = state_.pointer();
  state_->parameters.emplace_back(name, parameter.slot_.pointer());
  return parameter;
}

Parameter Module::register_buffer(const std::string& name, const Tensor& tensor) {
  check_name("register_buffer", name, state().parameters, state().buffers, state().children);
  check<StateError>(tensor.defined(), "register_buffer: '{}' is undefined; give it a value first", name);
  check<AutogradError>(tensor.is_leaf(), "register_buffer: '{}' is a result of {}; register its detach()", name, tensor.grad_fn());
  Parameter buffer(tensor);
  buffer.slot_->owner = state_.pointer();
  buffer.slot_->is_buffer = true;
  state_->buffers.emplace_back(name, buffer.slot_.pointer());
  return buffer;
}

void Module::check_child(const std::string& name, const Module& child, const std::vector<std::pair<std::string, Module>>& siblings) const {
  check_name("register_module", name, state().parameters, state().buffers, siblings);
  for (const auto& [place, inside] : child.named_modules())
    check<ValueError>(inside.state_.get() != state_.get(), "register_module: with '{}' the module would contain itself", name);
}

void Module::add_child(const std::string& name, const Module& child, const std::type_info& type) {
  state().registered_as = &typeid(*this);
  child.name_after(type);
  check_child(name, child, state().children);
  std::lock_guard lock(detail::tree_mutex);
  state_->children.emplace_back(name, child);
  detail::add_parent(*child.state_, state_.pointer());
}

void Module::set_children(std::vector<std::pair<std::string, Module>> children) const {
  std::vector<std::pair<std::string, Module>> checked;
  for (auto& [name, child] : children) {
    check_child(name, child, checked);
    checked.emplace_back(name, std::move(child));
  }
  std::lock_guard lock(detail::tree_mutex);
  for (const auto& [name, child] : checked) detail::add_parent(*child.state_, state_.pointer());
  std::swap(state_->children, checked);  // those of before go when the lock is gone: what they hold may do anything
}

const Module& Module::named(const Module& module) {
  module.name_after(typeid(module));
  return module;
}

// ---- walking the tree

static std::string joined(const std::string& prefix, const std::string& name) { return prefix.empty() ? name : prefix + "." + name; }

std::vector<std::pair<std::string, Module>> Module::named_children() const { return state().children; }

std::vector<std::pair<std::string, Module>> Module::named_modules() const {
  name_after(typeid(*this));
  std::vector<std::pair<std::string, Module>> found;
  std::unordered_set<const ModuleState*> seen;
  const auto walk = [&](const auto& self, const std::string& prefix, const Module& module) -> void {
    if (!seen.insert(module.state_.get()).second) return;
    found.emplace_back(prefix, module);
    for (const auto& [name, child] : module.state_->children) self(self, joined(prefix, name), child);
  };
  walk(walk, "", *this);
  return found;
}

namespace {
void append(StateDict& out, const std::string& prefix, const Slots& entries) {
  for (const auto& [name, slot] : entries) {
    std::lock_guard lock(slot->mutex);
    out.emplace_back(joined(prefix, name), slot->tensor);
  }
}

StateDict without_repeats(const StateDict& entries) {
  StateDict out;
  std::unordered_set<const TensorImpl*> seen;
  for (const auto& entry : entries)
    if (seen.insert(entry.second.impl()).second) out.push_back(entry);
  return out;
}

std::vector<Tensor> values(const StateDict& entries) {
  std::vector<Tensor> tensors;
  for (const auto& [name, tensor] : entries) tensors.push_back(tensor);
  return tensors;
}
}  // namespace

StateDict Module::named_parameters(bool recurse) const {
  StateDict all;
  if (!recurse) {
    append(all, "", state().parameters);
    return without_repeats(all);
  }
  for (const auto& [prefix, module] : named_modules()) append(all, prefix, module.state_->parameters);
  return without_repeats(all);
}

StateDict Module::named_buffers(bool recurse) const {
  StateDict all;
  if (!recurse) {
    append(all, "", state().buffers);
    return without_repeats(all);
  }
  for (const auto& [prefix, module] : named_modules()) append(all, prefix, module.state_->buffers);
  return without_repeats(all);
}

std::vector<Tensor> Module::parameters(bool recurse) const { return values(named_parameters(recurse)); }
std::vector<Tensor> Module::buffers(bool recurse) const { return values(named_buffers(recurse)); }

void Module::apply(const std::function<void(const Module&)>& f) const {
  name_after(typeid(*this));
  for (const auto& [name, child] : state_->children) child.apply(f);
  f(*this);
}

// ---- state

namespace {
/// Parameters and buffers as they are, under each of their names.
StateDict all_of(const ModuleState& module, const std::string& prefix = "") {
  StateDict all;
  append(all, prefix, module.parameters);
  append(all, prefix, module.buffers);
  for (const auto& [name, child] : module.children) {
    const StateDict inside = all_of(*ModuleState::of(child), joined(prefix, name));
    all.insert(all.end(), inside.begin(), inside.end());
  }
  return all;
}
}  // namespace

StateDict Module::state_dict() const {
  StateDict all = all_of(state());
  for (auto& [name, tensor] : all) tensor = tensor.detach();
  return all;
}

void Module::load_state_dict(const StateDict& given, bool strict) const { prepare_load_state_dict(given, strict)(); }

std::function<void()> Module::prepare_load_state_dict(const StateDict& given, bool strict) const {
  std::unordered_map<std::string_view, Tensor> left;  // of what is given: what no parameter or buffer has taken yet
  std::string problems;
  for (const auto& [name, tensor] : given)
    if (!left.emplace(name, tensor).second) problems += fmt::format("\n  repeated: {}", name);
  const StateDict own = all_of(state());
  std::unordered_set<const TensorImpl*> found_somewhere;  // a tensor that is shared may come under any of its names
  for (const auto& [name, tensor] : own)
    if (left.contains(name)) found_somewhere.insert(tensor.impl());
  std::vector<std::pair<Tensor, Tensor>> copies;  // to, from
  for (const auto& [name, tensor] : own) {
    const auto found = left.find(name);
    if (found == left.end()) {
      if (strict && !found_somewhere.contains(tensor.impl())) problems += fmt::format("\n  missing: {} {}", name, tensor.shape());
      continue;
    }
    const Tensor source = found->second;
    left.erase(found);
    copies.emplace_back(tensor, source);
    if (!source.defined()) problems += fmt::format("\n  undefined: {}", name);
    else if (source.shape() != tensor.shape() || source.dtype() != tensor.dtype())
      problems += fmt::format("\n  mismatched: {} is {} {}, given {} {}", name, gradus::name(tensor.dtype()), tensor.shape(),
                              gradus::name(source.dtype()), source.shape());
    else if (source.is_sparse()) problems += fmt::format("\n  not dense: {}", name);
    else if (overlaps(tensor.impl()->layout)) problems += fmt::format("\n  cannot be written, as its elements share memory: {}", name);
  }
  if (strict)
    for (const auto& [name, tensor] : given)
      if (left.erase(name) > 0) problems += fmt::format("\n  unexpected: {}", name);
  check<ValueError>(problems.empty(), "load_state_dict: the state does not fit {}, nothing was loaded:{}", type_name(), problems);
  return [copies = std::move(copies)] {
    NoGradGuard no_grad;
    for (const auto& [to, from] : copies) to.detach().copy_(from);
  };
}

void Module::train(bool mode) const {
  for (const auto& [name, module] : named_modules()) module.state_->training = mode;
}
void Module::eval() const { train(false); }
bool Module::is_training() const { return state().training; }

void Module::to(DType dtype) const {
  check<DTypeError>(is_floating_point(dtype), "Module::to: parameters are float32 or float64, not {}", gradus::name(dtype));
  StateDict all = named_parameters();
  for (auto& buffer : named_buffers()) all.push_back(std::move(buffer));
  std::vector<std::pair<Tensor, Tensor>> converted;  // all of them are made before any takes its place
  for (const auto& [name, tensor] : all)
    if (is_floating_point(tensor.dtype()) && tensor.dtype() != dtype) converted.emplace_back(tensor, tensor.detach().to(dtype));
  for (const auto& [tensor, value] : converted) set_data(tensor, value);
}

void Module::zero_grad(bool set_to_none) const {
  for (const Tensor& parameter : parameters()) {
    if (set_to_none) parameter.set_grad({});
    else zero_gradient(parameter);
  }
}

void Module::requires_grad_(bool requires_grad) const {
  for (const Tensor& parameter : parameters()) parameter.requires_grad_(requires_grad);
}

// ---- text

std::string Module::type_name() const {
  name_after(typeid(*this));
  return state_->name.empty() ? detail::readable(*state_->cpp_type) : state_->name;
}

std::string Module::str() const {
  const std::string head = type_name() + "(";
  const bool one_line = state_->details.find('\n') == std::string::npos;
  if (state_->children.empty() && one_line) return head + state_->details + ")";
  const auto indented = [](std::string text) {
    for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 3) text.insert(at + 1, "  ");
    return "\n  " + text;
  };
  std::string text = head;
  if (!state_->details.empty()) text += indented(state_->details);
  for (const auto& [name, child] : state_->children) text += indented(fmt::format("({}): {}", name, child.str()));
  return text + "\n)";
}

std::ostream& operator<<(std::ostream& out, const Module& module) { return out << module.str(); }

}  // namespace gradus::nn
