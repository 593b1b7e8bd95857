#pragma once

#include "gradus/nn/module.h"
#include "gradus/ops/convolution.h"

namespace gradus::nn {

/// What stands around the input of a convolution: zeros, or elements of its own, as the modes of gradus::pad say.
enum class PaddingMode { Zeros, Reflect, Replicate, Circular };

/// How a Conv1d or Conv2d is made; see gradus::conv1d. Stride, padding and dilation are one number, or one a dimension.
struct ConvOptions {
  Dims stride = 1;
  Padding padding = 0;
  Dims dilation = 1;
  int64_t groups = 1;
  bool bias = true;
  PaddingMode padding_mode = PaddingMode::Zeros;
};

namespace detail {

/// What convolutions have in common.
class GRADUS_API Convolution : public Module {
 public:
  Parameter weight;  ///< (out_channels, in_channels / groups, kernel…)
  Parameter bias;    ///< (out_channels), or undefined

 protected:
  Convolution(const char* name, int64_t dims, int64_t in_channels, int64_t out_channels, const Dims& kernel_size,
              const ConvOptions& options);
  /// x with its padding, unless that is of zeros.
  Tensor padded(const Tensor& x) const;

  ConvOptions options_;  // stride and dilation one number a dimension; padding as the convolution is to put it itself
  Dims pads_;            // for gradus::pad; empty where the padding is of zeros
};

}  // namespace detail

/// The convolution of sequences (N, C, L), or (C, L) without a batch; see gradus::conv1d. Weight and bias start uniform on (-b, b),
/// b = 1 / sqrt(in_channels / groups * kernel_size).
class GRADUS_API Conv1d : public detail::Convolution {
 public:
  /// Throws ValueError for sizes below 1, channels that do not divide into the groups, or "same" with a stride.
  Conv1d(int64_t in_channels, int64_t out_channels, const Dims& kernel_size, const ConvOptions& options = {});
  Tensor operator()(const Tensor& x) const;
};

/// The convolution of images (N, C, H, W), or (C, H, W) without a batch; see gradus::conv2d.
class GRADUS_API Conv2d : public detail::Convolution {
 public:
  /// kernel_size: one number, or the height and the width. Throws as Conv1d does.
  Conv2d(int64_t in_channels, int64_t out_channels, const Dims& kernel_size, const ConvOptions& options = {});
  Tensor operator()(const Tensor& x) const;
};

}  // namespace gradus::nn
