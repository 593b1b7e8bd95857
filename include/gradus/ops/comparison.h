#pragma once

#include "gradus/tensor.h"

/// Elementwise comparisons and tests. Operands broadcast and meet in a common dtype as those of arithmetic do.
namespace gradus {

/// Comparisons give bool and have no gradient.
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

}  // namespace gradus
