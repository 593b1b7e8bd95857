#pragma once

#include <optional>

#include "gradus/nn/key_value_cache.h"
#include "gradus/nn/layers.h"

/// Layers of attention. N batch, L queries, S keys and values, E features, H heads.
namespace gradus::nn {

/// What attention gives.
struct AttentionOutput {
  Tensor output;   ///< one row per query
  Tensor weights;  ///< how much of each value it took: without dropout, rows of numbers that add up to 1
};

/// How a MultiheadAttention is made. The defaults are PyTorch's.
struct MultiheadAttentionOptions {
  double dropout = 0;                ///< on the weights, while training
  bool bias = true;                  ///< of the four projections
  bool add_bias_kv = false;          ///< a key and a value that are learned stand after those given
  bool add_zero_attn = false;        ///< a key and a value of zeros stand after those
  std::optional<int64_t> kdim = {};  ///< features of the keys; absent: embed_dim
  std::optional<int64_t> vdim = {};  ///< features of the values
  bool batch_first = false;          ///< batched input and output have the batch as their first dimension
};

/// What a call of MultiheadAttention can be given beside queries, keys and values.
struct MultiheadAttentionCall {
  Tensor key_padding_mask = {};      ///< (N, S), or (S) unbatched: bool, true for keys to pass over; or numbers, which are added
  bool need_weights = true;          ///< false: the weights are left out
  Tensor attn_mask = {};             ///< (L, S) or (N * H, L, S): bool, true where a query may not look; or numbers, which are added
  bool average_attn_weights = true;  ///< weights (N, L, S), their mean over the heads; false: (N, H, L, S)
};

/// H attentions side by side, each on E / H features of its own projections, and a projection of what they give together:
///
///     head_i = scaled_dot_product_attention(query W_q,i^T + b_q,i, key W_k,i^T + b_k,i, value W_v,i^T + b_v,i)
///     output = [head_1, …, head_H] W_o^T + b_o
///
/// (Vaswani et al. 2017). The input projections start xavier-uniform, their bias and that of the output as 0, bias_k and bias_v
/// xavier-normal, W_o as a Linear's weight. A query that may look nowhere gets b_o (PyTorch: NaN).
class GRADUS_API MultiheadAttention : public Module {
 public:
  /// Throws ValueError unless the sizes are positive, num_heads divides embed_dim and dropout is in [0, 1].
  MultiheadAttention(int64_t embed_dim, int64_t num_heads, const MultiheadAttentionOptions& options = {});

  /// query (L, N, E), key (S, N, kdim), value (S, N, vdim) to output (L, N, E); the batch first if batch_first; all without N for one
  /// sequence, (L, E). Throws ShapeError or DTypeError that says what does not fit.
  AttentionOutput operator()(const Tensor& query, const Tensor& key, const Tensor& value, const MultiheadAttentionCall& call = {}) const;

  /// The keys and values that operator() makes of `key` and `value`, with their mask, to be attended to by many queries. Throws as
  /// operator().
  KeyValueCache project(const Tensor& key, const Tensor& value, const Tensor& key_padding_mask = {}) const;
  /// operator()(query, key, value) with the keys and values of a cache that `project` made; their mask is the cache's. Throws ShapeError or
  /// DTypeError when they do not fit, ValueError when they are none or when `call` has a key_padding_mask.
  AttentionOutput attend(const Tensor& query, const KeyValueCache& cache, const MultiheadAttentionCall& call = {}) const;
  /// Self-attention of the next steps of a sequence. x, one step or several, is projected and put into `cache`, at first an empty one, and
  /// each step attends to itself and all before it: what operator() gives for the whole sequence under the subsequent mask, of these
  /// steps alone. call.key_padding_mask is that of the new steps. Nothing is recorded. Throws as operator(), and ValueError for an
  /// attn_mask; then the cache is as it was.
  AttentionOutput step(const Tensor& x, KeyValueCache& cache, const MultiheadAttentionCall& call = {}) const;

  int64_t embed_dim() const noexcept { return embed_dim_; }
  int64_t num_heads() const noexcept { return num_heads_; }
  const MultiheadAttentionOptions& options() const noexcept { return options_; }

  Linear out_proj;           ///< W_o and b_o
  Parameter in_proj_weight;  ///< (3E, E): W_q, W_k, W_v one below the other; undefined where kdim or vdim differs from E
  Parameter q_proj_weight;   ///< (E, E), there
  Parameter k_proj_weight;   ///< (E, kdim), there
  Parameter v_proj_weight;   ///< (E, vdim), there
  Parameter in_proj_bias;    ///< (3E), or undefined
  Parameter bias_k;          ///< (1, 1, E), or undefined
  Parameter bias_v;          ///< likewise

 private:
  struct Projected;
  void check_call(const Tensor& query, const Tensor& key, const Tensor& value, const MultiheadAttentionCall& call) const;
  void check_masks(const MultiheadAttentionCall& call, const Tensor& query, int64_t S) const;
  Projected projections(const Tensor& query, const Tensor& key, const Tensor& value) const;
  Tensor heads(const Tensor& x) const;
  AttentionOutput mix(const Tensor& q, const Tensor& k, const Tensor& v, const MultiheadAttentionCall& call, bool batched) const;
  Tensor with_more_rows(const Tensor& rows, const Tensor& bias) const;
  Tensor joined_mask(const MultiheadAttentionCall& call) const;

  int64_t embed_dim_, num_heads_;
  MultiheadAttentionOptions options_;
};

/// Attention by a small network, for queries and keys of different widths (Bahdanau et al. 2015):
///
///     score(q, k) = w_v · tanh(W_q q + W_k k), weights = softmax of a query's scores, output = weights values
class GRADUS_API AdditiveAttention : public Module {
 public:
  /// Throws ValueError unless the sizes are positive and dropout is in [0, 1].
  AdditiveAttention(int64_t key_size, int64_t query_size, int64_t num_hiddens, double dropout = 0);
  /// queries (N, L, query_size), keys (N, S, key_size), values (N, S, V) to output (N, L, V) and weights (N, L, S). valid_lens, int64,
  /// says how many keys count: (N) for each sequence, (N, L) for each query, undefined for all; a query with 0 of them gets 0.
  AttentionOutput operator()(const Tensor& queries, const Tensor& keys, const Tensor& values, const Tensor& valid_lens = {}) const;

  /// W_k keys, (N, S, num_hiddens), which a decoder that asks for the same keys at every step needs but once.
  Tensor project_keys(const Tensor& keys) const;
  /// operator() with keys that are projected already.
  AttentionOutput attend(const Tensor& queries, const Tensor& projected_keys, const Tensor& values, const Tensor& valid_lens = {}) const;

  Linear W_k, W_q, w_v;
  Dropout dropout;
};

/// scaled_dot_product_attention with lengths in place of masks.
class GRADUS_API DotProductAttention : public Module {
 public:
  /// Throws ValueError unless dropout is in [0, 1].
  explicit DotProductAttention(double dropout = 0);
  /// queries (N, L, E), keys (N, S, E); otherwise as AdditiveAttention.
  AttentionOutput operator()(const Tensor& queries, const Tensor& keys, const Tensor& values, const Tensor& valid_lens = {}) const;

  Dropout dropout;
};

}  // namespace gradus::nn
