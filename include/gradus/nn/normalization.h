#pragma once

#include "gradus/nn/module.h"
#include "gradus/ops/normalization.h"

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

}  // namespace gradus::nn
