#pragma once

#include "gradus/tensor.h"

/// Initialisers: they fill a tensor in place, unrecorded, and return it. With the same seed they give PyTorch's numbers.
/// fan_in and fan_out are the sizes of dimensions 1 and 0, times the sizes of any further dimensions.
namespace gradus::nn::init {

/// Which of the two numbers kaiming initialisers keep the variance for: forward (fan_in) or backward (fan_out).
enum class Fan { In, Out };
/// The function that follows a layer, for its gain.
enum class Nonlinearity { Linear, Sigmoid, Tanh, Relu, LeakyRelu, Selu };

/// PyTorch's recommended gain: 1 for Linear and Sigmoid, 5/3 for Tanh, sqrt(2) for Relu, sqrt(2 / (1 + slope^2)) for LeakyRelu,
/// 3/4 for Selu.
GRADUS_API double calculate_gain(Nonlinearity nonlinearity, double slope = 0.01);

/// Uniform on [from, to).
GRADUS_API Tensor uniform_(const Tensor& x, double from = 0, double to = 1);
/// Normal numbers.
GRADUS_API Tensor normal_(const Tensor& x, double mean = 0, double std = 1);
/// Normal numbers, drawn anew where they fall outside [a, b]: by the inverse of the distribution function.
GRADUS_API Tensor trunc_normal_(const Tensor& x, double mean = 0, double std = 1, double a = -2, double b = 2);
/// Every element becomes the value, 1, or 0.
GRADUS_API Tensor constant_(const Tensor& x, double value);
GRADUS_API Tensor ones_(const Tensor& x);
GRADUS_API Tensor zeros_(const Tensor& x);
/// The identity matrix. Throws ShapeError unless x has two dimensions.
GRADUS_API Tensor eye_(const Tensor& x);
/// Uniform on (-a, a), a = gain sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010). Throws ShapeError below two dimensions.
GRADUS_API Tensor xavier_uniform_(const Tensor& x, double gain = 1);
/// Normal with std = gain sqrt(2 / (fan_in + fan_out)).
GRADUS_API Tensor xavier_normal_(const Tensor& x, double gain = 1);
/// Uniform on (-b, b), b = gain sqrt(3 / fan); `a` is the slope of LeakyRelu (He et al. 2015). Throws ShapeError below two dimensions.
GRADUS_API Tensor kaiming_uniform_(const Tensor& x, double a = 0, Fan mode = Fan::In, Nonlinearity nonlinearity = Nonlinearity::LeakyRelu);
/// Normal with std = gain / sqrt(fan).
GRADUS_API Tensor kaiming_normal_(const Tensor& x, double a = 0, Fan mode = Fan::In, Nonlinearity nonlinearity = Nonlinearity::LeakyRelu);
/// A random matrix with orthonormal rows or columns, whichever there are fewer of, times gain (Saxe et al. 2013); dimensions after the
/// first are taken as one. Throws ShapeError below two dimensions.
GRADUS_API Tensor orthogonal_(const Tensor& x, double gain = 1);
/// Normal numbers of which, in each column, ceil(sparsity * rows) are 0 (Martens 2010). Throws ShapeError unless x has two dimensions,
/// ValueError unless sparsity is in [0, 1].
GRADUS_API Tensor sparse_(const Tensor& x, double sparsity, double std = 0.01);

}  // namespace gradus::nn::init
