#pragma once

#include <functional>
#include <string>

#include "gradus/nn/module.h"
#include "gradus/scalar.h"

/// Activations as layers, for a Sequential: each is the function of the same name. See gradus/ops/activation.h for equations and dtypes.
namespace gradus::nn {

/// A layer without parameters: a function of one tensor.
class GRADUS_API Activation : public Module {
 public:
  Tensor operator()(const Tensor& x) const;

 protected:
  /// Prints as `name(details)`.
  Activation(std::string name, std::string details, std::function<Tensor(const Tensor&)> function);

 private:
  std::function<Tensor(const Tensor&)> function_;
};

/// x itself: a place holder.
class GRADUS_API Identity : public Activation {
 public:
  Identity();
};

/// gradus::relu.
class GRADUS_API ReLU : public Activation {
 public:
  ReLU();
};

/// gradus::relu6.
class GRADUS_API ReLU6 : public Activation {
 public:
  ReLU6();
};

/// gradus::leaky_relu.
class GRADUS_API LeakyReLU : public Activation {
 public:
  explicit LeakyReLU(double negative_slope = 0.01);
};

/// leaky_relu with learned slopes: one for all, or one for each of the channels, which are dimension 1 of x.
class GRADUS_API PReLU : public Module {
 public:
  /// Throws ValueError unless num_parameters is positive.
  explicit PReLU(int64_t num_parameters = 1, double init = 0.25);
  Tensor operator()(const Tensor& x) const;

  Parameter weight;  ///< (num_parameters)
};

/// leaky_relu with slopes drawn anew for each element while training, their mean in evaluation.
class GRADUS_API RReLU : public Module {
 public:
  /// Throws ValueError when lower > upper.
  explicit RReLU(double lower = 1.0 / 8, double upper = 1.0 / 3);
  Tensor operator()(const Tensor& x) const;

 private:
  double lower_, upper_;
};

/// gradus::elu.
class GRADUS_API ELU : public Activation {
 public:
  explicit ELU(double alpha = 1);
};

/// gradus::selu.
class GRADUS_API SELU : public Activation {
 public:
  SELU();
};

/// gradus::celu.
class GRADUS_API CELU : public Activation {
 public:
  /// Throws ValueError on alpha 0.
  explicit CELU(double alpha = 1);
};

/// gradus::gelu.
class GRADUS_API GELU : public Activation {
 public:
  /// Throws ValueError unless approximate is "none" or "tanh".
  explicit GELU(const std::string& approximate = "none");
};

/// gradus::silu.
class GRADUS_API SiLU : public Activation {
 public:
  SiLU();
};

/// gradus::mish.
class GRADUS_API Mish : public Activation {
 public:
  Mish();
};

/// gradus::hardswish.
class GRADUS_API Hardswish : public Activation {
 public:
  Hardswish();
};

/// gradus::hardsigmoid.
class GRADUS_API Hardsigmoid : public Activation {
 public:
  Hardsigmoid();
};

/// gradus::hardtanh.
class GRADUS_API Hardtanh : public Activation {
 public:
  /// Throws ValueError unless min_val < max_val.
  explicit Hardtanh(double min_val = -1, double max_val = 1);
};

/// gradus::hardshrink.
class GRADUS_API Hardshrink : public Activation {
 public:
  explicit Hardshrink(double lambd = 0.5);
};

/// gradus::softshrink.
class GRADUS_API Softshrink : public Activation {
 public:
  /// Throws ValueError on a negative lambd.
  explicit Softshrink(double lambd = 0.5);
};

/// gradus::tanhshrink.
class GRADUS_API Tanhshrink : public Activation {
 public:
  Tanhshrink();
};

/// gradus::softsign.
class GRADUS_API Softsign : public Activation {
 public:
  Softsign();
};

/// gradus::softplus.
class GRADUS_API Softplus : public Activation {
 public:
  explicit Softplus(Scalar beta = 1, Scalar threshold = 20);
};

/// gradus::sigmoid.
class GRADUS_API Sigmoid : public Activation {
 public:
  Sigmoid();
};

/// gradus::logsigmoid.
class GRADUS_API LogSigmoid : public Activation {
 public:
  LogSigmoid();
};

/// gradus::tanh.
class GRADUS_API Tanh : public Activation {
 public:
  Tanh();
};

/// gradus::threshold.
class GRADUS_API Threshold : public Activation {
 public:
  Threshold(Scalar threshold, Scalar value);
};

/// gradus::glu.
class GRADUS_API GLU : public Activation {
 public:
  explicit GLU(int64_t dim = -1);
};

/// gradus::softmax. PyTorch guesses a dimension when none is given, and warns; here it must be said.
class GRADUS_API Softmax : public Activation {
 public:
  explicit Softmax(int64_t dim);
};

/// gradus::log_softmax.
class GRADUS_API LogSoftmax : public Activation {
 public:
  explicit LogSoftmax(int64_t dim);
};

/// gradus::softmin.
class GRADUS_API Softmin : public Activation {
 public:
  explicit Softmin(int64_t dim);
};

/// softmax over the channels of (N, C, H, W) or (C, H, W). Throws ShapeError on other numbers of dimensions.
class GRADUS_API Softmax2d : public Activation {
 public:
  Softmax2d();
};

/// Dimensions start_dim to end_dim as one; the first, of batches, stays by default.
class GRADUS_API Flatten : public Activation {
 public:
  explicit Flatten(int64_t start_dim = 1, int64_t end_dim = -1);
};

/// Dimension dim as several, of the given sizes, of which one may be -1.
class GRADUS_API Unflatten : public Activation {
 public:
  Unflatten(int64_t dim, const Shape& unflattened_size);
};

/// How a PairwiseDistance is made.
struct PairwiseDistanceOptions {
  double p = 2;
  double eps = 1e-6;  ///< added to each difference
  bool keepdim = false;
};

/// pairwise_distance of (…, F) and (…, F).
class GRADUS_API PairwiseDistance : public Module {
 public:
  explicit PairwiseDistance(const PairwiseDistanceOptions& options = {});
  Tensor operator()(const Tensor& x1, const Tensor& x2) const;

 private:
  PairwiseDistanceOptions options_;
};

/// cosine_similarity along a dimension.
class GRADUS_API CosineSimilarity : public Module {
 public:
  explicit CosineSimilarity(int64_t dim = 1, double eps = 1e-8);
  Tensor operator()(const Tensor& x1, const Tensor& x2) const;

 private:
  int64_t dim_;
  double eps_;
};

}  // namespace gradus::nn
