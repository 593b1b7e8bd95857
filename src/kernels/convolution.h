#pragma once

#include <array>
#include <cstdint>

/// Convolution as products of matrices (Chellapilla et al. 2006): the windows of an image become the columns of a matrix, which is
/// multiplied by the weights. Arrays are dense; an image is (channels, height, width), a sequence one of height 1.
namespace gradus::kernels {

struct ConvolutionSizes {
  int64_t images, groups;
  int64_t in_channels, out_channels;                         // of one group
  std::array<int64_t, 2> in, kernel, out, stride, dilation;  // height, width
  std::array<int64_t, 2> padding;                            // zeros before the first element

  int64_t in_area() const noexcept { return in[0] * in[1]; }
  int64_t out_area() const noexcept { return out[0] * out[1]; }
  /// Elements under one window: the columns' length.
  int64_t window() const noexcept { return in_channels * kernel[0] * kernel[1]; }
};

/// y (images, groups * out_channels, out) = the convolution of x (images, groups * in_channels, in) with weight
/// (groups * out_channels, in_channels, kernel), plus bias (groups * out_channels) unless it is null. T: float, double or int64_t.
template <class T>
void convolution(const ConvolutionSizes& s, const T* x, const T* weight, const T* bias, T* y);

/// dx = the gradient of x for dy, that of y.
template <class T>
void convolution_input_gradient(const ConvolutionSizes& s, const T* dy, const T* weight, T* dx);

/// dweight = the gradient of weight for dy, that of y.
template <class T>
void convolution_weight_gradient(const ConvolutionSizes& s, const T* x, const T* dy, T* dweight);

}  // namespace gradus::kernels
