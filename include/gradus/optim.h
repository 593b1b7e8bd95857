#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gradus/tensor.h"

/// Optimizers: they change parameters along the gradients that backward left in them. Numbers are PyTorch's, to rounding.
namespace gradus::optim {

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

  /// One update of every parameter that has a gradient. Nothing is recorded. When it throws, nothing was changed.
  /// A row-sparse gradient (Tensor::is_sparse) gives the numbers of the dense one. Where an optimizer leaves parameters without gradient as
  /// they are (SGD without momentum and weight decay), time is spent on its rows alone; elsewhere it is made dense.
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

  /// What a later training needs to go on as if never interrupted: `param_groups.G.lr` for each group and, for each parameter P that was
  /// updated (counted through all groups), `state.P.step` and its buffers, as `state.P.exp_avg`. Copies, so that they
  /// stay as they are; io::save_safetensors writes them. Other options are not included: they are given to the constructor.
  std::vector<std::pair<std::string, Tensor>> state_dict() const;
  /// Takes over a state_dict. Throws ValueError that lists every missing, unexpected and mismatched entry; then nothing was changed.
  void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state);

 protected:
  /// One parameter's turn: tensors are contiguous, of one shape and dtype (float32 or float64), and share no elements.
  struct Update {
    Tensor param;
    Tensor grad;
    std::vector<Tensor> buffers;  ///< those of buffer_names, zero at the first step
    int64_t step;                 ///< 1 at the first
  };

  /// What an optimizer does with a row-sparse gradient: makes it dense; updates its rows alone, the numbers being the same; takes no other.
  enum class RowSparseGradients { Densified, ByRows, Required };
  virtual RowSparseGradients row_sparse_gradients(size_t) const noexcept { return RowSparseGradients::Densified; }

  /// Appends a group. Throws ValueError when it is empty, a parameter is there twice or is not a leaf, StateError when one is
  /// undefined, DTypeError when one is not floating-point.
  void add_params(const std::vector<Tensor>& params);

  /// The class, as errors name it.
  virtual const char* name() const noexcept = 0;
  /// The buffers that each parameter of the group has.
  virtual std::vector<std::string> buffer_names(size_t group) const = 0;
  virtual double& lr_of(size_t group) = 0;
  /// Carries out one update; everything that can fail has been done before.
  virtual void update(size_t group, const Update& u) const noexcept = 0;

 private:
  struct Parameter {
    size_t group;
    Tensor tensor;
    int64_t steps = 0;
    std::vector<Tensor> buffers = {};
  };
  struct Turn;
  void check_group(size_t group) const;
  Turn turn_of(Parameter& p, Tensor grad) const;

  std::vector<std::vector<Tensor>> groups_;
  std::vector<Parameter> parameters_;
};

/// Options of SGD.
struct SGDOptions {
  double lr = 1e-3;         ///< the learning rate γ
  double momentum = 0;      ///< μ
  double dampening = 0;     ///< τ
  double weight_decay = 0;  ///< λ: an L2 penalty
  bool nesterov = false;    ///< needs momentum > 0 and dampening = 0
};

/// Stochastic gradient descent: g = grad + λ p; b = g at the first step, μ b + (1 - τ) g later; p -= γ b, or γ g without momentum, or
/// γ (g + μ b) with Nesterov's momentum (Sutskever et al. 2013).
class GRADUS_API SGD final : public Optimizer {
 public:
  explicit SGD(const std::vector<Tensor>& params, const SGDOptions& options = {});
  explicit SGD(const std::vector<ParamGroup<SGDOptions>>& groups, const SGDOptions& options = {});
  /// Throws ValueError that names the option which is out of range, and what Optimizer says of parameters.
  void add_param_group(const ParamGroup<SGDOptions>& group);
  const SGDOptions& options(size_t group = 0) const { return options_.at(group); }

 private:
  const char* name() const noexcept override { return "SGD"; }
  std::vector<std::string> buffer_names(size_t group) const override;
  double& lr_of(size_t group) override { return options_[group].lr; }
  RowSparseGradients row_sparse_gradients(size_t group) const noexcept override;
  void update(size_t group, const Update& u) const noexcept override;

  SGDOptions defaults_;
  std::vector<SGDOptions> options_;
};

/// Options of Adam.
struct AdamOptions {
  double lr = 1e-3;                            ///< the learning rate γ
  std::array<double, 2> betas = {0.9, 0.999};  ///< β1 and β2, in [0, 1)
  double eps = 1e-8;                           ///< ε
  double weight_decay = 0;                     ///< λ: an L2 penalty
  bool amsgrad = false;                        ///< divide by the largest v so far (Reddi et al. 2018)
};

/// Adam (Kingma & Ba 2015): g = grad + λ p; m = β1 m + (1 - β1) g; v = β2 v + (1 - β2) g²; at step t,
/// p -= γ / (1 - β1^t) · m / (√v / √(1 - β2^t) + ε).
class GRADUS_API Adam : public Optimizer {
 public:
  explicit Adam(const std::vector<Tensor>& params, const AdamOptions& options = {});
  explicit Adam(const std::vector<ParamGroup<AdamOptions>>& groups, const AdamOptions& options = {});
  /// Throws ValueError that names the option which is out of range, and what Optimizer says of parameters.
  void add_param_group(const ParamGroup<AdamOptions>& group);
  const AdamOptions& options(size_t group = 0) const { return options_.at(group); }

 protected:
  const char* name() const noexcept override { return decoupled_ ? "AdamW" : "Adam"; }
  std::vector<std::string> buffer_names(size_t group) const override;
  double& lr_of(size_t group) override { return options_[group].lr; }
  void update(size_t group, const Update& u) const noexcept override;

 private:
  friend class AdamW;
  Adam(const AdamOptions& options, bool decoupled) : defaults_(options), decoupled_(decoupled) {}

  AdamOptions defaults_;
  std::vector<AdamOptions> options_;
  bool decoupled_ = false;
};

/// Options of AdamW.
struct AdamWOptions {
  double lr = 1e-3;                            ///< the learning rate γ
  std::array<double, 2> betas = {0.9, 0.999};  ///< β1 and β2, in [0, 1)
  double eps = 1e-8;                           ///< ε
  double weight_decay = 1e-2;                  ///< λ: each step shrinks the parameter by γ λ
  bool amsgrad = false;                        ///< divide by the largest v so far (Reddi et al. 2018)
};

/// Adam with decoupled weight decay (Loshchilov & Hutter 2019): p -= γ λ p first, and the gradient as it is.
class GRADUS_API AdamW final : public Adam {
 public:
  explicit AdamW(const std::vector<Tensor>& params, const AdamWOptions& options = {});
  explicit AdamW(const std::vector<ParamGroup<AdamWOptions>>& groups, const AdamWOptions& options = {});
  /// As Adam's.
  void add_param_group(const ParamGroup<AdamWOptions>& group);
};

}  // namespace gradus::optim
