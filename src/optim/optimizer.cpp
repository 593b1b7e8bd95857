#include <fmt/format.h>

#include <map>
#include <unordered_set>

#include "autograd/row_sparse.h"
#include "autograd/strided.h"
#include "autograd/tensor_impl.h"
#include "core/check.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/ops.h"
#include "gradus/optim.h"
#include "optim/validate.h"

namespace gradus::optim {

Optimizer::~Optimizer() = default;

void Optimizer::add_params(const std::vector<Tensor>& params) {
  check<ValueError>(!params.empty(), "{}: the parameter list is empty; there is nothing to train", name());
  std::unordered_set<const TensorImpl*> known;
  for (const Parameter& p : parameters_) known.insert(p.tensor.impl());
  std::vector<Parameter> added;
  for (size_t i = 0; i < params.size(); ++i) {
    const Tensor& p = params[i];
    check<StateError>(p.defined(), "{}: parameter {} is undefined", name(), i);
    check<DTypeError>(is_floating_point(p.dtype()), "{}: parameter {} is {}; only float32 and float64 can be trained", name(), i,
                      gradus::name(p.dtype()));
    check<ValueError>(p.is_leaf(),
                      "{}: parameter {} of shape {} is the output of {}, not a leaf; give the tensors that it was computed from", name(), i,
                      p.shape(), p.grad_fn());
    check<ValueError>(known.insert(p.impl()).second, "{}: parameter {} of shape {} is there twice; give each parameter once", name(), i,
                      p.shape());
    added.push_back({.group = groups_.size(), .tensor = p});
  }
  parameters_.reserve(parameters_.size() + added.size());
  groups_.push_back(params);
  for (Parameter& p : added) parameters_.push_back(std::move(p));
}

void Optimizer::check_group(size_t group) const {
  check<IndexError>(group < groups_.size(), "{}: there is no parameter group {}; there are {}", name(), group, groups_.size());
}

const std::vector<Tensor>& Optimizer::params(size_t group) const {
  check_group(group);
  return groups_[group];
}

double Optimizer::lr(size_t group) const {
  check_group(group);
  return const_cast<Optimizer*>(this)->lr_of(group);
}

void Optimizer::set_lr(double lr) {
  check_not_negative(name(), "lr", lr);
  for (size_t group = 0; group < groups_.size(); ++group) lr_of(group) = lr;
}

void Optimizer::set_lr(double lr, size_t group) {
  check_group(group);
  check_not_negative(name(), "lr", lr);
  lr_of(group) = lr;
}

void Optimizer::zero_grad(bool set_to_none) const {
  NoGradGuard no_grad;
  for (const Parameter& p : parameters_) {
    if (set_to_none) p.tensor.set_grad({});
    else zero_gradient(p.tensor);
  }
}

void Optimizer::step() {
  NoGradGuard no_grad;
  // All that can fail comes first, so that a step is made whole or not at all.
  struct Turn {
    Parameter& parameter;
    Update update;
  };
  std::vector<Turn> turns;
  for (Parameter& p : parameters_) {
    Tensor grad = p.tensor.grad();
    if (!grad.defined()) continue;
    check<AutogradError>(p.tensor.is_leaf(), "{}: a parameter of shape {} has become the output of {}; optimizers change leaves only",
                         name(), p.tensor.shape(), p.tensor.grad_fn());
    grad = grad.detach().to_dense();
    grad = grad.shares_storage_with(p.tensor) ? grad.clone() : grad.contiguous();
    std::vector<Tensor> buffers = p.buffers;
    const size_t wanted = buffer_names(p.group).size();
    while (buffers.size() < wanted) buffers.push_back(zeros(p.tensor.shape(), {.dtype = p.tensor.dtype()}));
    turns.push_back({p, {p.tensor.contiguous(), grad, std::move(buffers), p.steps + 1}});
  }
  for (Turn& turn : turns) {
    Parameter& p = turn.parameter;
    update(p.group, turn.update);
    if (!p.tensor.is_contiguous()) copy_elements(turn.update.param, p.tensor);
    p.tensor.impl()->storage->bump_version();
    p.buffers = std::move(turn.update.buffers);
    p.steps = turn.update.step;
  }
}

std::vector<std::pair<std::string, Tensor>> Optimizer::state_dict() const {
  NoGradGuard no_grad;
  std::vector<std::pair<std::string, Tensor>> state;
  for (size_t group = 0; group < groups_.size(); ++group)
    state.emplace_back(fmt::format("param_groups.{}.lr", group), full({}, lr(group), {.dtype = DType::Float64}));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& p = parameters_[i];
    if (p.steps == 0) continue;
    state.emplace_back(fmt::format("state.{}.step", i), full({}, p.steps, {.dtype = DType::Int64}));
    const std::vector<std::string> names = buffer_names(p.group);
    for (size_t b = 0; b < p.buffers.size(); ++b) state.emplace_back(fmt::format("state.{}.{}", i, names[b]), p.buffers[b].clone());
  }
  return state;
}

namespace {

/// Takes entries out of a state, and collects what is wrong with it.
class StateReader {
 public:
  explicit StateReader(const std::vector<std::pair<std::string, Tensor>>& state) {
    for (const auto& [name, tensor] : state)
      if (!entries_.emplace(name, tensor).second) problems_.push_back(name + " is there twice");
  }
  bool has(const std::string& name) const { return entries_.contains(name); }

  /// A contiguous copy of the entry; an undefined tensor when it is missing or does not fit.
  Tensor take(const std::string& name, const Shape& shape, DType dtype) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
      problems_.push_back(name + " is missing");
      return {};
    }
    const Tensor x = std::move(found->second);
    entries_.erase(found);
    if (x.defined() && x.shape() == shape && x.dtype() == dtype) return x.detach().clone();
    problems_.push_back(x.defined() ? fmt::format("{} is {} of shape {}, expected {} of shape {}", name, gradus::name(x.dtype()), x.shape(),
                                                  gradus::name(dtype), shape)
                                    : name + " is undefined");
    return {};
  }
  void refuse(std::string problem) { problems_.push_back(std::move(problem)); }

  void finish(const char* op) {
    for (const auto& [name, tensor] : entries_) problems_.push_back(name + " is unexpected");
    std::string text;
    for (const std::string& problem : problems_) text += (text.empty() ? "" : "; ") + problem;
    check<ValueError>(problems_.empty(), "{}: load_state_dict: the state does not fit: {}", op, text);
  }

 private:
  std::map<std::string, Tensor> entries_;
  std::vector<std::string> problems_;
};

}  // namespace

void Optimizer::load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state) {
  NoGradGuard no_grad;
  StateReader reader(state);
  std::vector<double> rates;
  for (size_t group = 0; group < groups_.size(); ++group) {
    const std::string entry = fmt::format("param_groups.{}.lr", group);
    const Tensor lr = reader.take(entry, {}, DType::Float64);
    rates.push_back(lr.defined() ? lr.item() : 0);
    if (!std::isfinite(rates.back()) || rates.back() < 0) reader.refuse(fmt::format("{} is {}", entry, rates.back()));
  }
  std::vector<Parameter> loaded = parameters_;
  for (size_t i = 0; i < loaded.size(); ++i) {
    Parameter& p = loaded[i];
    p.steps = 0;
    p.buffers.clear();
    const std::string prefix = fmt::format("state.{}.", i);
    const std::vector<std::string> names = buffer_names(p.group);
    bool started = reader.has(prefix + "step");
    for (const std::string& buffer : names) started = started || reader.has(prefix + buffer);
    if (!started) continue;
    const Tensor steps = reader.take(prefix + "step", {}, DType::Int64);
    p.steps = steps.defined() ? steps.item<int64_t>() : 1;
    if (p.steps < 1) reader.refuse(fmt::format("{}step is {}", prefix, p.steps));
    for (const std::string& buffer : names) p.buffers.push_back(reader.take(prefix + buffer, p.tensor.shape(), p.tensor.dtype()));
  }
  reader.finish(name());
  parameters_ = std::move(loaded);
  for (size_t group = 0; group < groups_.size(); ++group) lr_of(group) = rates[group];
}

}  // namespace gradus::optim
