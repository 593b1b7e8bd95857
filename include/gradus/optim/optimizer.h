#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gradus/state_dict.h"
#include "gradus/tensor.h"

namespace gradus::optim {

class Scheduler;
class StateReader;

/// The state of an optimizer or a scheduler.
using State = StateDict;

/// Parameters that share options; those of the optimizer when `options` is left out.
template <class Options>
struct ParamGroup {
  std::vector<Tensor> params;
  std::optional<Options> options = {};
};

/// What every optimizer does. The parameters stay the caller's: handles to them are kept, and the elements change in place.
class GRADUS_API Optimizer {
 public:
  Optimizer() = default;
  virtual ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;
  Optimizer(Optimizer&&) noexcept = default;
  Optimizer& operator=(Optimizer&&) noexcept = default;

  /// One update of every parameter that has a gradient. Nothing is recorded. When it throws, nothing was changed. Where a parameter has
  /// become another dtype since (Module::to), what was kept for it is converted.
  /// A row-sparse gradient (Tensor::is_sparse) gives the numbers of the dense one. Where an optimizer leaves parameters without gradient as
  /// they are (without weight decay: Adagrad, and SGD without momentum), time is spent on its rows alone; elsewhere it is made dense.
  void step();

  /// Takes the gradients away, or, with set_to_none = false, sets them to zero.
  void zero_grad(bool set_to_none = true) const;

  size_t num_groups() const noexcept { return groups_.size(); }
  /// The parameters of one group. Throws IndexError when there is no such group.
  const std::vector<Tensor>& params(size_t group = 0) const;

  /// The learning rate of one group.
  double lr(size_t group = 0) const;
  /// Sets the learning rate of every group, or of one. Throws ValueError unless it is finite and not negative.
  void set_lr(double lr);
  void set_lr(double lr, size_t group);

  /// The momentum of one group, β1 for optimizers that have betas; nothing for those that have neither.
  std::optional<double> momentum(size_t group = 0) const;

  /// What a later training needs to go on as if never interrupted. For each group `param_groups.G.lr`, `.momentum` or `.betas` where it
  /// has them, and `.initial_lr` under a scheduler; for each parameter P that was updated (counted through all groups), `state.P.step`
  /// and its buffers, as `state.P.exp_avg`. Copies, so that they stay as they are; io::save_safetensors writes them. Other options are
  /// not included: they are given to the constructor. Buffers have the parameter's present dtype.
  State state_dict() const;
  /// Takes over a state_dict. Throws ValueError that lists every missing, unexpected and mismatched entry; then nothing was changed.
  void load_state_dict(const State& state);
  /// The first half of load_state_dict: throws what it would throw. The function that it gives is the second half, and does not throw.
  [[nodiscard]] std::function<void()> prepare_load_state_dict(const State& state);

 protected:
  /// What a parameter keeps between steps: a tensor of its shape and dtype, or a number (float32, as PyTorch keeps it).
  struct Buffer {
    const char* name;
    double start = 0;     ///< what it is filled with before the first step
    bool scalar = false;  ///< a number
    /// It is needed only while the group's momentum, which a scheduler may change, is above 0; once there, it stays.
    bool of_momentum = false;
  };
  /// One parameter's turn: tensors are contiguous, of one dtype (float32 or float64), and share no elements.
  struct Update {
    Tensor param;
    Tensor grad;
    std::vector<Tensor> buffers;  ///< those of `buffers`, as filled at the start or left by the last step
    bool fresh;                   ///< the buffers are new
    int64_t step;                 ///< 1 at the first
  };

  /// What an optimizer does with a row-sparse gradient: makes it dense; updates its rows alone, the numbers being the same; takes no other.
  enum class RowSparseGradients { Densified, ByRows, Required };
  /// What this one does with those of a group.
  virtual RowSparseGradients row_sparse_gradients(size_t) const noexcept { return RowSparseGradients::Densified; }

  /// Appends a group. Throws ValueError when it is empty, a parameter is there twice, shares elements with another or is not a leaf,
  /// StateError when one is undefined, DTypeError when one is not floating-point.
  void add_params(const std::vector<Tensor>& params);

  /// The class, as errors name it.
  virtual const char* name() const noexcept = 0;
  /// The buffers of each parameter of the group; those of the momentum stand last.
  virtual std::vector<Buffer> buffers(size_t group) const = 0;
  /// Where the group keeps its learning rate.
  virtual double& lr_of(size_t group) = 0;
  /// Where it keeps its momentum; null when it has none.
  virtual double* momentum_of(size_t group) = 0;
  /// Where it keeps its betas; null when it has none.
  virtual std::array<double, 2>* betas_of(size_t group) = 0;
  /// Carries out one update. What can be known to fail has been refused before, so that a step is made whole or not at all.
  virtual void update(size_t group, const Update& u) const = 0;
  /// Throws IndexError when there is no such group.
  void check_group(size_t group) const;

 private:
  friend class Scheduler;

  struct Parameter {
    size_t group;
    Tensor tensor;
    int64_t steps = 0;
    std::vector<Tensor> buffers = {};
  };
  struct Group {
    std::vector<Tensor> params;
    std::optional<double> initial_lr = {};  ///< the learning rate when the first scheduler came
  };
  struct GroupState;
  struct Turn;
  Turn turn_of(Parameter& p, Tensor grad) const;
  /// How many of all the buffers an update needs now.
  size_t needed_buffers(size_t group, const std::vector<Buffer>& all) const;
  static std::pair<Shape, DType> form_of(const Parameter& p, const Buffer& buffer);
  static std::vector<Tensor> buffers_of(const Parameter& p, const std::vector<Buffer>& list);
  GroupState read_group(StateReader& reader, size_t group);
  Parameter read_parameter(StateReader& reader, size_t i, const GroupState& group) const;

  std::vector<Group> groups_;
  std::vector<Parameter> parameters_;
};

/// An optimizer with a set of options for each group. `Options` has `lr`, maybe `momentum` or `betas`, the optimizer's `name`, and
/// `validate`, which throws ValueError that names the option that is out of range.
template <class Options>
class GRADUS_API GroupedOptimizer : public Optimizer {
 public:
  /// Throws ValueError that names the option that is out of range, or when there are no parameters, one is there twice, shares
  /// elements with another or is not a leaf; StateError when one is undefined; DTypeError when one is not floating-point.
  explicit GroupedOptimizer(const std::vector<Tensor>& params, const Options& options = {}) : defaults_(options) {
    add_param_group({.params = params});
  }
  explicit GroupedOptimizer(const std::vector<ParamGroup<Options>>& groups, const Options& options = {}) : defaults_(options) {
    if (groups.empty()) add_params({});  // throws
    for (const auto& group : groups) add_param_group(group);
  }

  /// The options of one group. Throws IndexError when there is no such group.
  const Options& options(size_t group = 0) const {
    check_group(group);
    return options_[group];
  }

  /// Throws as the constructor does; then nothing was changed.
  void add_param_group(const ParamGroup<Options>& group) {
    const Options options = group.options.value_or(defaults_);
    defaults_.validate();
    options.validate();
    options_.reserve(options_.size() + 1);
    add_params(group.params);
    options_.push_back(options);
  }

 protected:
  const char* name() const noexcept final { return Options::name; }
  double& lr_of(size_t group) final { return options_[group].lr; }
  double* momentum_of([[maybe_unused]] size_t group) final {
    if constexpr (requires(Options o) { o.momentum; }) return &options_[group].momentum;
    else return nullptr;
  }
  std::array<double, 2>* betas_of([[maybe_unused]] size_t group) final {
    if constexpr (requires(Options o) { o.betas; }) return &options_[group].betas;
    else return nullptr;
  }

 private:
  Options defaults_;
  std::vector<Options> options_;
};

}  // namespace gradus::optim
