#pragma once

#include <optional>

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

/// The functions below give float32 for integers.
/// e^x
GRADUS_API Tensor exp(const Tensor& x);
/// The natural logarithm; -inf at 0, NaN below.
GRADUS_API Tensor log(const Tensor& x);
GRADUS_API Tensor sqrt(const Tensor& x);
GRADUS_API Tensor tanh(const Tensor& x);
/// 1 / (1 + e^-x)
GRADUS_API Tensor sigmoid(const Tensor& x);

/// max(x, 0). The gradient at 0 is 0.
GRADUS_API Tensor relu(const Tensor& x);
/// min(max(x, min), max); an absent bound does not bind. The gradient is 1 within the bounds, both included, 0 outside.
/// Throws ValueError when neither is given.
GRADUS_API Tensor clamp(const Tensor& x, std::optional<Scalar> min, std::optional<Scalar> max = {});
/// x where condition (bool) is true, y elsewhere.
GRADUS_API Tensor where(const Tensor& condition, const Tensor& x, const Tensor& y);
GRADUS_API Tensor where(const Tensor& condition, const Tensor& x, Scalar y);
GRADUS_API Tensor where(const Tensor& condition, Scalar x, const Tensor& y);
/// value where mask (bool) is true, x elsewhere; the two broadcast.
GRADUS_API Tensor masked_fill(const Tensor& x, const Tensor& mask, Scalar value);
/// The same with the value of a scalar tensor, which gets the sum of the gradients of what it replaced.
GRADUS_API Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value);

inline Tensor operator+(const Tensor& x, const Tensor& y) { return add(x, y); }
inline Tensor operator+(const Tensor& x, Scalar y) { return add(x, y); }
inline Tensor operator+(Scalar x, const Tensor& y) { return add(y, x); }
inline Tensor operator-(const Tensor& x, const Tensor& y) { return sub(x, y); }
inline Tensor operator-(const Tensor& x, Scalar y) { return sub(x, y); }
inline Tensor operator-(Scalar x, const Tensor& y) { return sub(x, y); }
inline Tensor operator*(const Tensor& x, const Tensor& y) { return mul(x, y); }
inline Tensor operator*(const Tensor& x, Scalar y) { return mul(x, y); }
inline Tensor operator*(Scalar x, const Tensor& y) { return mul(y, x); }
inline Tensor operator/(const Tensor& x, const Tensor& y) { return div(x, y); }
inline Tensor operator/(const Tensor& x, Scalar y) { return div(x, y); }
inline Tensor operator/(Scalar x, const Tensor& y) { return div(x, y); }
inline Tensor operator-(const Tensor& x) { return neg(x); }

}  // namespace gradus
