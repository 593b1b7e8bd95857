#pragma once

#include <cstdint>
#include <optional>

#include "gradus/export.h"

/// How rows of a table are looked up: for gradus::embedding and gradus::embedding_bag, and for the modules that call them.
namespace gradus {

/// How embedding looks up, and what its gradient is.
struct EmbeddingOptions {
  std::optional<int64_t> padding_idx = {};  ///< rows looked up through this index get no gradient; a negative one counts from the end
  std::optional<double> max_norm = {};  ///< before the lookup, rows of the weight that are looked up are scaled down to this norm, in place
  double norm_type = 2;                 ///< the order p of that norm
  bool scale_grad_by_freq = false;      ///< the gradient of a row is divided by the number of times that the row was looked up
  bool sparse = false;                  ///< the gradient holds only the rows that were looked up; see Tensor::is_sparse
};

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

}  // namespace gradus
