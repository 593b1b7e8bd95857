#pragma once

#include <optional>

#include "gradus/ops/reduce.h"
#include "gradus/tensor.h"

/// Operations that walk along one dimension: running sums and products, and sorting.
namespace gradus {

/// y_i = x_0 + … + x_i along dim. Integers and bools sum as int64; with dtype, elements are converted first.
GRADUS_API Tensor cumsum(const Tensor& x, int64_t dim, std::optional<DType> dtype = {});
/// y_i = x_0 * … * x_i along dim, likewise.
GRADUS_API Tensor cumprod(const Tensor& x, int64_t dim, std::optional<DType> dtype = {});

/// The elements in order along dim, and where each was. Equal elements keep their order; NaN counts as the largest.
GRADUS_API ValuesIndices sort(const Tensor& x, int64_t dim = -1, bool descending = false);
GRADUS_API Tensor argsort(const Tensor& x, int64_t dim = -1, bool descending = false);
/// The k largest (or smallest) elements along dim, in order, and where each was. Throws ValueError unless 0 <= k <= size.
GRADUS_API ValuesIndices topk(const Tensor& x, int64_t k, int64_t dim = -1, bool largest = true, bool sorted = true);

}  // namespace gradus
