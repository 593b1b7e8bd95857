#pragma once

#include "gradus/tensor.h"

/// Normalisation and dropout: elements brought to mean 0 and variance 1, over the sizes that each function says. All take float32 or
/// float64; weight, bias and x must have one dtype (DTypeError).
namespace gradus {

/// (x - mean) / sqrt(var + eps) * weight + bias, mean and variance taken over the last dimensions, those of `normalized_shape` (Ba et al.
/// 2016). Weight and bias have that shape, or are undefined. Throws ShapeError when x does not end in it, or when it is empty.
GRADUS_API Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {}, const Tensor& bias = {},
                             double eps = 1e-5);

/// What native_layer_norm gives.
struct LayerNormOutput {
  Tensor output;
  Tensor mean;  ///< of each slice, its normalised dimensions kept as 1; without history
  Tensor rstd;  ///< 1 / sqrt(var + eps), likewise
};
/// layer_norm with the numbers that it used.
GRADUS_API LayerNormOutput native_layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias,
                                             double eps);

/// (x - mean) / sqrt(var + eps) * weight + bias by channel: x (N, C, …), everything else (C) or undefined (Ioffe & Szegedy 2015).
/// While training, mean and variance are those of the channel in this batch, and running_mean and running_var, where they are defined, move
/// towards them in place: (1 - momentum) * running + momentum * current, the variance with n - 1. Otherwise they are the running ones.
/// Throws ShapeError where sizes differ, ValueError while training with one value a channel, or without training where running numbers are
/// undefined.
GRADUS_API Tensor batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight = {},
                             const Tensor& bias = {}, bool training = false, double momentum = 0.1, double eps = 1e-5);

/// The same over groups of neighbouring channels of each element of the batch (Wu & He 2018): x (N, C, …), weight and bias (C) or
/// undefined. Throws ShapeError when the channels do not divide into the groups.
GRADUS_API Tensor group_norm(const Tensor& x, int64_t num_groups, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5);

/// x / max(||x||_p, eps), the norm taken along dims.
GRADUS_API Tensor normalize(const Tensor& x, double p = 2, const Dims& dims = {1}, double eps = 1e-12);

/// x / (1 - p), with each element set to 0 with probability p, when training; x itself otherwise. p in [0, 1].
GRADUS_API Tensor dropout(const Tensor& x, double p = 0.5, bool training = true);

}  // namespace gradus
