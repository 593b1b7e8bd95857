#pragma once

#include <optional>

#include "gradus/nn/module.h"

namespace gradus::nn {

/// How an Embedding is made.
struct EmbeddingOptions {
  /// This row starts as zeros and gets no gradient; a negative index counts from the end.
  std::optional<int64_t> padding_idx = {};
};

/// A table of vectors, looked up by index: (...) int64 to (..., E). Rows start as standard normal numbers.
class GRADUS_API Embedding : public Module {
 public:
  /// Throws ValueError unless num_embeddings and embedding_dim are positive, IndexError when padding_idx is out of range.
  Embedding(int64_t num_embeddings, int64_t embedding_dim, const EmbeddingOptions& options = {});
  /// A table of given vectors (V, E), which do not learn if `freeze`.
  static Embedding from_pretrained(const Tensor& weight, bool freeze = true, const EmbeddingOptions& options = {});

  /// Throws IndexError for an index out of range, with its place and the limit.
  Tensor operator()(const Tensor& indices) const;

  Parameter weight;  ///< (V, E)

 private:
  Embedding(const Tensor& weight, const EmbeddingOptions& options);
  EmbeddingOptions options_;
};

/// y = x W^T + b: (..., I) to (..., O). Weight and bias start uniform on (-1/sqrt(I), 1/sqrt(I)).
class GRADUS_API Linear : public Module {
 public:
  /// Throws ValueError unless both sizes are positive.
  Linear(int64_t in_features, int64_t out_features, bool bias = true);
  Tensor operator()(const Tensor& x) const;

  Parameter weight;  ///< (O, I)
  Parameter bias;    ///< (O), or undefined
};

/// Sets each element to 0 with probability p and divides the others by 1 - p, while training; passes x on in evaluation.
class GRADUS_API Dropout : public Module {
 public:
  /// Throws ValueError unless p is in [0, 1].
  explicit Dropout(double p = 0.5);
  Tensor operator()(const Tensor& x) const;

 private:
  double p_;
};

}  // namespace gradus::nn
