#pragma once

#include <cstdint>

#include "gradus/tensor.h"

namespace gradus {

/// weights value, as matmul makes it: the values (…, S, V) mixed by weights (…, L, S). A value whose weight is 0 does not count, be it NaN
/// or infinite, and passes nothing back.
Tensor weighted_sum(const Tensor& weights, const Tensor& value);

/// What a call of scaled_dot_product_attention says besides its operands.
struct AttentionCall {
  Tensor mask;
  double dropout_p = 0;
  bool is_causal = false;
};

/// How many queries blocked_attention should take at a time, or 0 where the weights of all are few, or where it cannot take the operands:
/// their batch dimensions differ, or the mask needs a gradient.
int64_t attention_block(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask);

/// The same as scaled_dot_product_attention, for operands that were checked, by blocks of `rows` queries. No weights are kept: backward
/// makes those of a block again, so that memory grows with L + S and not with L S. Dropout draws a block's mask at a time.
Tensor blocked_attention(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionCall& call, int64_t rows);

}  // namespace gradus
