#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "gradus/embedding_options.h"
#include "gradus/tensor.h"

/// Operations that look elements up by index. Indices are int64; one out of range throws IndexError with the index, its place and the
/// limit.
namespace gradus {

/// Row `index[i]` of dimension dim at place i: index has one dimension (or none).
GRADUS_API Tensor index_select(const Tensor& x, int64_t dim, const Tensor& index);
/// y[i][j][k] = x[index[i][j][k]][j][k] for dim = 0, and so on. Index has x's rank and, outside dim, at most x's sizes.
GRADUS_API Tensor gather(const Tensor& x, int64_t dim, const Tensor& index);
/// x with source added in: y[index[i][j]][j] += source[i][j] for dim = 0, and so on; the adjoint of gather.
GRADUS_API Tensor scatter_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source);
/// x with source, or a value converted to x's dtype, written in: y[index[i][j]][j] = source[i][j] for dim = 0, and so on; of several for
/// one place the last stays. Source may be larger than index: what index does not cover is left out. With reduce "add" or "multiply" the
/// values are combined with x's; "multiply" has no gradient (AutogradError).
GRADUS_API Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source);
GRADUS_API Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, Scalar value);
GRADUS_API Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, std::string_view reduce);
GRADUS_API Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, Scalar value, std::string_view reduce);
/// x with rows of source written in: y[index[i]] = source[i] along dim.
GRADUS_API Tensor index_copy(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source);
/// x with `value` in the rows that index names.
GRADUS_API Tensor index_fill(const Tensor& x, int64_t dim, const Tensor& index, Scalar value);
/// gather in which the sizes outside dim broadcast; without dim, of both flattened.
GRADUS_API Tensor take_along_dim(const Tensor& x, const Tensor& index, std::optional<int64_t> dim = {});
/// The places of the elements that are not 0, one row each: (count, rank).
GRADUS_API Tensor nonzero(const Tensor& x);
/// The elements where mask (bool, broadcast) is true, as a vector.
GRADUS_API Tensor masked_select(const Tensor& x, const Tensor& mask);
/// x with rows of source added in: y[index[i]] += alpha * source[i] along dim; the adjoint of index_select.
GRADUS_API Tensor index_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha = 1);

/// 1 at each index, 0 elsewhere: int64, (...) to (..., num_classes). num_classes -1 means one more than the largest index.
GRADUS_API Tensor one_hot(const Tensor& indices, int64_t num_classes = -1);

/// NumPy's indexing; see Tensor::index.
GRADUS_API Tensor index(const Tensor& x, const std::vector<Index>& indices);
/// x with values, of the same dtype, written in, or with accumulate added in, where the indices say; see Tensor::index_put_.
GRADUS_API Tensor index_put(const Tensor& x, const std::vector<Index>& indices, const Tensor& values, bool accumulate = false);

/// Rows of a table of vectors, looked up by index, one by one or in bags. Indices are int64; one out of range throws IndexError with the
/// index, its place and the limit.

/// y[..., :] = weight[indices[..., ], :]. weight (V, E), indices (...), result (..., E).
/// With max_norm, row w of those looked up becomes w max_norm / (|w| + 1e-7) where its norm |w| is greater than max_norm; the weight itself
/// changes, unrecorded. Throws IndexError for an index or padding_idx out of range, ValueError for a negative max_norm; nothing is changed
/// then.
GRADUS_API Tensor embedding(const Tensor& indices, const Tensor& weight, const EmbeddingOptions& options = {});

/// The sum, mean or largest (element by element) of the rows of each bag of indices: (B, E), without the rows in between.
/// Indices (B, L) are B bags of L; indices (N) are cut by `offsets` (B), ascending from 0: bag b has the places offsets[b] to
/// offsets[b + 1] - 1, the last one those up to N. A bag without indices, or with those of padding_idx alone, gives 0.
/// per_sample_weights, of the indices' shape and the weight's dtype, are factors of the rows, with Sum only; they have a gradient.
/// Throws ShapeError, IndexError, DTypeError or ValueError for what does not fit; then the weight is unchanged.
GRADUS_API Tensor embedding_bag(const Tensor& indices, const Tensor& weight, const Tensor& offsets = {},
                                const EmbeddingBagOptions& options = {}, const Tensor& per_sample_weights = {});

}  // namespace gradus
