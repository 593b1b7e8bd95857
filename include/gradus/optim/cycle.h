#pragma once

#include "gradus/optim/scheduler.h"

/// Schedulers that lead the rate up and down and the momentum against it, and one that watches a measure of success.
namespace gradus::optim {

/// Options of OneCycleLR.
struct OneCycleOptions {
  std::optional<int64_t> total_steps = {};      ///< or `epochs` and `steps_per_epoch`, of which it is the product
  std::optional<int64_t> epochs = {};           ///< how often the data is gone through
  std::optional<int64_t> steps_per_epoch = {};  ///< how many steps that takes
  double pct_start = 0.3;                       ///< the part of the steps in which the rate grows
  /// The way from one rate to the next: half a cosine, or a line.
  enum class Anneal { Cos, Linear } anneal_strategy = Anneal::Cos;
  bool cycle_momentum = true;     ///< lead the momentum (β1) too
  PerGroup base_momentum = 0.85;  ///< the momentum at max_lr
  PerGroup max_momentum = 0.95;   ///< the momentum at both ends
  double div_factor = 25;         ///< the first rate is max_lr / div_factor
  double final_div_factor = 1e4;  ///< the last rate is that / final_div_factor
  bool three_phase = false;       ///< back to the first rate in as many steps as it grew, then to the last
};

/// The 1cycle policy (Smith & Topin 2018): one rise to max_lr and one fall, to be stepped after every batch. Not chainable.
class GRADUS_API OneCycleLR final : public EpochScheduler {
 public:
  /// Throws ValueError on options out of range, on a number of rates or momenta other than that of groups, and when cycle_momentum is
  /// set for an optimizer that has neither momentum nor betas. `step` throws ValueError beyond total_steps.
  OneCycleLR(Optimizer& optimizer, PerGroup max_lr, const OneCycleOptions& options);

 private:
  enum class Level { Initial, Max, Min, Base };
  struct Phase {
    double end;  // its last step; it begins where the one before ends
    Level from_lr, to_lr, from_momentum, to_momentum;
  };
  const char* name() const noexcept override { return "OneCycleLR"; }
  double lr_at(size_t group, int64_t epoch) const override;
  std::optional<double> momentum_at(size_t group, int64_t epoch) const override;
  /// The phase of an epoch, and how much of it has passed.
  std::pair<Phase, double> phase_at(int64_t epoch) const;
  double level(Level level, size_t group) const;
  double momentum_level(Level level, size_t group) const;
  double anneal(double start, double end, double part) const;

  PerGroup max_lr_;
  OneCycleOptions options_;
  int64_t total_steps_;
  std::vector<Phase> phases_;
};

/// Options of CyclicLR.
struct CyclicOptions {
  int64_t step_size_up = 2000;                 ///< steps from base_lr to max_lr
  std::optional<int64_t> step_size_down = {};  ///< steps back; as many when left out
  /// How the height of the cycles changes: not; halved after each; times gamma after each step.
  enum class Mode { Triangular, Triangular2, ExpRange } mode = Mode::Triangular;
  double gamma = 1;  ///< of ExpRange
  /// In place of a mode: the height's factor for the number of the cycle, from 1, or of the step, from 0.
  std::function<double(double)> scale_fn = {};
  /// What scale_fn is given.
  enum class ScaleMode { Cycle, Iterations } scale_mode = ScaleMode::Cycle;
  bool cycle_momentum = true;    ///< lead the momentum too, against the rate
  PerGroup base_momentum = 0.8;  ///< the momentum at max_lr
  PerGroup max_momentum = 0.9;   ///< the momentum at base_lr
};

/// Cyclical learning rates (Smith 2017): evenly from base_lr to max_lr and back, again and again, to be stepped after every batch. Not
/// chainable.
class GRADUS_API CyclicLR final : public EpochScheduler {
 public:
  /// Throws ValueError on options out of range, on a number of rates or momenta other than that of groups, and when cycle_momentum is
  /// set for an optimizer that has no momentum (betas do not count, as in PyTorch 1.13).
  CyclicLR(Optimizer& optimizer, PerGroup base_lr, PerGroup max_lr, const CyclicOptions& options = {});

 private:
  const char* name() const noexcept override { return "CyclicLR"; }
  double lr_at(size_t group, int64_t epoch) const override;
  std::optional<double> momentum_at(size_t group, int64_t epoch) const override;
  double height(int64_t epoch, double range) const;

  PerGroup max_lr_;
  CyclicOptions options_;
  double total_size_, step_ratio_;
};

/// Options of ReduceLROnPlateau.
struct PlateauOptions {
  /// Whether a smaller or a larger measure is better.
  enum class Mode { Min, Max } mode = Mode::Min;
  double factor = 0.1;      ///< what the rate is multiplied by, below 1
  int64_t patience = 10;    ///< how many epochs in a row may pass without progress
  double threshold = 1e-4;  ///< how much better counts as progress
  /// Rel: the difference that counts is threshold times |best|, best being the best measure so far; Abs: it is threshold.
  /// (PyTorch has best in place of |best|, so that there a negative measure counts as progress while it grows a little worse.)
  enum class ThresholdMode { Rel, Abs } threshold_mode = ThresholdMode::Rel;
  int64_t cooldown = 0;   ///< how many epochs after a reduction do not count
  PerGroup min_lr = 0.0;  ///< the rate is not reduced below
  double eps = 1e-8;      ///< a smaller change of the rate is left out
};

/// Reduces the rate when a measure, such as the loss on held-out data, has stopped getting better.
class GRADUS_API ReduceLROnPlateau final : public Scheduler {
 public:
  /// Throws ValueError on options out of range, and on a number of min_lr other than that of groups.
  explicit ReduceLROnPlateau(Optimizer& optimizer, const PlateauOptions& options = {});
  /// One epoch with its measure. NaN is no progress.
  void step(double metric);

 private:
  const char* name() const noexcept override { return "ReduceLROnPlateau"; }
  void write_state(State& state, const std::string& prefix) const override;
  std::function<void()> read_state(StateReader& reader, const std::string& prefix) override;
  bool better(double metric) const;

  PlateauOptions options_;
  struct Progress {
    double best;
    int64_t last_epoch = 0, num_bad_epochs = 0, cooldown_counter = 0;
  } progress_;
};

}  // namespace gradus::optim
