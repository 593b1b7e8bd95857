#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gradus/optim/optimizer.h"

/// Learning-rate schedulers. Each is built over an optimizer, which must stay where it is and outlive it; building one sets the rates of
/// epoch 0, `step` those of the next epoch. Below, η is a group's learning rate, η_0 its `initial_lr`: the rate it had when its first
/// scheduler came. Most formulas are PyTorch's recursive ones, from the present rate to the next, so that schedulers can be chained and the
/// rate may be changed from outside. Constructors throw ValueError on options that make no sense, StateError on an
/// optimizer that was moved from, and leave the optimizer as it was.
namespace gradus::optim {

/// A number for all groups, or one for each.
class GRADUS_API PerGroup {
 public:
  /// One for all.
  PerGroup(double value) : values_{value}, shared_(true) {}
  /// One for each.
  PerGroup(std::initializer_list<double> values) : values_(values) {}
  PerGroup(std::vector<double> values) : values_(std::move(values)) {}

  /// Whether one number stands for all groups.
  bool shared() const noexcept { return shared_; }
  size_t count() const noexcept { return values_.size(); }
  /// Throws IndexError when there is none for the group.
  double operator[](size_t group) const;

 private:
  std::vector<double> values_;
  bool shared_ = false;
};

/// What every scheduler does.
class GRADUS_API Scheduler {
 public:
  virtual ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// The learning rates that the last step set, one a group.
  const std::vector<double>& get_last_lr() const noexcept { return last_lr_; }

  /// What a later training needs to go on, as tensors by name; io::save_safetensors writes them. Options are not included: they are given
  /// to the constructor. The rates themselves are in the optimizer's state.
  State state_dict() const;
  /// Takes over a state_dict; load the optimizer's too. Throws ValueError that lists every missing, unexpected and mismatched entry; then
  /// nothing was changed.
  void load_state_dict(const State& state);
  /// The first half of load_state_dict: throws what it would throw. The function that it gives is the second half, and does not throw.
  [[nodiscard]] std::function<void()> prepare_load_state_dict(const State& state);

 protected:
  /// Throws StateError when the optimizer has no parameters, as one that was moved from.
  explicit Scheduler(Optimizer& optimizer);

  /// The class, as errors name it.
  virtual const char* name() const noexcept = 0;
  size_t num_groups() const noexcept { return optimizer_->num_groups(); }
  /// The present rate of a group, and of all.
  double lr(size_t group) const { return optimizer_->lr_of(group); }
  std::vector<double> lrs() const;
  /// Where the group keeps its initial rate, once it has one.
  std::optional<double>& initial_lr(size_t group) const { return optimizer_->groups_[group].initial_lr; }
  /// Where the group keeps its momentum, or β1; null when it has neither.
  double* momentum_of(size_t group) const;
  bool has_betas() const { return optimizer_->betas_of(0) != nullptr; }
  /// Sets the rates, which `get_last_lr` gives from now on.
  void set_lrs(std::vector<double> lrs) noexcept;
  /// Throws ValueError unless there are as many as groups.
  void check_count(const char* option, size_t count) const;
  void check_count(const char* option, const PerGroup& values) const;
  /// The entry of the rates in a state.
  void write_lrs(State& state, const std::string& prefix) const;
  /// Reads it; what it returns takes the rates over.
  std::function<void()> read_lrs(StateReader& reader, const std::string& prefix);

 private:
  friend class ChainedScheduler;
  friend class SequentialLR;
  virtual void write_state(State& state, const std::string& prefix) const = 0;
  /// Reads everything; what it returns takes it over.
  virtual std::function<void()> read_state(StateReader& reader, const std::string& prefix) = 0;

  Optimizer* optimizer_;
  std::vector<double> last_lr_;
};

/// A scheduler that needs nothing but its steps.
class GRADUS_API LRScheduler : public Scheduler {
 public:
  /// Sets the rates of the next epoch; call it after the optimizer's step. When it throws, nothing was changed.
  virtual void step() = 0;

 protected:
  using Scheduler::Scheduler;
};

/// A scheduler whose rates follow from the number of its steps; what a SequentialLR is made of.
class GRADUS_API EpochScheduler : public LRScheduler {
 public:
  /// Throws ValueError when the new rate is not finite, and what a function given to the constructor throws.
  void step() final { move_to(last_epoch_ + 1, false); }
  /// The epoch whose rates are set, 0 at first.
  int64_t last_epoch() const noexcept { return last_epoch_; }

 protected:
  using LRScheduler::LRScheduler;
  /// Ends a constructor: sets the rates of epoch 0. Without base_lrs, η_0 is the group's initial rate; with `anew` they become that.
  void start();
  void start(std::vector<double> base_lrs, bool anew);

  /// η_0
  double base_lr(size_t group) const { return base_lrs_[group]; }
  /// The rate of an epoch when that of the epoch before is the present one.
  virtual double lr_at(size_t group, int64_t epoch) const = 0;
  /// The rate of epoch 0 whatever the present one, for a SequentialLR that comes to this scheduler.
  virtual double first_lr(size_t group) const { return lr_at(group, 0); }
  /// The momentum (or β1) of an epoch, where the scheduler sets one.
  virtual std::optional<double> momentum_at(size_t group, int64_t epoch) const;

 private:
  friend class SequentialLR;
  void move_to(int64_t epoch, bool afresh);
  void write_state(State& state, const std::string& prefix) const override;
  std::function<void()> read_state(StateReader& reader, const std::string& prefix) override;

  std::vector<double> base_lrs_;
  int64_t last_epoch_ = -1;
};

/// η = γ η every step_size epochs.
class GRADUS_API StepLR final : public EpochScheduler {
 public:
  /// Throws ValueError unless step_size is positive and gamma finite.
  StepLR(Optimizer& optimizer, int64_t step_size, double gamma = 0.1);

 private:
  const char* name() const noexcept override { return "StepLR"; }
  double lr_at(size_t group, int64_t epoch) const override;
  double first_lr(size_t group) const override { return base_lr(group); }

  int64_t step_size_;
  double gamma_;
};

/// η = γ η at each milestone; γ² η where it is there twice.
class GRADUS_API MultiStepLR final : public EpochScheduler {
 public:
  /// Throws ValueError unless gamma is finite and no milestone negative.
  MultiStepLR(Optimizer& optimizer, std::vector<int64_t> milestones, double gamma = 0.1);

 private:
  const char* name() const noexcept override { return "MultiStepLR"; }
  double lr_at(size_t group, int64_t epoch) const override;
  double first_lr(size_t group) const override;
  double factor(int64_t epoch) const;

  std::vector<int64_t> milestones_;
  double gamma_;
};

/// η = γ η every epoch.
class GRADUS_API ExponentialLR final : public EpochScheduler {
 public:
  /// Throws ValueError unless gamma is finite.
  ExponentialLR(Optimizer& optimizer, double gamma);

 private:
  const char* name() const noexcept override { return "ExponentialLR"; }
  double lr_at(size_t group, int64_t epoch) const override { return epoch == 0 ? lr(group) : lr(group) * gamma_; }
  double first_lr(size_t group) const override { return base_lr(group); }

  double gamma_;
};

/// Half a cosine from η_0 to eta_min in T_max epochs, back in as many, and so on (Loshchilov & Hutter 2017):
/// η = eta_min + (η_0 - eta_min) (1 + cos(π epoch / T_max)) / 2.
class GRADUS_API CosineAnnealingLR final : public EpochScheduler {
 public:
  /// Throws ValueError unless T_max is positive and eta_min finite.
  CosineAnnealingLR(Optimizer& optimizer, int64_t T_max, double eta_min = 0);

 private:
  const char* name() const noexcept override { return "CosineAnnealingLR"; }
  double lr_at(size_t group, int64_t epoch) const override;
  double first_lr(size_t group) const override;

  int64_t T_max_;
  double eta_min_;
};

/// Half a cosine from η_0 towards eta_min in T_0 epochs, then again from η_0 in T_0 T_mult epochs, in T_0 T_mult² … (SGDR, Loshchilov &
/// Hutter 2017). Not chainable.
class GRADUS_API CosineAnnealingWarmRestarts final : public EpochScheduler {
 public:
  /// Throws ValueError unless T_0 and T_mult are positive and eta_min finite.
  CosineAnnealingWarmRestarts(Optimizer& optimizer, int64_t T_0, int64_t T_mult = 1, double eta_min = 0);

 private:
  const char* name() const noexcept override { return "CosineAnnealingWarmRestarts"; }
  double lr_at(size_t group, int64_t epoch) const override;

  int64_t T_0_, T_mult_;
  double eta_min_;
};

/// The rate times a factor that goes evenly from start_factor to end_factor in total_iters epochs, and stays there.
class GRADUS_API LinearLR final : public EpochScheduler {
 public:
  /// Throws ValueError unless start_factor is in (0, 1], end_factor in [0, 1] and total_iters positive.
  explicit LinearLR(Optimizer& optimizer, double start_factor = 1.0 / 3, double end_factor = 1, int64_t total_iters = 5);

 private:
  const char* name() const noexcept override { return "LinearLR"; }
  double lr_at(size_t group, int64_t epoch) const override;
  double first_lr(size_t group) const override { return base_lr(group) * start_factor_; }

  double start_factor_, end_factor_;
  int64_t total_iters_;
};

/// The rate times factor for the first total_iters epochs.
class GRADUS_API ConstantLR final : public EpochScheduler {
 public:
  /// Throws ValueError unless factor is in (0, 1] and total_iters positive.
  explicit ConstantLR(Optimizer& optimizer, double factor = 1.0 / 3, int64_t total_iters = 5);

 private:
  const char* name() const noexcept override { return "ConstantLR"; }
  double lr_at(size_t group, int64_t epoch) const override;
  double first_lr(size_t group) const override { return base_lr(group) * factor_; }

  double factor_;
  int64_t total_iters_;
};

/// η = η_0 (1 - epoch / total_iters)^power, 0 from total_iters on.
class GRADUS_API PolynomialLR final : public EpochScheduler {
 public:
  /// Throws ValueError unless total_iters is positive and power finite and not negative.
  explicit PolynomialLR(Optimizer& optimizer, int64_t total_iters = 5, double power = 1);

 private:
  const char* name() const noexcept override { return "PolynomialLR"; }
  double lr_at(size_t group, int64_t epoch) const override;
  double first_lr(size_t group) const override { return base_lr(group); }

  int64_t total_iters_;
  double power_;
};

/// A factor for each epoch.
using EpochFactor = std::function<double(int64_t epoch)>;

/// η = η_0 f(epoch)
class GRADUS_API LambdaLR final : public EpochScheduler {
 public:
  LambdaLR(Optimizer& optimizer, const EpochFactor& lr_lambda);
  /// One function a group. Throws ValueError when there are more or fewer, or one is empty.
  LambdaLR(Optimizer& optimizer, std::vector<EpochFactor> lr_lambdas);

 private:
  const char* name() const noexcept override { return "LambdaLR"; }
  double lr_at(size_t group, int64_t epoch) const override { return base_lr(group) * lambdas_[group](epoch); }

  std::vector<EpochFactor> lambdas_;
};

/// η = η f(epoch), from epoch 1 on
class GRADUS_API MultiplicativeLR final : public EpochScheduler {
 public:
  MultiplicativeLR(Optimizer& optimizer, const EpochFactor& lr_lambda);
  /// One function a group. Throws ValueError when there are more or fewer, or one is empty.
  MultiplicativeLR(Optimizer& optimizer, std::vector<EpochFactor> lr_lambdas);

 private:
  const char* name() const noexcept override { return "MultiplicativeLR"; }
  double lr_at(size_t group, int64_t epoch) const override { return epoch > 0 ? lr(group) * lambdas_[group](epoch) : lr(group); }

  std::vector<EpochFactor> lambdas_;
};

/// The schedule of "Attention is all you need" (Vaswani et al. 2017, section 5.3), with n = epoch + 1 and the optimizer's rate as a factor
/// (1 in the paper): η = η_0 d_model^-0.5 min(n^-0.5, n warmup^-1.5). PyTorch has no such class.
class GRADUS_API NoamLR final : public EpochScheduler {
 public:
  /// Throws ValueError unless d_model and warmup are positive.
  NoamLR(Optimizer& optimizer, int64_t d_model, int64_t warmup);

 private:
  const char* name() const noexcept override { return "NoamLR"; }
  double lr_at(size_t group, int64_t epoch) const override;

  double d_model_, warmup_;
};

/// Steps several schedulers of one optimizer at once. They stay the caller's and must outlive it.
class GRADUS_API ChainedScheduler final : public LRScheduler {
 public:
  /// Throws ValueError when there are none, one is null, or they belong to different optimizers.
  explicit ChainedScheduler(std::vector<LRScheduler*> schedulers);
  void step() override;

 private:
  const char* name() const noexcept override { return "ChainedScheduler"; }
  void write_state(State& state, const std::string& prefix) const override;
  std::function<void()> read_state(StateReader& reader, const std::string& prefix) override;

  std::vector<LRScheduler*> schedulers_;
};

/// One scheduler after the other: each milestone is the epoch at which the next one begins, from the initial rates. A milestone of 0 leaves
/// the scheduler before it out, and of equal milestones the last counts. They stay the caller's and must outlive it.
class GRADUS_API SequentialLR final : public LRScheduler {
 public:
  /// Throws ValueError when there are no schedulers, one is null or belongs to another optimizer, there is not one milestone fewer, or
  /// the milestones are negative or not in order; what the first step of a scheduler throws.
  SequentialLR(Optimizer& optimizer, std::vector<EpochScheduler*> schedulers, std::vector<int64_t> milestones);
  void step() override { step_to(last_epoch_ + 1); }
  int64_t last_epoch() const noexcept { return last_epoch_; }

 private:
  const char* name() const noexcept override { return "SequentialLR"; }
  void write_state(State& state, const std::string& prefix) const override;
  std::function<void()> read_state(StateReader& reader, const std::string& prefix) override;

  void begin();
  void step_to(int64_t epoch);

  std::vector<EpochScheduler*> schedulers_;
  std::vector<int64_t> milestones_;
  int64_t last_epoch_ = 0;
};

}  // namespace gradus::optim
