#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>

#include "gradus/io/checkpoint.h"
#include "gradus/nn/module.h"

namespace gradus::train {

/// When a training is to end.
struct EarlyStoppingOptions {
  int64_t patience = 10;  ///< that many measures in a row without a better one, at least 1
  double min_delta = 0;   ///< by more than that a measure must be better than the best, at least 0
  /// Whether a smaller or a larger measure is better.
  enum class Mode { Min, Max } mode = Mode::Min;
};

/// Says when the measures of a validation get no better any more, and keeps the weights of the best:
///
///     train::EarlyStopping stopping(model, {.patience = 3});
///     while (!stopping.should_stop()) {
///       …
///       stopping.update(validation_loss);
///     }
///     stopping.restore();
///
/// PyTorch has none; names and the count are those of Keras and of PyTorch Lightning.
class GRADUS_API EarlyStopping {
 public:
  /// With the weights of `model`, parameters and buffers. Throws ValueError unless patience is at least 1 and min_delta at least 0 and
  /// finite.
  explicit EarlyStopping(const nn::Module& model, const EarlyStoppingOptions& options = {});
  /// Without weights. Throws as above.
  explicit EarlyStopping(const EarlyStoppingOptions& options = {});

  /// Takes the next measure. Gives true, and copies the weights, when it is better than the best so far; the first number is. NaN never is.
  bool update(double measure);
  /// Whether the last `patience` measures were none of them better.
  bool should_stop() const noexcept { return since_best_ >= options_.patience; }
  /// The best measure; NaN before there was one.
  double best() const noexcept { return best_; }
  /// How many measures there were.
  int64_t updates() const noexcept { return updates_; }
  /// Which measure was the best, from 1; 0 before there was one.
  int64_t best_update() const noexcept { return updates_ - since_best_; }
  /// Copies the weights of the best measure into the model. Throws StateError without a model or before there was a measure, ValueError
  /// when the model's parameters and buffers are others now; then nothing was changed.
  void restore() const;

  /// `best`, `updates`, `since_best` and the weights, `weights.NAME`. The options are given to the constructor.
  io::StateValues state_dict() const;
  /// Takes over a state_dict; `restore` copies its weights into the model. Throws ValueError that lists every missing, unexpected and
  /// mismatched entry; then nothing was changed.
  void load_state_dict(const io::StateValues& state);
  /// The first half of load_state_dict: throws what it would throw. The function that it gives is the second half, and does not throw.
  [[nodiscard]] std::function<void()> prepare_load_state_dict(const io::StateValues& state);

 private:
  EarlyStoppingOptions options_;
  std::optional<nn::Module> model_ = {};
  nn::StateDict weights_ = {};
  double best_ = std::numeric_limits<double>::quiet_NaN();
  int64_t updates_ = 0, since_best_ = 0;
};

}  // namespace gradus::train
