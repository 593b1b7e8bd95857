#pragma once

#include <cstdint>

#include "gradus/export.h"
#include "gradus/io/checkpoint.h"
#include "gradus/tensor.h"

/// What the loop of a training keeps needing; the loop itself is the user's.
namespace gradus::train {

/// A running mean, sum(weight * value) / sum(weight), added up in double precision:
///
///     train::Mean loss;
///     loss.update(batch_loss.item(), tokens);
///     … loss.compute() …
///
/// A value that is not finite makes the mean so, until `reset`.
class GRADUS_API Mean {
 public:
  /// Takes a value in: a batch's mean loss with the number of its tokens, say. Weight 0 changes nothing. Throws ValueError on a weight that
  /// is negative or not finite.
  void update(double value, double weight = 1);
  /// The mean so far; NaN before there was any weight.
  double compute() const noexcept;
  /// sum(weight * value)
  double sum() const noexcept { return sum_; }
  /// sum(weight)
  double weight() const noexcept { return weight_; }
  void reset() noexcept { *this = Mean(); }

  /// `sum` and `weight`, so that a mean that is half done stands in a checkpoint.
  io::StateValues state_dict() const;
  /// Takes over a state_dict. Throws ValueError on missing, unexpected and other values; then nothing was changed.
  void load_state_dict(const io::StateValues& state);

 private:
  double sum_ = 0, weight_ = 0;
};

/// How Accuracy counts.
struct AccuracyOptions {
  int64_t ignore_index = -100;  ///< targets with this value do not count
  int64_t top_k = 1;            ///< right is a target among the top_k highest scores, at least 1
};

/// The share of targets that were found, from 0 to 1, over all updates since the start or `reset`.
class GRADUS_API Accuracy {
 public:
  /// Throws ValueError unless top_k is at least 1.
  explicit Accuracy(const AccuracyOptions& options = {});

  /// Counts a batch: scores (logits or probabilities; float32 or float64) and int64 classes of cross_entropy's shapes, (N, C) with (N),
  /// (N, C, d1, …) with (N, d1, …), (C) with (). Of equal scores the smaller class is the higher, as argmax has it; NaN is above all
  /// numbers, as topk has it, and never right. Throws ShapeError on other shapes, and where there are fewer classes than top_k;
  /// DTypeError on other dtypes, IndexError on a class outside [0, C). Then nothing was counted.
  void update(const Tensor& scores, const Tensor& target);
  /// The same of classes that were chosen, int64 of the target's shape. Throws ValueError unless top_k is 1.
  void update_predicted(const Tensor& predicted, const Tensor& target);
  /// correct() / total(); NaN when nothing was counted.
  double compute() const noexcept;
  /// How many targets were found.
  int64_t correct() const noexcept { return correct_; }
  /// How many targets counted.
  int64_t total() const noexcept { return total_; }
  void reset() noexcept { correct_ = total_ = 0; }

  /// `correct` and `total`. The options are given to the constructor.
  io::StateValues state_dict() const;
  /// Takes over a state_dict. Throws ValueError on missing, unexpected and other values; then nothing was changed.
  void load_state_dict(const io::StateValues& state);

 private:
  AccuracyOptions options_;
  int64_t correct_ = 0, total_ = 0;
};

}  // namespace gradus::train
