#pragma once

#include "gradus/tensor.h"

/// Normalisation: elements brought to mean 0 and variance 1, over the sizes that each function says. All take float32 or float64; weight,
/// bias and x must have one dtype (DTypeError).
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

}  // namespace gradus
