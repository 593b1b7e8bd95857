#pragma once

#include "gradus/nn/module.h"

namespace gradus::nn {

/// y = x W^T + b: (..., I) to (..., O). Weight and bias start uniform on (-1/sqrt(I), 1/sqrt(I)).
class GRADUS_API Linear : public Module {
 public:
  /// Throws ValueError unless both sizes are positive.
  Linear(int64_t in_features, int64_t out_features, bool bias = true);
  Tensor operator()(const Tensor& x) const;

  Parameter weight;  ///< (O, I)
  Parameter bias;    ///< (O), or undefined
};

/// y_o = sum over i, j of x1_i W_oij x2_j + b_o: (..., I1), (..., I2) to (..., O). Weight and bias start uniform on (-1/sqrt(I1),
/// 1/sqrt(I1)).
class GRADUS_API Bilinear : public Module {
 public:
  /// Throws ValueError unless the sizes are positive.
  Bilinear(int64_t in1_features, int64_t in2_features, int64_t out_features, bool bias = true);
  Tensor operator()(const Tensor& x1, const Tensor& x2) const;

  Parameter weight;  ///< (O, I1, I2)
  Parameter bias;    ///< (O), or undefined
};

/// Sets each element to 0 with probability p and divides the others by 1 - p, while training; passes x on in evaluation.
class GRADUS_API Dropout : public Module {
 public:
  /// Throws ValueError unless p is in [0, 1].
  explicit Dropout(double p = 0.5);
  Tensor operator()(const Tensor& x) const;
  double p() const noexcept { return p_; }

 private:
  double p_;
};

}  // namespace gradus::nn
