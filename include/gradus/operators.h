#pragma once

#include "gradus/export.h"
#include "gradus/scalar.h"

/// The operators of tensors, elementwise: each of arithmetic and comparison is the function of `gradus/ops/elementwise.h` whose sign it is.
namespace gradus {

class Tensor;

/// Sum, difference, product, quotient and negative: add, sub, mul, div, neg.
GRADUS_API Tensor operator+(const Tensor& x, const Tensor& y);
GRADUS_API Tensor operator+(const Tensor& x, Scalar y);
GRADUS_API Tensor operator+(Scalar x, const Tensor& y);
GRADUS_API Tensor operator-(const Tensor& x, const Tensor& y);
GRADUS_API Tensor operator-(const Tensor& x, Scalar y);
GRADUS_API Tensor operator-(Scalar x, const Tensor& y);
GRADUS_API Tensor operator*(const Tensor& x, const Tensor& y);
GRADUS_API Tensor operator*(const Tensor& x, Scalar y);
GRADUS_API Tensor operator*(Scalar x, const Tensor& y);
GRADUS_API Tensor operator/(const Tensor& x, const Tensor& y);
GRADUS_API Tensor operator/(const Tensor& x, Scalar y);
GRADUS_API Tensor operator/(Scalar x, const Tensor& y);
GRADUS_API Tensor operator-(const Tensor& x);

/// Comparisons give a bool tensor, element by element, also `==` and `!=`: whether all are equal says `equal(x, y)`.
GRADUS_API Tensor operator==(const Tensor& x, const Tensor& y);
GRADUS_API Tensor operator==(const Tensor& x, Scalar y);
GRADUS_API Tensor operator==(Scalar x, const Tensor& y);
GRADUS_API Tensor operator!=(const Tensor& x, const Tensor& y);
GRADUS_API Tensor operator!=(const Tensor& x, Scalar y);
GRADUS_API Tensor operator!=(Scalar x, const Tensor& y);
GRADUS_API Tensor operator<(const Tensor& x, const Tensor& y);
GRADUS_API Tensor operator<(const Tensor& x, Scalar y);
GRADUS_API Tensor operator<(Scalar x, const Tensor& y);
GRADUS_API Tensor operator<=(const Tensor& x, const Tensor& y);
GRADUS_API Tensor operator<=(const Tensor& x, Scalar y);
GRADUS_API Tensor operator<=(Scalar x, const Tensor& y);
GRADUS_API Tensor operator>(const Tensor& x, const Tensor& y);
GRADUS_API Tensor operator>(const Tensor& x, Scalar y);
GRADUS_API Tensor operator>(Scalar x, const Tensor& y);
GRADUS_API Tensor operator>=(const Tensor& x, const Tensor& y);
GRADUS_API Tensor operator>=(const Tensor& x, Scalar y);
GRADUS_API Tensor operator>=(Scalar x, const Tensor& y);

/// Not, and, or and exclusive or: of bool as such, of int64 bit by bit. Operands broadcast and are promoted as for add. Without a gradient;
/// throw DTypeError on floating-point numbers. C++ binds `&`, `^` and `|` less tightly than comparisons: `x > 0 & y > 0` is
/// `(x > 0) & (y > 0)`.
GRADUS_API Tensor operator~(const Tensor& x);
GRADUS_API Tensor operator&(const Tensor& x, const Tensor& y);
GRADUS_API Tensor operator&(const Tensor& x, Scalar y);
GRADUS_API Tensor operator&(Scalar x, const Tensor& y);
GRADUS_API Tensor operator|(const Tensor& x, const Tensor& y);
GRADUS_API Tensor operator|(const Tensor& x, Scalar y);
GRADUS_API Tensor operator|(Scalar x, const Tensor& y);
GRADUS_API Tensor operator^(const Tensor& x, const Tensor& y);
GRADUS_API Tensor operator^(const Tensor& x, Scalar y);
GRADUS_API Tensor operator^(Scalar x, const Tensor& y);

}  // namespace gradus
