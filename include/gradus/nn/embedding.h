#pragma once

#include "gradus/embedding_options.h"
#include "gradus/nn/module.h"

namespace gradus::nn {

/// A table of vectors, looked up by index: (...) int64 to (..., E); see gradus::embedding. Rows start as standard normal numbers, that of
/// padding_idx as zeros.
class GRADUS_API Embedding : public Module {
 public:
  /// Throws ValueError unless num_embeddings and embedding_dim are positive, IndexError when padding_idx is out of range.
  Embedding(int64_t num_embeddings, int64_t embedding_dim, const EmbeddingOptions& options = {});
  /// A table of given vectors (V, E), shared, not copied; they do not learn if `freeze`.
  static Embedding from_pretrained(const Tensor& weight, bool freeze = true, const EmbeddingOptions& options = {});

  /// Throws IndexError for an index out of range, with its place and the limit.
  Tensor operator()(const Tensor& indices) const;

  Parameter weight;  ///< (V, E)

 private:
  Embedding(const Tensor& table, const EmbeddingOptions& options);
  EmbeddingOptions options_;
};

/// Sums, means or maxima of bags of rows of a table: (B, L), or (N) with offsets, to (B, E); see gradus::embedding_bag. Rows start as those
/// of Embedding.
class GRADUS_API EmbeddingBag : public Module {
 public:
  /// Throws ValueError unless num_embeddings and embedding_dim are positive, IndexError when padding_idx is out of range.
  EmbeddingBag(int64_t num_embeddings, int64_t embedding_dim, const EmbeddingBagOptions& options = {});
  /// A table of given vectors (V, E), shared, not copied; they do not learn if `freeze`.
  static EmbeddingBag from_pretrained(const Tensor& weight, bool freeze = true, const EmbeddingBagOptions& options = {});

  Tensor operator()(const Tensor& indices, const Tensor& offsets = {}, const Tensor& per_sample_weights = {}) const;

  Parameter weight;  ///< (V, E)

 private:
  EmbeddingBag(const Tensor& table, const EmbeddingBagOptions& options);
  EmbeddingBagOptions options_;
};

}  // namespace gradus::nn
