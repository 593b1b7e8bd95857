#include "gradus/nn/module.h"

#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ostream>
#include <unordered_map>
#include <unordered_set>

#include "autograd/set_data.h"
#include "core/check.h"
#include "gradus/autograd.h"
#include "gradus/ops.h"

namespace gradus::nn {

struct Module::State {
  std::string type;     // empty: the C++ type, found when it is first needed
  std::string details;
  bool training = true;
  StateDict parameters;
  StateDict buffers;
  std::vector<std::pair<std::string, Module>> children;
};

// ---- deep copies

struct Cloner::Map {
  std::unordered_map<const void*, std::shared_ptr<Module::State>> states;
  std::unordered_map<const TensorImpl*, Tensor> tensors;

  Tensor copy(const Tensor& x) {
    if (!x.defined()) return x;
    const auto [entry, fresh] = tensors.try_emplace(x.impl());
    if (fresh) {
      NoGradGuard no_grad;
      entry->second = x.detach().clone();
      if (x.requires_grad()) entry->second.requires_grad_();
    }
    return entry->second;
  }

  std::shared_ptr<Module::State> copy(const std::shared_ptr<Module::State>& state) {
    if (!state) return state;
    if (const auto found = states.find(state.get()); found != states.end()) return found->second;
    auto fresh = std::make_shared<Module::State>();
    states.emplace(state.get(), fresh);
    fresh->type = state->type;
    fresh->details = state->details;
    fresh->training = state->training;
    for (const auto& [name, tensor] : state->parameters) fresh->parameters.emplace_back(name, copy(tensor));
    for (const auto& [name, tensor] : state->buffers) fresh->buffers.emplace_back(name, copy(tensor));
    fresh->children = state->children;
    return fresh;
  }
};

static thread_local Cloner* active_cloner = nullptr;

Cloner::Cloner() : map_(std::make_unique<Map>()), before_(std::exchange(active_cloner, this)) {}
Cloner::~Cloner() { active_cloner = before_; }

Parameter::Parameter(const Parameter& other) : Tensor(active_cloner ? active_cloner->map_->copy(other) : static_cast<const Tensor&>(other)) {}

Module::Module() : state_(std::make_shared<State>()) {}
Module::Module(std::string name, std::string details) : Module() {
  state_->type = std::move(name);
  state_->details = std::move(details);
}
Module::Module(const Module& other) : state_(active_cloner ? active_cloner->map_->copy(other.state_) : other.state_) {}
Module::~Module() = default;

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

/// "my_models::Encoder" to "Encoder".
std::string readable(const std::type_info& type) {
  int status = 0;
  char* demangled = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string name = status == 0 ? demangled : type.name();
  std::free(demangled);
  const size_t arguments = name.find('<');
  const size_t colon = name.rfind("::", arguments);
  if (colon != std::string::npos) name = name.substr(colon + 2);
  return name.substr(0, name.find('<'));
}

}  // namespace

void Module::name_after(const std::type_info& type) const {
  if (state_->type.empty()) state_->type = readable(type);
}

Parameter Module::register_parameter(const std::string& name, const Tensor& tensor) {
  check_name("register_parameter", name, state_->parameters, state_->buffers, state_->children);
  check<StateError>(tensor.defined(), "register_parameter: '{}' is undefined; give it a value first", name);
  tensor.requires_grad_();
  state_->parameters.emplace_back(name, tensor);
  return Parameter(tensor);
}

Parameter Module::register_buffer(const std::string& name, const Tensor& tensor) {
  check_name("register_buffer", name, state_->parameters, state_->buffers, state_->children);
  check<StateError>(tensor.defined(), "register_buffer: '{}' is undefined; give it a value first", name);
  state_->buffers.emplace_back(name, tensor);
  return Parameter(tensor);
}

void Module::add_child(const std::string& name, const Module& child, const std::type_info& type) {
  check_name("register_module", name, state_->parameters, state_->buffers, state_->children);
  child.name_after(type);
  state_->children.emplace_back(name, child);
}

// ---- walking the tree

std::vector<std::pair<std::string, Module>> Module::named_children() const { return state_->children; }

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

StateDict Module::named_parameters() const {
  StateDict all;
  for (const auto& [prefix, module] : named_modules()) append(all, prefix, module.state_->parameters);
  return without_repeats(all);
}

StateDict Module::named_buffers() const {
  StateDict all;
  for (const auto& [prefix, module] : named_modules()) append(all, prefix, module.state_->buffers);
  return without_repeats(all);
}

std::vector<Tensor> Module::parameters() const { return values(named_parameters()); }
std::vector<Tensor> Module::buffers() const { return values(named_buffers()); }

void Module::apply(const std::function<void(const Module&)>& f) const {
  name_after(typeid(*this));
  for (const auto& [name, child] : state_->children) child.apply(f);
  f(*this);
}

// ---- state

StateDict Module::state_dict() const {
  StateDict all;
  const auto walk = [&](const auto& self, const std::string& prefix, const Module& module) -> void {
    append(all, prefix, module.state_->parameters);
    append(all, prefix, module.state_->buffers);
    for (const auto& [name, child] : module.state_->children) self(self, prefix.empty() ? name : prefix + "." + name, child);
  };
  walk(walk, "", *this);
  for (auto& [name, tensor] : all) tensor = tensor.detach();
  return all;
}

void Module::load_state_dict(const StateDict& state, bool strict) const {
  const StateDict own = state_dict();
  const auto find = [](const StateDict& in, const std::string& name) {
    return std::find_if(in.begin(), in.end(), [&](const auto& entry) { return entry.first == name; });
  };
  std::string problems;
  for (const auto& [name, tensor] : own) {
    const auto found = find(state, name);
    if (found == state.end()) {
      if (strict) problems += fmt::format("\n  missing: {} {}", name, tensor.shape());
    } else if (!found->second.defined()) {
      problems += fmt::format("\n  undefined: {}", name);
    } else if (found->second.shape() != tensor.shape() || found->second.dtype() != tensor.dtype()) {
      problems += fmt::format("\n  mismatched: {} is {} {}, given {} {}", name, gradus::name(tensor.dtype()), tensor.shape(),
                              gradus::name(found->second.dtype()), found->second.shape());
    }
  }
  if (strict)
    for (const auto& [name, tensor] : state)
      if (find(own, name) == own.end()) problems += fmt::format("\n  unexpected: {}", name);
  check<ValueError>(problems.empty(), "load_state_dict: the state does not fit {}, nothing was loaded:{}", type_name(), problems);
  NoGradGuard no_grad;
  for (const auto& [name, tensor] : own)
    if (const auto found = find(state, name); found != state.end()) tensor.copy_(found->second);
}

void Module::train(bool mode) const {
  for (const auto& [name, module] : named_modules()) module.state_->training = mode;
}
void Module::eval() const { train(false); }
bool Module::is_training() const { return state_->training; }

void Module::to(DType dtype) const {
  check<DTypeError>(is_floating_point(dtype), "Module::to: parameters are float32 or float64, not {}", gradus::name(dtype));
  for (const StateDict& entries : {named_parameters(), named_buffers()})
    for (const auto& [name, tensor] : entries)
      if (is_floating_point(tensor.dtype())) set_data(tensor, tensor.detach().to(dtype));
}

void Module::zero_grad(bool set_to_none) const {
  for (const Tensor& parameter : parameters()) {
    if (set_to_none) parameter.set_grad({});
    else if (parameter.grad().defined()) parameter.grad().detach().zero_();
  }
}

void Module::requires_grad_(bool requires_grad) const {
  for (const Tensor& parameter : parameters()) parameter.requires_grad_(requires_grad);
}

// ---- text

std::string Module::type_name() const {
  name_after(typeid(*this));
  return state_->type;
}

std::string Module::str() const {
  name_after(typeid(*this));
  if (state_->children.empty()) return state_->type + "(" + state_->details + ")";
  std::string text = state_->type + "(";
  for (const auto& [name, child] : state_->children) {
    std::string inner = child.str();
    for (size_t at = 0; (at = inner.find('\n', at)) != std::string::npos; at += 3) inner.replace(at, 1, "\n  ");
    text += fmt::format("\n  ({}): {}", name, inner);
  }
  return text + "\n)";
}

std::ostream& operator<<(std::ostream& out, const Module& module) { return out << module.str(); }

}  // namespace gradus::nn
