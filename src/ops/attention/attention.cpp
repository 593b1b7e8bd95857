#include "gradus/ops/attention.h"

#include <cmath>

#include "autograd/op.h"
#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/normalization.h"
#include "gradus/ops/product.h"
#include "gradus/ops/shape.h"
#include "ops/attention/attention.h"
#include "ops/matrix_product.h"

namespace gradus {
namespace {

constexpr Op op("scaled_dot_product_attention"), mask_op("sequence_mask");

void check_operand(const char* name_of_it, const Tensor& x, const Tensor& query) {
  op.takes(x);
  op.check<ShapeError>(x.dim() >= 2, "{} has shape {}, expected (..., steps, features)", name_of_it, x.shape());
  op.check<DTypeError>(is_floating_point(x.dtype()) && x.dtype() == query.dtype(),
                       "{} is {} and query {}; they must be float32 or float64 alike, convert with .to()", name_of_it, name(x.dtype()),
                       name(query.dtype()));
}

void check_call(const Tensor& query, const Tensor& key, const Tensor& attn_mask, double dropout_p, bool is_causal) {
  check_operand("query", query, query);
  check_operand("key", key, query);
  op.check<ShapeError>(query.size(-1) == key.size(-1), "query {} and key {} have {} and {} features", query.shape(), key.shape(),
                       query.size(-1), key.size(-1));
  op.check<ValueError>(!is_causal || !attn_mask.defined(), "is_causal is a mask of its own; leave out attn_mask, or is_causal");
  op.check<ValueError>(dropout_p >= 0 && dropout_p <= 1, "dropout_p {} is not a probability; give 0 to 1", dropout_p);
}

}  // namespace

Tensor attention_weights(const Tensor& query, const Tensor& key, const Tensor& attn_mask, double dropout_p, bool is_causal) {
  check_call(query, key, attn_mask, dropout_p, is_causal);
  const double scale = 1 / std::sqrt(static_cast<double>(query.size(-1)));
  const Tensor scores = matmul(query * scale, transpose(key, -2, -1));
  const Tensor mask = is_causal ? tril(ones({query.size(-2), key.size(-2)}, {.dtype = DType::Bool})) : attn_mask;
  const Tensor weights = mask.defined() ? masked_softmax(scores, mask) : softmax(scores, -1);
  return dropout(weights, dropout_p, true);
}

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& attn_mask, double dropout_p,
                                    bool is_causal) {
  check_operand("query", query, query);
  check_operand("key", key, query);
  check_operand("value", value, query);
  op.check<ShapeError>(key.size(-2) == value.size(-2), "key {} and value {} have {} and {} steps", key.shape(), value.shape(), key.size(-2),
                       value.size(-2));
  const int64_t block = attention_block(query, key, value, attn_mask);
  if (block == 0) return weighted_sum(attention_weights(query, key, attn_mask, dropout_p, is_causal), value);
  check_call(query, key, attn_mask, dropout_p, is_causal);
  return blocked_attention(query, key, value, {attn_mask, dropout_p, is_causal}, block);
}

Tensor weighted_sum(const Tensor& weights, const Tensor& value) { return gated_matmul(weights, value, {true, false}); }

Tensor sequence_mask(const Tensor& lengths, int64_t max_len) {
  mask_op.takes(lengths);
  mask_op.check<DTypeError>(lengths.dtype() == DType::Int64, "lengths are {}, but must be int64", name(lengths.dtype()));
  for (int64_t length : lengths.to_vector<int64_t>())
    mask_op.check<ValueError>(length >= 0 && length <= max_len, "a length of {} is not in 0 to {}", length, max_len);
  return arange(max_len) < unsqueeze(lengths, -1);
}

}  // namespace gradus
