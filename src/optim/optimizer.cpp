#include "gradus/optim/optimizer.h"

#include <algorithm>
#include <cmath>

#include "autograd/row_sparse.h"
#include "autograd/tensor_impl.h"
#include "autograd/untrained.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "core/span.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/ops/indexing.h"
#include "kernels/embedding.h"
#include "optim/state_reader.h"
#include "optim/validate.h"

namespace gradus::optim {

Optimizer::~Optimizer() = default;

void Optimizer::add_params(const std::vector<Tensor>& params) {
  check<ValueError>(!params.empty(), "{}: the parameter list is empty; there is nothing to train", name());
  std::vector<Parameter> added;
  for (size_t i = 0; i < params.size(); ++i) {
    const Tensor& p = params[i];
    check<StateError>(p.defined(), "{}: parameter {} is undefined", name(), i);
    check<DTypeError>(is_floating_point(p.dtype()), "{}: parameter {} is {}; only float32 and float64 can be trained", name(), i,
                      gradus::name(p.dtype()));
    check<ValueError>(p.is_leaf(),
                      "{}: parameter {} of shape {} is the output of {}, not a leaf; give the tensors that it was computed from", name(), i,
                      p.shape(), p.grad_fn());
    added.push_back({.group = groups_.size(), .tensor = p});
  }
  std::vector<Tensor> before;
  for (const Parameter& p : parameters_) before.push_back(p.tensor);
  check_apart(name(), before, params);
  parameters_.reserve(parameters_.size() + added.size());
  groups_.push_back({.params = params});
  for (Parameter& p : added) {
    p.tensor.impl()->is_optimized = true;
    parameters_.push_back(std::move(p));
  }
}

void Optimizer::check_group(size_t group) const {
  check<IndexError>(group < groups_.size(), "{}: there is no parameter group {}; there are {}", name(), group, groups_.size());
}

const std::vector<Tensor>& Optimizer::params(size_t group) const {
  check_group(group);
  return groups_[group].params;
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

std::optional<double> Optimizer::momentum(size_t group) const {
  check_group(group);
  auto* self = const_cast<Optimizer*>(this);
  if (const double* momentum = self->momentum_of(group)) return *momentum;
  if (const auto* betas = self->betas_of(group)) return (*betas)[0];
  return {};
}

void Optimizer::zero_grad(bool set_to_none) const {
  NoGradGuard no_grad;
  for (const Parameter& p : parameters_) {
    if (set_to_none) p.tensor.set_grad({});
    else zero_gradient(p.tensor);
  }
}

size_t Optimizer::needed_buffers(size_t group, const std::vector<Buffer>& all) const {
  const bool without_momentum = !all.empty() && all.back().of_momentum && *const_cast<Optimizer*>(this)->momentum_of(group) == 0;
  return all.size() - (without_momentum ? 1 : 0);
}

std::pair<Shape, DType> Optimizer::form_of(const Parameter& p, const Buffer& buffer) {
  if (buffer.scalar) return {Shape{}, DType::Float32};
  return {p.tensor.shape(), p.tensor.dtype()};
}

/// What the parameter keeps, in the dtype that it has now. The list is that of all its buffers.
std::vector<Tensor> Optimizer::buffers_of(const Parameter& p, const std::vector<Buffer>& list) {
  std::vector<Tensor> kept = p.buffers;
  for (size_t b = 0; b < kept.size(); ++b)
    if (const DType dtype = list[b].scalar ? DType::Float32 : p.tensor.dtype(); kept[b].dtype() != dtype) kept[b] = kept[b].to(dtype);
  return kept;
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
    rows = grad.indices().reshape({-1});
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
    for (const Tensor& buffer : buffers) buffer.impl()->storage->bump_version();
    parameter.buffers = std::move(buffers);
    parameter.steps = update.step;
  }
  void put_rows(const Tensor& from, const Tensor& to) const {
    dispatch_floating("step", to.dtype(), [&]<class T>() {
      const int64_t n = rows.numel();
      kernels::put_rows(n, n == 0 ? 0 : from.numel() / n, elements<int64_t>(rows), elements<T>(from), elements<T>(to));
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
  check<DTypeError>(grad.dtype() == p.tensor.dtype(), "{}: a parameter of shape {} is {}, but its gradient {}; call zero_grad()", name(),
                    p.tensor.shape(), gradus::name(p.tensor.dtype()), gradus::name(grad.dtype()));
  const std::vector<Buffer> all = buffers(p.group);
  Turn turn{p, {p.tensor.contiguous(), {}, buffers_of(p, all), p.buffers.empty(), p.steps + 1}, {}, {}, {}};
  for (size_t i = turn.update.buffers.size(), needed = needed_buffers(p.group, all); i < needed; ++i) {
    const auto [shape, dtype] = form_of(p, all[i]);
    turn.update.buffers.push_back(full(shape, all[i].start, {.dtype = dtype}));
  }
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

/// At the first step.
static void warn_of_untrained(const char* optimizer, const auto& parameters) {
  if (std::any_of(parameters.begin(), parameters.end(), [](const auto& p) { return p.steps > 0; })) return;
  const UntrainedReport report = report_untrained;
  if (!report) return;
  std::vector<Tensor> tensors;
  for (const auto& p : parameters) tensors.push_back(p.tensor);
  report(optimizer, tensors);
}

void Optimizer::step() {
  const profiling::Span span(profiling::Kind::Operation, name());
  NoGradGuard no_grad;
  // All that can fail comes first, so that a step is made whole or not at all.
  std::vector<Turn> turns;
  for (Parameter& p : parameters_)
    if (const Tensor grad = p.tensor.grad(); grad.defined()) turns.push_back(turn_of(p, grad));
  warn_of_untrained(name(), parameters_);
  for (Turn& turn : turns) {
    update(turn.parameter.group, turn.update);
    turn.put_back();
  }
}

State Optimizer::state_dict() const {
  NoGradGuard no_grad;
  auto* self = const_cast<Optimizer*>(this);
  State state;
  for (size_t group = 0; group < groups_.size(); ++group) {
    const std::string prefix = fmt::format("param_groups.{}.", group);
    state.emplace_back(prefix + "lr", number(lr(group)));
    if (const double* momentum = self->momentum_of(group)) state.emplace_back(prefix + "momentum", number(*momentum));
    if (const auto* betas = self->betas_of(group)) state.emplace_back(prefix + "betas", numbers({(*betas)[0], (*betas)[1]}));
    if (groups_[group].initial_lr) state.emplace_back(prefix + "initial_lr", number(*groups_[group].initial_lr));
  }
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& p = parameters_[i];
    if (p.steps == 0) continue;
    state.emplace_back(fmt::format("state.{}.step", i), whole(p.steps));
    const std::vector<Buffer> list = buffers(p.group);
    const std::vector<Tensor> kept = buffers_of(p, list);
    for (size_t b = 0; b < kept.size(); ++b) state.emplace_back(fmt::format("state.{}.{}", i, list[b].name), kept[b].clone());
  }
  return state;
}

/// What load_state_dict takes over of a group.
struct Optimizer::GroupState {
  double lr;
  std::optional<double> momentum, initial_lr;
  std::optional<std::array<double, 2>> betas;
};

Optimizer::GroupState Optimizer::read_group(StateReader& reader, size_t group) {
  const auto finite = [](double v) { return std::isfinite(v); };
  const auto take = [&](const char* option, bool (*fits)(double)) {
    const std::string entry = fmt::format("param_groups.{}.{}", group, option);
    const Tensor x = reader.take(entry, {}, DType::Float64);
    const double value = x.defined() ? x.item() : 0;
    if (!fits(value)) reader.refuse(fmt::format("{} is {}", entry, value));
    return value;
  };
  GroupState found{.lr = take("lr", finite), .momentum = {}, .initial_lr = groups_[group].initial_lr, .betas = {}};
  if (momentum_of(group)) found.momentum = take("momentum", [](double v) { return std::isfinite(v) && v >= 0; });
  if (betas_of(group)) {
    const auto betas = reader.take_numbers(fmt::format("param_groups.{}.betas", group), 2, [](double v) { return v >= 0 && v < 1; });
    found.betas = {betas[0], betas[1]};
  }
  if (reader.has(fmt::format("param_groups.{}.initial_lr", group))) found.initial_lr = take("initial_lr", finite);
  return found;
}

Optimizer::Parameter Optimizer::read_parameter(StateReader& reader, size_t i, const GroupState& group) const {
  Parameter p{.group = parameters_[i].group, .tensor = parameters_[i].tensor};
  const std::string prefix = fmt::format("state.{}.", i);
  const std::vector<Buffer> list = buffers(p.group);
  bool started = reader.has(prefix + "step");
  for (const Buffer& buffer : list) started = started || reader.has(prefix + buffer.name);
  if (!started) return p;
  p.steps = reader.take_whole(prefix + "step", 1);
  // The first step with a momentum may be still to come: where there is none, or this state or a scheduler has just brought it.
  const double* const momentum = const_cast<Optimizer*>(this)->momentum_of(p.group);
  const bool may_lack_momentum = !momentum || *momentum == 0 || *group.momentum == 0 || group.initial_lr;
  for (const Buffer& buffer : list) {
    if (buffer.of_momentum && may_lack_momentum && !reader.has(prefix + buffer.name)) break;
    const auto [shape, dtype] = form_of(p, buffer);
    p.buffers.push_back(reader.take(prefix + buffer.name, shape, dtype));
  }
  return p;
}

void Optimizer::load_state_dict(const State& state) { prepare_load_state_dict(state)(); }

std::function<void()> Optimizer::prepare_load_state_dict(const State& state) {
  NoGradGuard no_grad;
  StateReader reader(state);
  std::vector<GroupState> groups;
  for (size_t group = 0; group < groups_.size(); ++group) groups.push_back(read_group(reader, group));
  std::vector<Parameter> loaded;
  for (size_t i = 0; i < parameters_.size(); ++i) loaded.push_back(read_parameter(reader, i, groups[parameters_[i].group]));
  reader.finish(name());
  return [this, groups = std::move(groups), loaded = std::move(loaded)]() mutable {
    parameters_.swap(loaded);
    for (size_t group = 0; group < groups.size(); ++group) {
      const GroupState& found = groups[group];
      lr_of(group) = found.lr;
      if (found.momentum) *momentum_of(group) = *found.momentum;
      if (found.betas) *betas_of(group) = *found.betas;
      groups_[group].initial_lr = found.initial_lr;
    }
  };
}

}  // namespace gradus::optim
