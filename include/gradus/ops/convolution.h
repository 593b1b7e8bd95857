#pragma once

#include <array>
#include <concepts>
#include <initializer_list>
#include <optional>
#include <string>

#include "gradus/tensor.h"
#include "gradus/values_indices.h"

/// Convolutions and pooling: what slides a window over sequences or images.
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

/// Pooling: each output is the largest element, or the mean, of a window of the input. Those of sequences take x (N, C, L) or (C, L),
/// those of images (N, C, H, W) or (C, H, W); float32 or float64. Sizes of windows are one number, or of images one for the height and one
/// for the width. An output has floor((L + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1 elements, with ceil_mode rounded up
/// instead, as long as the last window begins within the input or its padding before it. Throws ShapeError where x has another number of
/// dimensions, is empty in one behind the batch, or gives no output; ValueError for sizes that make no sense, or a padding of more than
/// half the window.

/// The largest element; NaN where there is one. Stride is kernel_size where it is left empty.
GRADUS_API Tensor max_pool1d(const Tensor& x, const Dims& kernel_size, const Dims& stride = {}, const Dims& padding = 0,
                             const Dims& dilation = 1, bool ceil_mode = false);
GRADUS_API Tensor max_pool2d(const Tensor& x, const Dims& kernel_size, const Dims& stride = {}, const Dims& padding = 0,
                             const Dims& dilation = 1, bool ceil_mode = false);
/// The same with the places where they were found, counted within the last dimension, or row by row within the image: the first among
/// equals, the last NaN.
GRADUS_API ValuesIndices max_pool1d_with_indices(const Tensor& x, const Dims& kernel_size, const Dims& stride = {}, const Dims& padding = 0,
                                                 const Dims& dilation = 1, bool ceil_mode = false);
GRADUS_API ValuesIndices max_pool2d_with_indices(const Tensor& x, const Dims& kernel_size, const Dims& stride = {}, const Dims& padding = 0,
                                                 const Dims& dilation = 1, bool ceil_mode = false);

/// The mean. Padding counts as zeros, or not at all without count_include_pad. Takes int64 too, whose means are cut to whole numbers.
GRADUS_API Tensor avg_pool1d(const Tensor& x, const Dims& kernel_size, const Dims& stride = {}, const Dims& padding = 0,
                             bool ceil_mode = false, bool count_include_pad = true);
/// With divisor_override, the sum over that number.
GRADUS_API Tensor avg_pool2d(const Tensor& x, const Dims& kernel_size, const Dims& stride = {}, const Dims& padding = 0,
                             bool ceil_mode = false, bool count_include_pad = true, std::optional<int64_t> divisor_override = {});

/// The height and the width of an output; one that is absent is the input's.
using OutputSize2d = std::array<std::optional<int64_t>, 2>;

/// Adaptive pooling gives `output_size` elements: of L, output i is that of the elements floor(i L / size) to ceil((i + 1) L / size) - 1.
GRADUS_API Tensor adaptive_avg_pool1d(const Tensor& x, int64_t output_size);
GRADUS_API Tensor adaptive_avg_pool2d(const Tensor& x, const OutputSize2d& output_size);
GRADUS_API Tensor adaptive_avg_pool2d(const Tensor& x, int64_t output_size);
GRADUS_API Tensor adaptive_max_pool1d(const Tensor& x, int64_t output_size);
GRADUS_API Tensor adaptive_max_pool2d(const Tensor& x, const OutputSize2d& output_size);
GRADUS_API Tensor adaptive_max_pool2d(const Tensor& x, int64_t output_size);
GRADUS_API ValuesIndices adaptive_max_pool1d_with_indices(const Tensor& x, int64_t output_size);
GRADUS_API ValuesIndices adaptive_max_pool2d_with_indices(const Tensor& x, const OutputSize2d& output_size);

}  // namespace gradus
