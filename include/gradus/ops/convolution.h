#pragma once

#include <concepts>
#include <initializer_list>
#include <string>

#include "gradus/tensor.h"

namespace gradus {

/// Zeros put around what a convolution reads: a number of them at both ends of each dimension, or as many as "same" or "valid" says.
class GRADUS_API Padding {
 public:
  /// So many at every end.
  template <std::integral T>
  Padding(T size) : sizes_(static_cast<int64_t>(size)) {}
  /// So many at both ends of each dimension.
  Padding(std::initializer_list<int64_t> sizes) : sizes_(sizes) {}
  Padding(const Dims& sizes) : sizes_(sizes) {}
  /// "valid": none. "same": so many that the result has the input's sizes; where the number is odd, one more at the end. Throws ValueError
  /// on another text.
  Padding(const char* mode) : Padding(std::string(mode)) {}
  Padding(const std::string& mode);

  bool is_same() const noexcept { return mode_ == "same"; }
  /// "same", "valid", or empty where it is given in numbers.
  const std::string& mode() const noexcept { return mode_; }
  const Dims& sizes() const noexcept { return sizes_; }

 private:
  Dims sizes_ = 0;
  std::string mode_;
};

/// The convolution of sequences, which deep learning defines as a cross-correlation:
///
///     y[n, o, i] = bias[o] + sum over c, k of weight[o, c, k] * x[n, c, i * stride + k * dilation - padding]
///
/// x (N, C, L) or (C, L); weight (O, C / groups, K); bias (O) or undefined; y (N, O, L') or (O, L') with
/// L' = floor((L + 2 padding - dilation (K - 1) - 1) / stride) + 1. With groups, each of so many parts of the outputs sees its own part of
/// the channels. float32, float64, or int64 (without gradient); all have one dtype (DTypeError). Throws ShapeError where shapes do not fit
/// together or the kernel is larger than the padded input, ValueError for a stride, dilation or number of groups below 1, a negative
/// padding, or "same" with a stride.
GRADUS_API Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Dims& stride = 1, const Padding& padding = 0,
                         const Dims& dilation = 1, int64_t groups = 1);
/// The same of images: x (N, C, H, W) or (C, H, W), weight (O, C / groups, KH, KW). Stride, padding and dilation are one number, or one
/// for the height and one for the width.
GRADUS_API Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Dims& stride = 1, const Padding& padding = 0,
                         const Dims& dilation = 1, int64_t groups = 1);

}  // namespace gradus
