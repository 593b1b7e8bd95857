#pragma once

#include <optional>

#include "gradus/tensor.h"

/// Functions of one number, elementwise. Unless they say otherwise they give float32 for integers.
namespace gradus {

GRADUS_API Tensor sin(const Tensor& x);
GRADUS_API Tensor cos(const Tensor& x);
/// The error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x.
GRADUS_API Tensor erf(const Tensor& x);
/// e^x - 1, exact near 0.
GRADUS_API Tensor expm1(const Tensor& x);
/// ln(1 + x), exact near 0.
GRADUS_API Tensor log1p(const Tensor& x);
/// 1 / x
GRADUS_API Tensor reciprocal(const Tensor& x);
/// 1 / sqrt(x)
GRADUS_API Tensor rsqrt(const Tensor& x);
/// x * x, in x's dtype.
GRADUS_API Tensor square(const Tensor& x);

/// The nearest integer below, above, towards 0, or nearest (halves to the even one), in x's dtype. Their gradient is 0.
/// Throw DTypeError on bool.
GRADUS_API Tensor floor(const Tensor& x);
GRADUS_API Tensor ceil(const Tensor& x);
GRADUS_API Tensor trunc(const Tensor& x);
GRADUS_API Tensor round(const Tensor& x);
/// -1, 0 or 1, in x's dtype; 0 for NaN. The gradient is 0.
GRADUS_API Tensor sign(const Tensor& x);

/// True where x is infinite.
GRADUS_API Tensor isinf(const Tensor& x);
/// NaN, infinity and -infinity replaced, the latter two by the largest and smallest finite number unless given.
GRADUS_API Tensor nan_to_num(const Tensor& x, double nan = 0, std::optional<double> posinf = {}, std::optional<double> neginf = {});

}  // namespace gradus
