#pragma once

#include <optional>
#include <utility>

#include "gradus/tensor.h"
#include "gradus/values_indices.h"

/// Reductions. `dims` empty means all dimensions; `keepdim` leaves the reduced ones with size 1.
namespace gradus {

/// The sum; integers and bools sum as int64. With dtype, elements are converted first.
GRADUS_API Tensor sum(const Tensor& x, const Dims& dims = {}, bool keepdim = false, std::optional<DType> dtype = {});
/// The mean. Throws DTypeError on integers: convert first, or give a dtype.
GRADUS_API Tensor mean(const Tensor& x, const Dims& dims = {}, bool keepdim = false, std::optional<DType> dtype = {});
/// sum((x - mean(x))^2) / max(0, n - correction)
GRADUS_API Tensor var(const Tensor& x, const Dims& dims = {}, int64_t correction = 1, bool keepdim = false);
/// The square root of var. Its gradient is 0 where it is 0.
GRADUS_API Tensor std(const Tensor& x, const Dims& dims = {}, int64_t correction = 1, bool keepdim = false);
/// Both at once: var or std, and the mean.
GRADUS_API std::pair<Tensor, Tensor> var_mean(const Tensor& x, const Dims& dims = {}, int64_t correction = 1, bool keepdim = false);
GRADUS_API std::pair<Tensor, Tensor> std_mean(const Tensor& x, const Dims& dims = {}, int64_t correction = 1, bool keepdim = false);
/// The product; integers and bools multiply as int64. With dtype, elements are converted first.
GRADUS_API Tensor prod(const Tensor& x, std::optional<DType> dtype = {});
GRADUS_API Tensor prod(const Tensor& x, int64_t dim, bool keepdim = false, std::optional<DType> dtype = {});

/// The p-norm (sum |x|^p)^(1/p) along dims; p may be infinity (the largest |x|), -infinity (the smallest) or 0 (how many are not 0).
/// Throws DTypeError on integers.
GRADUS_API Tensor norm(const Tensor& x, double p = 2, const Dims& dims = {}, bool keepdim = false, std::optional<DType> dtype = {});
/// ln(sum(e^x)), from x - max(x).
GRADUS_API Tensor logsumexp(const Tensor& x, const Dims& dims, bool keepdim = false);

/// The largest element, or the smallest. NaN wins. Throws ValueError on an empty tensor. The gradient is shared evenly among equal
/// elements.
GRADUS_API Tensor max(const Tensor& x);
GRADUS_API Tensor min(const Tensor& x);
/// The largest element along a dimension, or the smallest, and its first place; the gradient goes to that place.
GRADUS_API ValuesIndices max(const Tensor& x, int64_t dim, bool keepdim = false);
GRADUS_API ValuesIndices min(const Tensor& x, int64_t dim, bool keepdim = false);
/// The place of the first largest element, or of the first smallest: along a dimension, or in the flattened tensor.
GRADUS_API Tensor argmax(const Tensor& x, std::optional<int64_t> dim = {}, bool keepdim = false);
GRADUS_API Tensor argmin(const Tensor& x, std::optional<int64_t> dim = {}, bool keepdim = false);
/// The largest, or smallest, elements along several dimensions; equal ones share the gradient evenly.
GRADUS_API Tensor amax(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
GRADUS_API Tensor amin(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// Whether any, or every, element is not zero.
GRADUS_API Tensor any(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
GRADUS_API Tensor all(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// How many elements are not zero, int64.
GRADUS_API Tensor count_nonzero(const Tensor& x, const Dims& dims = {});

/// Adds x up along the dimensions in which it is larger than `shape`, so that it has that shape: the adjoint of broadcasting.
GRADUS_API Tensor sum_to(const Tensor& x, const Shape& shape);

/// Operations that walk along one dimension: running sums and products, and sorting.

/// y_i = x_0 + … + x_i along dim. Integers and bools sum as int64; with dtype, elements are converted first.
GRADUS_API Tensor cumsum(const Tensor& x, int64_t dim, std::optional<DType> dtype = {});
/// y_i = x_0 * … * x_i along dim, likewise.
GRADUS_API Tensor cumprod(const Tensor& x, int64_t dim, std::optional<DType> dtype = {});
/// y_i = ln(e^(x_0) + … + e^(x_i)) along dim, from the largest of them on. An element of -infinity has no share in the gradient. Throws
/// DTypeError on integers.
GRADUS_API Tensor logcumsumexp(const Tensor& x, int64_t dim);

/// The elements in order along dim, and where each was. Equal elements keep their order; NaN counts as the largest.
GRADUS_API ValuesIndices sort(const Tensor& x, int64_t dim = -1, bool descending = false);
GRADUS_API Tensor argsort(const Tensor& x, int64_t dim = -1, bool descending = false);
/// The k largest (or smallest) elements along dim, in order, and where each was. Throws ValueError unless 0 <= k <= size.
GRADUS_API ValuesIndices topk(const Tensor& x, int64_t k, int64_t dim = -1, bool largest = true, bool sorted = true);

/// Distances between vectors along a dimension, and comparisons of whole tensors.

/// The sum along dim of x * y / (max(||x||, eps) max(||y||, eps)): the cosine of the angle between them, in [-1, 1]. x and y broadcast.
/// At norms below eps the gradient is PyTorch's, which takes the bound for a norm. Throws DTypeError when both are integers.
GRADUS_API Tensor cosine_similarity(const Tensor& x, const Tensor& y, int64_t dim = 1, double eps = 1e-8);
/// ||x1 - x2 + eps||_p along the last dimension. x1 and x2 broadcast.
GRADUS_API Tensor pairwise_distance(const Tensor& x1, const Tensor& x2, double p = 2, double eps = 1e-6, bool keepdim = false);

/// True when x and y have the same shape and equal elements.
GRADUS_API bool equal(const Tensor& x, const Tensor& y);
/// True when |x - y| <= atol + rtol * |y| everywhere (broadcasting). Throws ValueError when rtol or atol is negative.
GRADUS_API bool allclose(const Tensor& x, const Tensor& y, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false);

}  // namespace gradus
