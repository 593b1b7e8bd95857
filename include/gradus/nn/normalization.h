#pragma once

#include <optional>

#include "gradus/nn/module.h"

namespace gradus::nn {

/// How a LayerNorm is made.
struct LayerNormOptions {
  double eps = 1e-5;
  bool elementwise_affine = true;  ///< whether it has a weight and a bias
};

/// (x - mean) / sqrt(var + eps) * weight + bias over the last dimensions; see gradus::layer_norm. Weight starts as 1, bias as 0.
class GRADUS_API LayerNorm : public Module {
 public:
  /// normalized_shape: the sizes of the dimensions to normalise over, `LayerNorm(512)` or `LayerNorm({8, 16})`.
  /// Throws ShapeError when it is empty or a size is negative.
  explicit LayerNorm(const Shape& normalized_shape, const LayerNormOptions& options = {});
  /// Throws ShapeError unless x ends in the normalised shape.
  Tensor operator()(const Tensor& x) const;

  Parameter weight;  ///< of the normalised shape, or undefined
  Parameter bias;    ///< likewise

 private:
  Shape shape_;
  double eps_;
};

/// How a batch normalisation is made.
struct BatchNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< how far the running numbers move at each step; absent: they are the mean of all steps so far
  bool affine = true;                    ///< whether it has a weight and a bias
  bool track_running_stats = true;       ///< whether it keeps running numbers; without, evaluation takes those of the batch too
};

namespace detail {

/// What batch normalisations have in common; see gradus::batch_norm.
class GRADUS_API BatchNorm : public Module {
 public:
  Parameter weight;               ///< (C), starts as 1; or undefined
  Parameter bias;                 ///< (C), starts as 0; or undefined
  Parameter running_mean;         ///< (C), a buffer, starts as 0; or undefined
  Parameter running_var;          ///< (C), a buffer, starts as 1; or undefined
  Parameter num_batches_tracked;  ///< an int64 buffer: how many batches it has seen while training; or undefined

 protected:
  BatchNorm(const char* name, int64_t num_features, const BatchNormOptions& options);
  /// Throws ShapeError unless x has from `least` to `most` dimensions and num_features channels.
  Tensor normalized(const Tensor& x, int64_t least, int64_t most) const;

 private:
  int64_t num_features_;
  BatchNormOptions options_;
};

}  // namespace detail

/// Normalisation by channel of (N, C) or sequences (N, C, L).
class GRADUS_API BatchNorm1d : public detail::BatchNorm {
 public:
  /// Throws ValueError when num_features is negative.
  explicit BatchNorm1d(int64_t num_features, const BatchNormOptions& options = {});
  /// While training it also updates the running numbers.
  Tensor operator()(const Tensor& x) const;
};

/// Normalisation by channel of images (N, C, H, W).
class GRADUS_API BatchNorm2d : public detail::BatchNorm {
 public:
  /// Throws ValueError when num_features is negative.
  explicit BatchNorm2d(int64_t num_features, const BatchNormOptions& options = {});
  Tensor operator()(const Tensor& x) const;
};

/// How a GroupNorm is made.
struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;  ///< whether it has a weight and a bias
};

/// Normalisation over groups of channels of (N, C, …); see gradus::group_norm.
class GRADUS_API GroupNorm : public Module {
 public:
  /// Throws ValueError when the channels do not divide into the groups.
  GroupNorm(int64_t num_groups, int64_t num_channels, const GroupNormOptions& options = {});
  Tensor operator()(const Tensor& x) const;

  Parameter weight;  ///< (C), starts as 1; or undefined
  Parameter bias;    ///< (C), starts as 0; or undefined

 private:
  int64_t num_groups_;
  double eps_;
};

}  // namespace gradus::nn
