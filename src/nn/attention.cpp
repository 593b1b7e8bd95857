#include "gradus/nn/attention.h"

#include <limits>
#include <utility>

#include "core/check.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/nn/init.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/attention.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/normalization.h"
#include "gradus/ops/product.h"
#include "gradus/ops/shape.h"
#include "nn/attention_recorder.h"
#include "ops/attention/attention.h"
#include "ops/finite.h"

namespace gradus::nn {
namespace {

constexpr const char* kMultiheadAttention = "MultiheadAttention";
constexpr double kNever = -std::numeric_limits<double>::infinity();

int64_t checked_heads(int64_t embed_dim, int64_t num_heads, const MultiheadAttentionOptions& o) {
  check<ValueError>(embed_dim > 0 && num_heads > 0 && o.kdim.value_or(1) > 0 && o.vdim.value_or(1) > 0,
                    "{}: embed_dim {}, num_heads {}, kdim {} and vdim {} must be positive", kMultiheadAttention, embed_dim, num_heads,
                    o.kdim.value_or(embed_dim), o.vdim.value_or(embed_dim));
  check<ValueError>(embed_dim % num_heads == 0, "{}: embed_dim {} does not divide into {} heads", kMultiheadAttention, embed_dim,
                    num_heads);
  check<ValueError>(o.dropout >= 0 && o.dropout <= 1, "{}: dropout {} is not a probability; give 0 to 1", kMultiheadAttention, o.dropout);
  return num_heads;
}

/// Two masks, each bool and true where a query may look, or numbers to add, as one.
Tensor joined_masks(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() ? a : b;
  const bool a_is_bool = a.dtype() == DType::Bool, b_is_bool = b.dtype() == DType::Bool;
  if (a_is_bool && b_is_bool) return logical_and(a, b);
  if (!a_is_bool && !b_is_bool) return add(a, b);
  return a_is_bool ? masked_fill(b, logical_not(a), kNever) : masked_fill(a, logical_not(b), kNever);
}

/// What mask lets through, with `more` columns behind that let everything through.
Tensor allowed(const Tensor& mask, int64_t more) {
  const Tensor inner = mask.dtype() == DType::Bool ? logical_not(mask) : mask;
  return more == 0 ? inner : pad(inner, {0, more}, "constant", inner.dtype() == DType::Bool ? Scalar(true) : Scalar(0.0));
}

}  // namespace

/// Queries, keys and values after the input projection: (…, H, E / H) for each step.
struct MultiheadAttention::Projected {
  Tensor q, k, v;
};

MultiheadAttention::MultiheadAttention(int64_t embed_dim, int64_t num_heads, const MultiheadAttentionOptions& options)
    : Module(kMultiheadAttention),
      out_proj(register_module("out_proj", (checked_heads(embed_dim, num_heads, options), Linear(embed_dim, embed_dim, options.bias)))),
      embed_dim_(embed_dim),
      num_heads_(num_heads),
      options_(options) {
  const int64_t kdim = options.kdim.value_or(embed_dim), vdim = options.vdim.value_or(embed_dim);
  const auto projection = [&](const char* name, int64_t rows, int64_t columns) {
    return register_parameter(name, init::xavier_uniform_(empty({rows, columns})));
  };
  if (kdim == embed_dim && vdim == embed_dim) {
    in_proj_weight = projection("in_proj_weight", 3 * embed_dim, embed_dim);
  } else {
    q_proj_weight = projection("q_proj_weight", embed_dim, embed_dim);
    k_proj_weight = projection("k_proj_weight", embed_dim, kdim);
    v_proj_weight = projection("v_proj_weight", embed_dim, vdim);
  }
  if (options.bias) {
    in_proj_bias = register_parameter("in_proj_bias", zeros(3 * embed_dim));
    init::zeros_(out_proj.bias);
  }
  if (!options.add_bias_kv) return;
  bias_k = register_parameter("bias_k", init::xavier_normal_(empty({1, 1, embed_dim})));
  bias_v = register_parameter("bias_v", init::xavier_normal_(empty({1, 1, embed_dim})));
}

void MultiheadAttention::check_call(const Tensor& query, const Tensor& key, const Tensor& value, const MultiheadAttentionCall& call) const {
  const int64_t rank = query.dim();
  check<ShapeError>(rank == 2 || rank == 3, "{}: query has shape {}, expected ({}, {}), or (steps, {}) for one sequence",
                    kMultiheadAttention, query.shape(), options_.batch_first ? "batch, steps" : "steps, batch", embed_dim_, embed_dim_);
  check<ShapeError>(key.dim() == rank && value.dim() == rank,
                    "{}: query has shape {}, key {} and value {}; all with a batch, or all without", kMultiheadAttention, query.shape(),
                    key.shape(), value.shape());
  const int64_t kdim = options_.kdim.value_or(embed_dim_), vdim = options_.vdim.value_or(embed_dim_);
  check<ShapeError>(query.size(-1) == embed_dim_ && key.size(-1) == kdim && value.size(-1) == vdim,
                    "{}: query {}, key {} and value {} must have {}, {} and {} features", kMultiheadAttention, query.shape(), key.shape(),
                    value.shape(), embed_dim_, kdim, vdim);
  const int64_t steps = rank == 3 && options_.batch_first ? 1 : 0;
  check<ShapeError>(key.size(steps) == value.size(steps), "{}: key {} and value {} have {} and {} steps", kMultiheadAttention, key.shape(),
                    value.shape(), key.size(steps), value.size(steps));
  check<ShapeError>(rank == 2 || (key.size(1 - steps) == query.size(1 - steps) && value.size(1 - steps) == query.size(1 - steps)),
                    "{}: query {}, key {} and value {} have batches of different sizes", kMultiheadAttention, query.shape(), key.shape(),
                    value.shape());
  check_masks(call, query, key.size(steps));
}

/// For a query that is known to fit and S keys.
void MultiheadAttention::check_masks(const MultiheadAttentionCall& call, const Tensor& query, int64_t S) const {
  const int64_t rank = query.dim(), steps = rank == 3 && options_.batch_first ? 1 : 0;
  const int64_t L = query.size(steps), N = rank == 3 ? query.size(1 - steps) : 1;
  const auto check_mask = [&](const char* name_of_it, const Tensor& mask, const Shape& expected, const Shape& or_this) {
    if (!mask.defined()) return;
    check<ShapeError>(mask.shape() == expected || mask.shape() == or_this, "{}: {} has shape {}, expected {}{}", kMultiheadAttention,
                      name_of_it, mask.shape(), expected, or_this == expected ? "" : " or " + or_this.str());
    check<DTypeError>(mask.dtype() == DType::Bool || mask.dtype() == query.dtype(),
                      "{}: {} is {}; give bool, true to keep out, or {}, which is added", kMultiheadAttention, name_of_it,
                      name(mask.dtype()), name(query.dtype()));
  };
  const Shape padding = rank == 3 ? Shape{N, S} : Shape{S};
  check_mask("key_padding_mask", call.key_padding_mask, padding, padding);
  check_mask("attn_mask", call.attn_mask, {L, S}, {N * num_heads_, L, S});
}

MultiheadAttention::Projected MultiheadAttention::projections(const Tensor& query, const Tensor& key, const Tensor& value) const {
  const int64_t E = embed_dim_;
  const std::vector<Tensor> bias = in_proj_bias.defined() ? in_proj_bias.chunk(3) : std::vector<Tensor>(3);
  // Those of one product are taken apart where the heads are too, so that their gradients are laid together in one go.
  const auto apart = [&](const Tensor& together, int64_t count) {
    return unbind(unflatten(together, -1, {count, num_heads_, E / num_heads_}), -3);
  };
  const auto one = [&](const Tensor& x, const Tensor& weight, const Tensor& bias_of_it) {
    return apart(linear(x, weight, bias_of_it), 1)[0];
  };
  if (q_proj_weight.defined())
    return {one(query, q_proj_weight, bias[0]), one(key, k_proj_weight, bias[1]), one(value, v_proj_weight, bias[2])};
  if (query.is_same(key) && key.is_same(value)) {
    const std::vector<Tensor> all = apart(linear(query, in_proj_weight, in_proj_bias), 3);
    return {all[0], all[1], all[2]};
  }
  if (key.is_same(value)) {
    const std::vector<Tensor> weight = in_proj_weight.split({E, 2 * E});
    const Tensor bias_kv = in_proj_bias.defined() ? in_proj_bias.narrow(0, E, 2 * E) : Tensor();
    const std::vector<Tensor> both = apart(linear(key, weight[1], bias_kv), 2);
    return {one(query, weight[0], bias[0]), both[0], both[1]};
  }
  const std::vector<Tensor> weight = in_proj_weight.chunk(3);
  return {one(query, weight[0], bias[0]), one(key, weight[1], bias[1]), one(value, weight[2], bias[2])};
}

/// rows (N, H, S, E / H) of keys or values, and behind them those of add_bias_kv and add_zero_attn.
Tensor MultiheadAttention::with_more_rows(const Tensor& rows, const Tensor& bias) const {
  std::vector<Tensor> all{rows};
  Shape one = rows.shape();
  one[2] = 1;
  if (bias.defined()) all.push_back(bias.view({1, num_heads_, 1, one[3]}).expand(one));
  if (options_.add_zero_attn) all.push_back(zeros(one, {.dtype = rows.dtype()}));
  return all.size() == 1 ? rows : cat(all, 2);
}

/// Both masks as one that broadcasts to (N, H, L, S), as attention_weights takes it.
Tensor MultiheadAttention::joined_mask(const MultiheadAttentionCall& call) const {
  const int64_t more = static_cast<int64_t>(options_.add_bias_kv) + static_cast<int64_t>(options_.add_zero_attn);
  Tensor of_queries, of_keys;
  if (call.attn_mask.defined()) {
    of_queries = allowed(call.attn_mask, more);
    if (of_queries.dim() == 3) of_queries = unflatten(of_queries, 0, {of_queries.size(0) / num_heads_, num_heads_});
  }
  if (call.key_padding_mask.defined()) {
    of_keys = allowed(call.key_padding_mask, more);
    of_keys = of_keys.reshape({of_keys.dim() == 2 ? of_keys.size(0) : 1, 1, 1, of_keys.size(-1)});
  }
  return joined_masks(of_queries, of_keys);
}

/// Projected rows, (L, N, H, E / H) or the like, as (N, H, L, E / H).
Tensor MultiheadAttention::heads(const Tensor& x) const {
  const bool batched = x.dim() == 4;
  return (batched ? x : x.unsqueeze(1)).permute(batched && options_.batch_first ? Dims{0, 2, 1, 3} : Dims{1, 2, 0, 3});
}

/// The attention of q to k and v, all (N, H, steps, E / H).
AttentionOutput MultiheadAttention::mix(const Tensor& q, const Tensor& k, const Tensor& v, const MultiheadAttentionCall& call,
                                        bool batched) const {
  const bool batch_first = batched && options_.batch_first;
  const Tensor keys = with_more_rows(k, bias_k), values = with_more_rows(v, bias_v), mask = joined_mask(call);
  const double dropout_p = is_training() ? options_.dropout : 0;
  Tensor weights, mixed;  // the weights only where somebody wants them
  if (call.need_weights || attention_is_recorded()) {
    weights = attention_weights(q, keys, mask, dropout_p);
    record_attention(*this, weights);
    mixed = weighted_sum(weights, values);
  } else {
    mixed = scaled_dot_product_attention(q, keys, values, mask, dropout_p);
  }
  const Tensor output = out_proj(mixed.permute(batch_first ? Dims{0, 2, 1, 3} : Dims{2, 0, 1, 3}).flatten(2));
  AttentionOutput result{batched ? output : output.squeeze(1), {}};
  if (!call.need_weights) return result;
  result.weights = call.average_attn_weights ? weights.mean(1) : weights;
  if (!batched) result.weights = result.weights.squeeze(0);
  return result;
}

AttentionOutput MultiheadAttention::operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                                               const MultiheadAttentionCall& call) const {
  const ForwardScope here(*this);
  check_call(query, key, value, call);
  const Projected projected = projections(query, key, value);
  return here.gives(mix(heads(projected.q), heads(projected.k), heads(projected.v), call, query.dim() == 3));
}

KeyValueCache MultiheadAttention::project(const Tensor& key, const Tensor& value, const Tensor& key_padding_mask) const {
  const ForwardScope here(*this);
  // A query of no steps: only keys and values are to be checked and projected.
  const int64_t rank = key.dim();
  Shape shape = key.shape();
  if (rank == 2 || rank == 3) shape[rank - 1] = embed_dim_, shape[rank == 3 && options_.batch_first ? 1 : 0] = 0;
  const Tensor none = empty(shape, {.dtype = key.dtype()});
  check_call(none, key, value, {.key_padding_mask = key_padding_mask});
  const Projected projected = projections(none, key, value);
  const Tensor mask = key_padding_mask.defined() && rank == 2 ? key_padding_mask.unsqueeze(0) : key_padding_mask;
  return {heads(projected.k).contiguous(), heads(projected.v).contiguous(), mask};
}

AttentionOutput MultiheadAttention::attend(const Tensor& query, const KeyValueCache& cache, const MultiheadAttentionCall& call) const {
  const ForwardScope here(*this);
  const int64_t rank = query.dim();
  check<ValueError>(cache.keys().defined(), "{}: the cache is empty; project() fills one", kMultiheadAttention);
  check<ValueError>(!call.key_padding_mask.defined(), "{}: the cache has a key_padding_mask of its own; give it to project()",
                    kMultiheadAttention);
  check<ShapeError>((rank == 2 || rank == 3) && query.size(-1) == embed_dim_,
                    "{}: query has shape {}, expected ({}, {}), or (steps, {}) for one sequence", kMultiheadAttention, query.shape(),
                    options_.batch_first ? "batch, steps" : "steps, batch", embed_dim_, embed_dim_);
  const int64_t N = rank == 2 ? 1 : query.size(options_.batch_first ? 0 : 1);
  const Tensor k = cache.keys(), v = cache.values();
  check<ShapeError>(k.size(0) == N && k.size(1) == num_heads_ && k.size(3) == embed_dim_ / num_heads_,
                    "{}: query {} and the cache's keys {} do not fit; expected ({}, {}, steps, {})", kMultiheadAttention, query.shape(),
                    k.shape(), N, num_heads_, embed_dim_ / num_heads_);
  check_masks(call, query, cache.steps());
  MultiheadAttentionCall with_mask = call;
  with_mask.key_padding_mask = cache.key_padding_mask();
  const Tensor weight = q_proj_weight.defined() ? Tensor(q_proj_weight) : in_proj_weight.narrow(0, 0, embed_dim_);
  const Tensor bias = in_proj_bias.defined() ? in_proj_bias.narrow(0, 0, embed_dim_) : Tensor();
  const Tensor q = unflatten(linear(query, weight, bias), -1, {num_heads_, embed_dim_ / num_heads_});
  return here.gives(mix(heads(q), k, v, with_mask, rank == 3));
}

AttentionOutput MultiheadAttention::step(const Tensor& x, KeyValueCache& cache, const MultiheadAttentionCall& call) const {
  const ForwardScope here(*this);
  const NoGradGuard no_grad;
  check<ValueError>(!call.attn_mask.defined(), "{}: a step sees all before it; leave out attn_mask", kMultiheadAttention);
  check_call(x, x, x, call);
  const bool batched = x.dim() == 3;
  const Projected projected = projections(x, x, x);
  const Tensor q = heads(projected.q);
  KeyValueCache longer = cache;
  longer.append(heads(projected.k), heads(projected.v),
                call.key_padding_mask.defined() && !batched ? call.key_padding_mask.unsqueeze(0) : call.key_padding_mask);
  MultiheadAttentionCall with_masks = call;
  with_masks.key_padding_mask = longer.key_padding_mask();
  const int64_t L = q.size(2), S = longer.steps();
  if (L > 1) with_masks.attn_mask = triu(ones({L, S}, {.dtype = DType::Bool}), S - L + 1);
  AttentionOutput result = mix(q, longer.keys(), longer.values(), with_masks, batched);
  cache = std::move(longer);
  return here.gives(std::move(result));
}

namespace {

/// The mask for valid_lens (N) or (N, L), to broadcast to scores (N, L, S).
Tensor length_mask(const char* module, const Tensor& valid_lens, const Tensor& queries, const Tensor& keys) {
  const Shape each{queries.size(0)}, every{queries.size(0), queries.size(1)};
  check<ShapeError>(valid_lens.shape() == each || valid_lens.shape() == every, "{}: valid_lens has shape {}, expected {} or {}", module,
                    valid_lens.shape(), each, every);
  const Tensor mask = sequence_mask(valid_lens, keys.size(1));
  return mask.dim() == 2 ? mask.unsqueeze(1) : mask;
}

void check_batches(const char* module, const Tensor& queries, const Tensor& keys, const Tensor& values) {
  check<ShapeError>(queries.dim() == 3 && keys.dim() == 3 && values.dim() == 3 && keys.size(0) == queries.size(0) &&
                        values.size(0) == queries.size(0) && keys.size(1) == values.size(1),
                    "{}: queries {}, keys {} and values {} must be (batch, steps, features), of one batch, with as many keys as values",
                    module, queries.shape(), keys.shape(), values.shape());
}

}  // namespace

AdditiveAttention::AdditiveAttention(int64_t key_size, int64_t query_size, int64_t num_hiddens, double p)
    : Module("AdditiveAttention"),
      W_k(register_module("W_k", Linear(key_size, num_hiddens, false))),
      W_q(register_module("W_q", Linear(query_size, num_hiddens, false))),
      w_v(register_module("w_v", Linear(num_hiddens, 1, false))),
      dropout(register_module("dropout", Dropout(p))) {}

AttentionOutput AdditiveAttention::operator()(const Tensor& queries, const Tensor& keys, const Tensor& values,
                                              const Tensor& valid_lens) const {
  check_batches("AdditiveAttention", queries, keys, values);
  return attend(queries, project_keys(keys), values, valid_lens);
}

Tensor AdditiveAttention::project_keys(const Tensor& keys) const {
  const ForwardScope here(*this);
  return W_k(keys);
}

AttentionOutput AdditiveAttention::attend(const Tensor& queries, const Tensor& projected_keys, const Tensor& values,
                                          const Tensor& valid_lens) const {
  const ForwardScope here(*this);
  check_batches("AdditiveAttention", queries, projected_keys, values);
  check<ShapeError>(projected_keys.size(2) == w_v.weight.size(1),
                    "AdditiveAttention: keys {} are not projected to {} features; see project_keys", projected_keys.shape(),
                    w_v.weight.size(1));
  const Tensor mask = valid_lens.defined() ? length_mask("AdditiveAttention", valid_lens, queries, projected_keys) : Tensor();
  const Tensor sums = W_q(queries).unsqueeze(2) + projected_keys.unsqueeze(1);  // (N, L, S, num_hiddens)
  const auto scores_of = [&](const Tensor& x) { return w_v(tanh(x)).squeeze(-1); };
  Tensor scores = scores_of(sums);
  // A NaN beyond a length must not reach the derivative of tanh, which would multiply it by 0.
  if (mask.defined() && !all_finite(scores)) scores = scores_of(masked_fill(sums, logical_not(mask.unsqueeze(-1)), 0));
  const Tensor weights = mask.defined() ? masked_softmax(scores, mask) : softmax(scores, -1);
  record_attention(*this, weights);
  return here.gives(AttentionOutput{weighted_sum(dropout(weights), values), weights});
}

DotProductAttention::DotProductAttention(double p) : Module("DotProductAttention"), dropout(register_module("dropout", Dropout(p))) {}

AttentionOutput DotProductAttention::operator()(const Tensor& queries, const Tensor& keys, const Tensor& values,
                                                const Tensor& valid_lens) const {
  const ForwardScope here(*this);
  check_batches("DotProductAttention", queries, keys, values);
  const Tensor weights =
      attention_weights(queries, keys, valid_lens.defined() ? length_mask("DotProductAttention", valid_lens, queries, keys) : Tensor());
  record_attention(*this, weights);
  return here.gives(AttentionOutput{weighted_sum(dropout(weights), values), weights});
}

}  // namespace gradus::nn
