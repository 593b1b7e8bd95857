#pragma once

#include <array>
#include <optional>

#include "gradus/ops/reduce.h"
#include "gradus/tensor.h"

/// Pooling: each output is the largest element, or the mean, of a window of the input. Those of sequences take x (N, C, L) or (C, L),
/// those of images (N, C, H, W) or (C, H, W); float32 or float64. Sizes of windows are one number, or of images one for the height and one
/// for the width. An output has floor((L + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1 elements, with ceil_mode rounded up
/// instead, as long as the last window begins within the input or its padding before it. Throws ShapeError where x has another number of
/// dimensions, is empty in one behind the batch, or gives no output; ValueError for sizes that make no sense, or a padding of more than
/// half the window.
namespace gradus {

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
