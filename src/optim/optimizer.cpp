#include <fmt/format.h>

#include <map>
#include <unordered_set>

#include "autograd/row_sparse.h"
#include "autograd/strided.h"
#include "autograd/tensor_impl.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "core/span.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/ops.h"
#include "gradus/optim.h"
#include "kernels/embedding.h"
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

/// One parameter's update, and where it goes: into the tensors themselves or, for the rows that a row-sparse gradient names, into these
/// rows of them.
struct Optimizer::Turn {
  Parameter& parameter;
  Update update;
  Tensor param;                 // contiguous; the parameter itself, if it is
  std::vector<Tensor> buffers;  // what the parameter keeps
  Tensor rows;                  // undefined: all of them

  void take_rows(const Tensor& grad) {
    rows = reshape(grad.indices(), {-1});
    update.grad = grad.values().contiguous();
    update.param = index_select(param, 0, rows);
    for (Tensor& buffer : update.buffers) buffer = index_select(buffer, 0, rows);
  }
  void put_back() {
    if (rows.defined()) {
      put_rows(update.param, param);
      for (size_t b = 0; b < buffers.size(); ++b) put_rows(update.buffers[b], buffers[b]);
    }
    if (!parameter.tensor.is_contiguous()) copy_elements(param, parameter.tensor);
    parameter.tensor.impl()->storage->bump_version();
    parameter.buffers = std::move(buffers);
    parameter.steps = update.step;
  }
  void put_rows(const Tensor& from, const Tensor& to) const {
    dispatch_floating("step", to.dtype(), [&]<class T>() {
      const int64_t n = rows.numel();
      kernels::put_rows(n, n == 0 ? 0 : from.numel() / n, rows.data<int64_t>(), from.data<T>(), to.data<T>());
    });
  }
};

Optimizer::Turn Optimizer::turn_of(Parameter& p, Tensor grad) const {
  const RowSparseGradients kind = row_sparse_gradients(p.group);
  check<AutogradError>(p.tensor.is_leaf(), "{}: a parameter of shape {} has become the output of {}; optimizers change leaves only", name(),
                       p.tensor.shape(), p.tensor.grad_fn());
  check<ValueError>(grad.is_sparse() || kind != RowSparseGradients::Required,
                    "{}: the gradient of a parameter of shape {} is dense; give this optimizer the weights of embeddings with sparse, and "
                    "the others to Adam",
                    name(), p.tensor.shape());
  Turn turn{p, {p.tensor.contiguous(), {}, p.buffers, p.steps + 1}, {}, {}, {}};
  const size_t wanted = buffer_names(p.group).size();
  while (turn.update.buffers.size() < wanted) turn.update.buffers.push_back(zeros(p.tensor.shape(), {.dtype = p.tensor.dtype()}));
  turn.param = turn.update.param;
  turn.buffers = turn.update.buffers;
  if (grad.is_sparse() && kind != RowSparseGradients::Densified) {
    turn.take_rows(grad.coalesce());
  } else {
    grad = grad.detach().to_dense();
    turn.update.grad = grad.shares_storage_with(p.tensor) ? grad.clone() : grad.contiguous();
  }
  return turn;
}

void Optimizer::step() {
  const profiling::Span span(profiling::Kind::Operation, name());
  NoGradGuard no_grad;
  // All that can fail comes first, so that a step is made whole or not at all.
  std::vector<Turn> turns;
  for (Parameter& p : parameters_)
    if (const Tensor grad = p.tensor.grad(); grad.defined()) turns.push_back(turn_of(p, grad));
  for (Turn& turn : turns) {
    update(turn.parameter.group, turn.update);
    turn.put_back();
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
