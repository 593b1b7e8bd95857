#pragma once

#include <optional>

#include "gradus/nn/module.h"
#include "gradus/ops/convolution.h"

namespace gradus::nn {

/// How a MaxPool1d or MaxPool2d is made; see gradus::max_pool1d. Stride is kernel_size where it is left empty.
struct MaxPoolOptions {
  Dims stride = {};
  Dims padding = 0;
  Dims dilation = 1;
  bool ceil_mode = false;
};

/// The largest element of each window of a sequence; see gradus::max_pool1d, and gradus::max_pool1d_with_indices for the places.
class GRADUS_API MaxPool1d : public Module {
 public:
  explicit MaxPool1d(const Dims& kernel_size, const MaxPoolOptions& options = {});
  Tensor operator()(const Tensor& x) const;

 private:
  Dims kernel_size_;
  MaxPoolOptions options_;
};

/// The same of an image; see gradus::max_pool2d.
class GRADUS_API MaxPool2d : public Module {
 public:
  explicit MaxPool2d(const Dims& kernel_size, const MaxPoolOptions& options = {});
  Tensor operator()(const Tensor& x) const;

 private:
  Dims kernel_size_;
  MaxPoolOptions options_;
};

/// How an AvgPool1d is made; see gradus::avg_pool1d.
struct AvgPool1dOptions {
  Dims stride = {};
  Dims padding = 0;
  bool ceil_mode = false;
  bool count_include_pad = true;
};

/// How an AvgPool2d is made; see gradus::avg_pool2d.
struct AvgPool2dOptions {
  Dims stride = {};
  Dims padding = 0;
  bool ceil_mode = false;
  bool count_include_pad = true;
  std::optional<int64_t> divisor_override = {};
};

/// The mean of each window of a sequence; see gradus::avg_pool1d.
class GRADUS_API AvgPool1d : public Module {
 public:
  explicit AvgPool1d(const Dims& kernel_size, const AvgPool1dOptions& options = {});
  Tensor operator()(const Tensor& x) const;

 private:
  Dims kernel_size_;
  AvgPool1dOptions options_;
};

/// The same of an image; see gradus::avg_pool2d.
class GRADUS_API AvgPool2d : public Module {
 public:
  explicit AvgPool2d(const Dims& kernel_size, const AvgPool2dOptions& options = {});
  Tensor operator()(const Tensor& x) const;

 private:
  Dims kernel_size_;
  AvgPool2dOptions options_;
};

/// A sequence's means in output_size windows; see gradus::adaptive_avg_pool1d.
class GRADUS_API AdaptiveAvgPool1d : public Module {
 public:
  explicit AdaptiveAvgPool1d(int64_t output_size);
  Tensor operator()(const Tensor& x) const;

 private:
  int64_t output_size_;
};

/// The same of an image: one number for height and width, or both, an absent one being the input's.
class GRADUS_API AdaptiveAvgPool2d : public Module {
 public:
  explicit AdaptiveAvgPool2d(int64_t output_size);
  explicit AdaptiveAvgPool2d(const OutputSize2d& output_size);
  Tensor operator()(const Tensor& x) const;

 private:
  OutputSize2d output_size_;
};

/// A sequence's largest elements in output_size windows; see gradus::adaptive_max_pool1d.
class GRADUS_API AdaptiveMaxPool1d : public Module {
 public:
  explicit AdaptiveMaxPool1d(int64_t output_size);
  Tensor operator()(const Tensor& x) const;

 private:
  int64_t output_size_;
};

/// The same of an image, with sizes as AdaptiveAvgPool2d takes them.
class GRADUS_API AdaptiveMaxPool2d : public Module {
 public:
  explicit AdaptiveMaxPool2d(int64_t output_size);
  explicit AdaptiveMaxPool2d(const OutputSize2d& output_size);
  Tensor operator()(const Tensor& x) const;

 private:
  OutputSize2d output_size_;
};

}  // namespace gradus::nn
