#pragma once

#include "gradus/tensor.h"

/// Attention: weights that say how much of each value a query takes, and the values mixed by them. L queries, S keys and values, E features
/// of queries and keys; "..." stands for batch dimensions, which broadcast.
namespace gradus {

/// softmax(query key^T / sqrt(E) + mask), with dropout: query (..., L, E) and key (..., S, E) to weights (..., L, S).
/// attn_mask broadcasts to that shape; a bool one is true where a query may look (as in PyTorch's function; nn::MultiheadAttention, like
/// PyTorch's, takes the opposite), one of the query's dtype is added. is_causal lets query i see keys 0 to i. A query that may look
/// nowhere has weights of 0. Keys and values that a query may not look at do not count for it, be they NaN or infinite, and get no gradient
/// from it (PyTorch gives NaN). dropout_p acts whenever it is above 0. Throws ShapeError, DTypeError or ValueError that says what does not
/// fit, ValueError too for a mask beside is_causal.
GRADUS_API Tensor attention_weights(const Tensor& query, const Tensor& key, const Tensor& attn_mask = {}, double dropout_p = 0,
                                    bool is_causal = false);

/// attention_weights(query, key, …) value, scaled dot-product attention (Vaswani et al. 2017): value (..., S, V) to (..., L, V). From 2^24
/// weights on, it is made by blocks of queries, and no weights are kept: memory grows with L + S. Dropout then draws other masks than
/// attention_weights does.
/// PyTorch 1.13 has it as torch.nn.functional._scaled_dot_product_attention, 2.0 without the underscore.
GRADUS_API Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& attn_mask = {},
                                               double dropout_p = 0, bool is_causal = false);

/// Which steps a sequence of a given length has: lengths (...), int64, to bool (..., max_len), true where the step is below the length.
/// Throws ValueError for a length outside 0 to max_len.
GRADUS_API Tensor sequence_mask(const Tensor& lengths, int64_t max_len);

}  // namespace gradus
