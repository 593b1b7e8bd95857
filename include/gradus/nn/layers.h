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

 private:
  double p_;
};

/// The output layer and its loss in one, for large vocabularies: CrossEntropyLoss(Linear(input), target) by gradus::linear_cross_entropy.
/// Weight and bias are those of a Linear; class weights are the buffer `class_weight`.
class GRADUS_API LinearCrossEntropy : public Module {
 public:
  /// Throws ValueError unless both sizes are positive and label_smoothing is in [0, 1].
  LinearCrossEntropy(int64_t in_features, int64_t num_classes, bool bias = true, const CrossEntropyOptions& options = {});
  /// input (..., I) and target (...) to the loss.
  Tensor operator()(const Tensor& input, const Tensor& target) const;
  /// The logits (..., V), to predict with.
  Tensor logits(const Tensor& input) const;

  Parameter weight;  ///< (V, I)
  Parameter bias;    ///< (V), or undefined

 private:
  CrossEntropyOptions options_;
  Parameter class_weight_;
};

}  // namespace gradus::nn
