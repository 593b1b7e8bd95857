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
#include "core/check.h"
#include "gradus/autograd.h"
#include "nn/module_state.h"

namespace gradus::nn {

// ---- deep copies

/// Originals and their copies. A copy is entered as its own copy, for constructors that copy what they have just copied.
struct Cloner::Map {
  std::unordered_map<const void*, std::shared_ptr<Module::State>> states;
  std::unordered_map<const TensorImpl*, Tensor> tensors;

  Tensor copy(const Tensor& x) {
    if (!x.defined()) return x;
    if (const auto found = tensors.find(x.impl()); found != tensors.end()) return found->second;
    NoGradGuard no_grad;
    const Tensor fresh = x.detach().clone();
    if (x.requires_grad()) fresh.requires_grad_();
    tensors.emplace(x.impl(), fresh);
    tensors.emplace(fresh.impl(), fresh);
    return fresh;
  }

  std::shared_ptr<Module::State> copy(const std::shared_ptr<Module::State>& state) {
    if (!state) return state;
    if (const auto found = states.find(state.get()); found != states.end()) return found->second;
    auto fresh = std::make_shared<Module::State>();
    states.emplace(state.get(), fresh);
    states.emplace(fresh.get(), fresh);
    fresh->name = state->name;
    fresh->cpp_type = state->cpp_type.load();
    fresh->details = state->details;
    fresh->training = state->training;
    for (const auto& [name, tensor] : state->parameters) fresh->parameters.emplace_back(name, copy(tensor));
    for (const auto& [name, tensor] : state->buffers) fresh->buffers.emplace_back(name, copy(tensor));
    fresh->children = state->children;  // these copy modules, which asks this map again
    fresh->contents = state->contents;
    return fresh;
  }
};

static thread_local Cloner* active_cloner = nullptr;

Cloner::Cloner() : map_(std::make_unique<Map>()), before_(std::exchange(active_cloner, this)) {}
Cloner::~Cloner() { active_cloner = before_; }

Parameter::Parameter(const Parameter& other)
    : Tensor(active_cloner ? active_cloner->map_->copy(other) : static_cast<const Tensor&>(other)) {}

Module::Module() : state_(std::make_shared<State>()) {}
Module::Module(std::string name, std::string details) : Module() {
  state_->name = std::move(name);
  state_->details = std::move(details);
}
Module::Module(const Module& other) : state_(active_cloner ? active_cloner->map_->copy(other.state_) : other.state_) {}
Module::~Module() = default;

Module::State& Module::state() const {
  check<StateError>(state_ != nullptr, "Module: this handle was moved from and is empty; use the one that it was moved to");
  return *state_;
}

std::any& Module::held_contents() const { return state().contents; }

// ---- registration

namespace {

void check_name(const char* op, const std::string& name, const StateDict& parameters, const StateDict& buffers,
                const std::vector<std::pair<std::string, Module>>& children) {
  check<ValueError>(!name.empty() && name.find('.') == std::string::npos, "{}: the name '{}' must not be empty or hold a dot", op, name);
  const auto same = [&](const auto& entry) { return entry.first == name; };
  check<ValueError>(std::none_of(parameters.begin(), parameters.end(), same) && std::none_of(buffers.begin(), buffers.end(), same) &&
                        std::none_of(children.begin(), children.end(), same),
                    "{}: the name '{}' is taken", op, name);
}

/// "my_models::Encoder<int>" to "Encoder": what stands behind the last "::" outside brackets, without template arguments.
std::string readable(const std::type_info& type) {
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

}  // namespace

/// A copy as Module knows its C++ type no more, so the first to ask with the whole type decides.
void Module::name_after(const std::type_info& type) const {
  const std::type_info* none = nullptr;
  state().cpp_type.compare_exchange_strong(none, &type);
}

Parameter Module::register_parameter(const std::string& name, const Tensor& tensor) {
  check_name("register_parameter", name, state().parameters, state().buffers, state().children);
  check<StateError>(tensor.defined(), "register_parameter: '{}' is undefined; give it a value first", name);
  tensor.requires_grad_();
  state_->parameters.emplace_back(name, tensor);
  return Parameter(tensor);
}

Parameter Module::register_buffer(const std::string& name, const Tensor& tensor) {
  check_name("register_buffer", name, state().parameters, state().buffers, state().children);
  check<StateError>(tensor.defined(), "register_buffer: '{}' is undefined; give it a value first", name);
  check<AutogradError>(tensor.is_leaf(), "register_buffer: '{}' is a result of {}; register its detach()", name, tensor.grad_fn());
  state_->buffers.emplace_back(name, tensor);
  return Parameter(tensor);
}

void Module::check_child(const std::string& name, const Module& child, const std::vector<std::pair<std::string, Module>>& siblings) const {
  check_name("register_module", name, state().parameters, state().buffers, siblings);
  for (const auto& [place, inside] : child.named_modules())
    check<ValueError>(inside.state_ != state_, "register_module: with '{}' the module would contain itself", name);
}

void Module::add_child(const std::string& name, const Module& child, const std::type_info& type) {
  child.name_after(type);
  check_child(name, child, state().children);
  state_->children.emplace_back(name, child);
}

void Module::set_children(std::vector<std::pair<std::string, Module>> children) const {
  std::vector<std::pair<std::string, Module>> checked;
  for (auto& [name, child] : children) {
    check_child(name, child, checked);
    checked.emplace_back(name, std::move(child));
  }
  state().children = std::move(checked);
}

const Module& Module::named(const Module& module) {
  module.name_after(typeid(module));
  return module;
}

// ---- walking the tree

std::vector<std::pair<std::string, Module>> Module::named_children() const { return state().children; }

std::vector<std::pair<std::string, Module>> Module::named_modules() const {
  name_after(typeid(*this));
  std::vector<std::pair<std::string, Module>> found;
  std::unordered_set<const State*> seen;
  const auto walk = [&](const auto& self, const std::string& prefix, const Module& module) -> void {
    if (!seen.insert(module.state_.get()).second) return;
    found.emplace_back(prefix, module);
    for (const auto& [name, child] : module.state_->children) self(self, prefix.empty() ? name : prefix + "." + name, child);
  };
  walk(walk, "", *this);
  return found;
}

namespace {
void append(StateDict& out, const std::string& prefix, const StateDict& entries) {
  for (const auto& [name, tensor] : entries) out.emplace_back(prefix.empty() ? name : prefix + "." + name, tensor);
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
  if (!recurse) return without_repeats(state().parameters);
  for (const auto& [prefix, module] : named_modules()) append(all, prefix, module.state_->parameters);
  return without_repeats(all);
}

StateDict Module::named_buffers(bool recurse) const {
  StateDict all;
  if (!recurse) return without_repeats(state().buffers);
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

StateDict Module::state_dict() const {
  StateDict all;
  const auto walk = [&](const auto& self, const std::string& prefix, const Module& module) -> void {
    append(all, prefix, module.state().parameters);
    append(all, prefix, module.state().buffers);
    for (const auto& [name, child] : module.state().children) self(self, prefix.empty() ? name : prefix + "." + name, child);
  };
  walk(walk, "", *this);
  for (auto& [name, tensor] : all) tensor = tensor.detach();
  return all;
}

void Module::load_state_dict(const StateDict& given, bool strict) const {
  std::unordered_map<std::string_view, Tensor> left;  // of what is given: what no parameter or buffer has taken yet
  std::string problems;
  for (const auto& [name, tensor] : given)
    if (!left.emplace(name, tensor).second) problems += fmt::format("\n  repeated: {}", name);
  const StateDict own = state_dict();
  std::vector<std::pair<Tensor, Tensor>> copies;  // to, from
  for (const auto& [name, tensor] : own) {
    const auto found = left.find(name);
    if (found == left.end()) {
      if (strict) problems += fmt::format("\n  missing: {} {}", name, tensor.shape());
      continue;
    }
    const Tensor source = found->second;
    left.erase(found);
    copies.emplace_back(tensor, source);
    if (!source.defined()) problems += fmt::format("\n  undefined: {}", name);
    else if (source.shape() != tensor.shape() || source.dtype() != tensor.dtype())
      problems += fmt::format("\n  mismatched: {} is {} {}, given {} {}", name, gradus::name(tensor.dtype()), tensor.shape(),
                              gradus::name(source.dtype()), source.shape());
  }
  if (strict)
    for (const auto& [name, tensor] : given)
      if (left.erase(name) > 0) problems += fmt::format("\n  unexpected: {}", name);
  check<ValueError>(problems.empty(), "load_state_dict: the state does not fit {}, nothing was loaded:{}", type_name(), problems);
  NoGradGuard no_grad;
  for (const auto& [to, from] : copies) to.copy_(from);
}

void Module::train(bool mode) const {
  for (const auto& [name, module] : named_modules()) module.state_->training = mode;
}
void Module::eval() const { train(false); }
bool Module::is_training() const { return state().training; }

void Module::to(DType dtype) const {
  check<DTypeError>(is_floating_point(dtype), "Module::to: parameters are float32 or float64, not {}", gradus::name(dtype));
  StateDict all = named_parameters();
  append(all, "", named_buffers());
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
  return state_->name.empty() ? readable(*state_->cpp_type) : state_->name;
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
