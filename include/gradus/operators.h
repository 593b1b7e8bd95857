#pragma once

#include "gradus/export.h"
#include "gradus/scalar.h"

/// The operators of tensors, elementwise: each is the function of `gradus/ops/elementwise.h` whose sign it is.
namespace gradus {

class Tensor;

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

}  // namespace gradus
