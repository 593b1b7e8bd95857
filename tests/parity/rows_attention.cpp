#include "gradus/ops/attention.h"
#include "gradus/random.h"
#include "parity/table.h"

namespace gradus::parity {
namespace {

using A = Arguments;

/// The output and the weights, which with dropout take the same draws.
Outputs attention(const A& a) {
  const Tensor query = a.tensor("query"), key = a.tensor("key"), value = a.tensor("value"), mask = a.optional_tensor("attn_mask");
  const double p = a.real("dropout_p", 0);
  const bool causal = a.flag("is_causal", false);
  const bool draws = p > 0 && p < 1;
  if (draws) manual_seed(1);
  const Tensor output = scaled_dot_product_attention(query, key, value, mask, p, causal);
  if (draws) manual_seed(1);
  return std::vector<Tensor>{output, attention_weights(query, key, mask, p, causal)};
}

}  // namespace

std::vector<Row> attention_rows() {
  return {
      {"nn.functional._scaled_dot_product_attention", "query, key, value, attn_mask, dropout_p, need_attn_weights, is_causal", attention,
       "scaled_dot_product_attention"},
  };
}

}  // namespace gradus::parity
