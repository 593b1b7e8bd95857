#pragma once

#include <optional>

#include "gradus/tensor.h"

/// Rows of a table of vectors, looked up by index, one by one or in bags. Indices are int64; one out of range throws IndexError with the
/// index, its place and the limit.
namespace gradus {

/// How embedding looks up, and what its gradient is.
struct EmbeddingOptions {
  std::optional<int64_t> padding_idx = {};  ///< rows looked up through this index get no gradient; a negative one counts from the end
  std::optional<double> max_norm = {};  ///< before the lookup, rows of the weight that are looked up are scaled down to this norm, in place
  double norm_type = 2;                 ///< the order p of that norm
  bool scale_grad_by_freq = false;      ///< the gradient of a row is divided by the number of times that the row was looked up
  bool sparse = false;                  ///< the gradient holds only the rows that were looked up; see Tensor::is_sparse
};

/// y[..., :] = weight[indices[..., ], :]. weight (V, E), indices (...), result (..., E).
/// With max_norm, row w of those looked up becomes w max_norm / (|w| + 1e-7) where its norm |w| is greater than max_norm; the weight itself
/// changes, unrecorded. Throws IndexError for an index or padding_idx out of range, ValueError for a negative max_norm; nothing is changed
/// then.
GRADUS_API Tensor embedding(const Tensor& indices, const Tensor& weight, const EmbeddingOptions& options = {});

/// What becomes of the rows of a bag.
enum class BagMode { Sum, Mean, Max };

/// How embedding_bag joins, and what its gradient is; see EmbeddingOptions.
struct EmbeddingBagOptions {
  std::optional<double> max_norm = {};
  double norm_type = 2;
  bool scale_grad_by_freq = false;  ///< not with Max
  BagMode mode = BagMode::Mean;
  bool sparse = false;                      ///< not with Max
  bool include_last_offset = false;         ///< the last offset is no bag, but the end of the last one
  std::optional<int64_t> padding_idx = {};  ///< this index counts for nothing: it is left out of sums, means and maxima
};

/// The sum, mean or largest (element by element) of the rows of each bag of indices: (B, E), without the rows in between.
/// Indices (B, L) are B bags of L; indices (N) are cut by `offsets` (B), ascending from 0: bag b has the places offsets[b] to
/// offsets[b + 1] - 1, the last one those up to N. A bag without indices, or with those of padding_idx alone, gives 0.
/// per_sample_weights, of the indices' shape and the weight's dtype, are factors of the rows, with Sum only; they have a gradient.
/// Throws ShapeError, IndexError, DTypeError or ValueError for what does not fit; then the weight is unchanged.
GRADUS_API Tensor embedding_bag(const Tensor& indices, const Tensor& weight, const Tensor& offsets = {},
                                const EmbeddingBagOptions& options = {}, const Tensor& per_sample_weights = {});

}  // namespace gradus
