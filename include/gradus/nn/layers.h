#pragma once

#include "gradus/nn/module.h"
#include "gradus/ops/loss.h"

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

/// Sets each element to 0 with probability p and divides the others by 1 - p, while training; passes x on in evaluation.
class GRADUS_API Dropout : public Module {
 public:
  /// Throws ValueError unless p is in [0, 1].
  explicit Dropout(double p = 0.5);
  Tensor operator()(const Tensor& x) const;

 private:
  double p_;
};

/// The cross-entropy of logits and targets; see gradus::cross_entropy for shapes and options. The weight is a buffer.
class GRADUS_API CrossEntropyLoss : public Module {
 public:
  /// Throws ValueError unless label_smoothing is in [0, 1].
  explicit CrossEntropyLoss(const CrossEntropyOptions& options = {});
  Tensor operator()(const Tensor& logits, const Tensor& target) const;

 private:
  CrossEntropyOptions options_;
  Parameter weight_;
};

}  // namespace gradus::nn
