#pragma once

#include <string_view>

#include "gradus/tensor.h"

/// Functions of two or three numbers, elementwise. Operands broadcast and are promoted as for add and mul.
namespace gradus {

/// x / y, rounded: rounding_mode "trunc" towards 0, "floor" down. Integers stay integers and then throw ValueError, with the place, on
/// division by 0 and on the smallest number by -1. The gradient is 0.
GRADUS_API Tensor div(const Tensor& x, const Tensor& y, std::string_view rounding_mode);
GRADUS_API Tensor div(const Tensor& x, Scalar y, std::string_view rounding_mode);
/// div rounded down.
GRADUS_API Tensor floor_divide(const Tensor& x, const Tensor& y);
GRADUS_API Tensor floor_divide(const Tensor& x, Scalar y);
/// x - y * floor(x / y): it has y's sign. Integers throw ValueError where y is 0.
GRADUS_API Tensor remainder(const Tensor& x, const Tensor& y);
GRADUS_API Tensor remainder(const Tensor& x, Scalar y);
/// x - y * trunc(x / y): it has x's sign. Integers throw ValueError where y is 0.
GRADUS_API Tensor fmod(const Tensor& x, const Tensor& y);
GRADUS_API Tensor fmod(const Tensor& x, Scalar y);

/// The larger, or smaller, of both; NaN when either is. Equal numbers share the gradient.
GRADUS_API Tensor maximum(const Tensor& x, const Tensor& y);
GRADUS_API Tensor minimum(const Tensor& x, const Tensor& y);
inline Tensor max(const Tensor& x, const Tensor& y) { return maximum(x, y); }
inline Tensor min(const Tensor& x, const Tensor& y) { return minimum(x, y); }
/// clamp with a bound for each element, broadcast; an undefined one does not bind. NaN in a bound gives NaN.
GRADUS_API Tensor clamp(const Tensor& x, const Tensor& min, const Tensor& max = {});

/// The angle of the point (x, y) against the x axis, in radians, in (-pi, pi].
GRADUS_API Tensor atan2(const Tensor& y, const Tensor& x);
/// start + weight * (end - start)
GRADUS_API Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight);
GRADUS_API Tensor lerp(const Tensor& start, const Tensor& end, double weight);
/// x + value * a * b
GRADUS_API Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value = 1);
/// x + value * a / b. Throws DTypeError on integers.
GRADUS_API Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value = 1);
/// alpha * x subtracted from y.
GRADUS_API Tensor rsub(const Tensor& x, const Tensor& y, Scalar alpha = 1);
GRADUS_API Tensor rsub(const Tensor& x, Scalar y);

/// Exclusive or of bool, or of other dtypes by "is not zero".
GRADUS_API Tensor logical_xor(const Tensor& x, const Tensor& y);

}  // namespace gradus
