#pragma once

#include <optional>
#include <string_view>

#include "gradus/tensor.h"

/// Elementwise operations. Operands broadcast by NumPy's rules and are promoted by PyTorch's: bool < int64 < float32 < float64, where a
/// tensor with dimensions outweighs a scalar of its kind. Shapes that do not broadcast throw ShapeError.
namespace gradus {

/// x + alpha * y
GRADUS_API Tensor add(const Tensor& x, const Tensor& y, Scalar alpha = 1);
GRADUS_API Tensor add(const Tensor& x, Scalar y);
/// x - alpha * y. Throws DTypeError on bool, as PyTorch does: say what is meant with logical_xor or logical_not.
GRADUS_API Tensor sub(const Tensor& x, const Tensor& y, Scalar alpha = 1);
GRADUS_API Tensor sub(const Tensor& x, Scalar y);
GRADUS_API Tensor sub(Scalar x, const Tensor& y);
/// x * y
GRADUS_API Tensor mul(const Tensor& x, const Tensor& y);
GRADUS_API Tensor mul(const Tensor& x, Scalar y);
/// x / y, true division: integers give float32.
GRADUS_API Tensor div(const Tensor& x, const Tensor& y);
GRADUS_API Tensor div(const Tensor& x, Scalar y);
GRADUS_API Tensor div(Scalar x, const Tensor& y);
/// x^exponent. Throws ValueError on a negative exponent of integers. The gradient at x = 0, exponent = 0 is 0.
GRADUS_API Tensor pow(const Tensor& x, const Tensor& exponent);
GRADUS_API Tensor pow(const Tensor& x, Scalar exponent);
GRADUS_API Tensor pow(Scalar x, const Tensor& exponent);

/// -x. Throws DTypeError on bool.
GRADUS_API Tensor neg(const Tensor& x);
/// |x|. The gradient at 0 is 0.
GRADUS_API Tensor abs(const Tensor& x);

/// e^x. This and the functions below give float32 for integers.
GRADUS_API Tensor exp(const Tensor& x);
/// The natural logarithm; -inf at 0, NaN below.
GRADUS_API Tensor log(const Tensor& x);
/// The square root; NaN below 0.
GRADUS_API Tensor sqrt(const Tensor& x);
/// (e^x - e^-x) / (e^x + e^-x)
GRADUS_API Tensor tanh(const Tensor& x);
/// 1 / (1 + e^-x)
GRADUS_API Tensor sigmoid(const Tensor& x);

/// min(max(x, min), max); an absent bound does not bind. The gradient is 1 within the bounds, both included, 0 outside.
/// Throws ValueError when neither is given.
GRADUS_API Tensor clamp(const Tensor& x, std::optional<Scalar> min, std::optional<Scalar> max = {});
/// x where condition (bool) is true, y elsewhere.
GRADUS_API Tensor where(const Tensor& condition, const Tensor& x, const Tensor& y);
GRADUS_API Tensor where(const Tensor& condition, const Tensor& x, Scalar y);
GRADUS_API Tensor where(const Tensor& condition, Scalar x, const Tensor& y);
/// value where mask (bool) is true, x elsewhere; the two broadcast. A bool x takes any value, by "is not zero", an int64 x whole ones only.
GRADUS_API Tensor masked_fill(const Tensor& x, const Tensor& mask, Scalar value);
/// The same with the value of a scalar tensor, which gets the sum of the gradients of what it replaced.
GRADUS_API Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value);

/// The sine and the cosine of an angle in radians. Functions of one number give float32 for integers unless they say otherwise.
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

/// NaN, infinity and -infinity replaced, the latter two by the largest and smallest finite number unless given.
GRADUS_API Tensor nan_to_num(const Tensor& x, double nan = 0, std::optional<double> posinf = {}, std::optional<double> neginf = {});

/// Functions of two or three numbers.

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
/// start + weight * (end - start), exact at both ends. Throws DTypeError unless all are float32 or all float64.
GRADUS_API Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight);
GRADUS_API Tensor lerp(const Tensor& start, const Tensor& end, double weight);
/// x + value * a * b
GRADUS_API Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value = 1);
/// x + value * a / b. Throws DTypeError on integers.
GRADUS_API Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value = 1);
/// alpha * x subtracted from y.
GRADUS_API Tensor rsub(const Tensor& x, const Tensor& y, Scalar alpha = 1);
GRADUS_API Tensor rsub(const Tensor& x, Scalar y);

/// Comparisons and tests give bool and have no gradient.

GRADUS_API Tensor eq(const Tensor& x, const Tensor& y);
GRADUS_API Tensor eq(const Tensor& x, Scalar y);
GRADUS_API Tensor ne(const Tensor& x, const Tensor& y);
GRADUS_API Tensor ne(const Tensor& x, Scalar y);
GRADUS_API Tensor lt(const Tensor& x, const Tensor& y);
GRADUS_API Tensor lt(const Tensor& x, Scalar y);
GRADUS_API Tensor le(const Tensor& x, const Tensor& y);
GRADUS_API Tensor le(const Tensor& x, Scalar y);
GRADUS_API Tensor gt(const Tensor& x, const Tensor& y);
GRADUS_API Tensor gt(const Tensor& x, Scalar y);
GRADUS_API Tensor ge(const Tensor& x, const Tensor& y);
GRADUS_API Tensor ge(const Tensor& x, Scalar y);
/// Of bool, or of other dtypes by "is not zero".
GRADUS_API Tensor logical_not(const Tensor& x);
GRADUS_API Tensor logical_and(const Tensor& x, const Tensor& y);
GRADUS_API Tensor logical_or(const Tensor& x, const Tensor& y);
/// True where x is NaN.
GRADUS_API Tensor isnan(const Tensor& x);
/// True where x is neither NaN nor infinite.
GRADUS_API Tensor isfinite(const Tensor& x);
/// True where x is infinite.
GRADUS_API Tensor isinf(const Tensor& x);
/// Exclusive or of bool, or of other dtypes by "is not zero".
GRADUS_API Tensor logical_xor(const Tensor& x, const Tensor& y);
/// sin(pi x) / (pi x), which is 1 at 0 and 0 at infinity. Integers give float32.
GRADUS_API Tensor sinc(const Tensor& x);

}  // namespace gradus
