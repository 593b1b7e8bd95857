#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "autograd/op.h"
#include "core/random.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/ops/attention.h"
#include "gradus/ops/shape.h"
#include "ops/attention/attention.h"
#include "ops/matrix_product.h"

/// Attention by blocks of queries. Each query's softmax is over all its keys at once, so a block's weights, (…, rows, S), are made as a
/// whole, used, and forgotten: what Dao et al. 2022 do tile by tile in a GPU's fast memory, here with blocks that stay in the second-level
/// cache.
namespace gradus {
namespace {

constexpr Op op("scaled_dot_product_attention");

// Timed on an Intel Xeon with 2 MB of second-level cache a core, (1, 8, 2048, 64) forward and backward.
constexpr int64_t most_weights = 1 << 24;   // of all queries together, up to which they are made at once
constexpr int64_t block_weights = 1 << 21;  // of a block
constexpr int64_t fewest_rows = 128;        // of a block: fewer leave products idle

Shape batch_of(const Tensor& x) {
  Shape shape = x.shape();
  shape.erase(shape.size() - 1);
  shape.erase(shape.size() - 1);
  return shape;
}

/// The queries [first, first + rows) and what they may look at: keys [0, keys).
struct Block {
  int64_t first, rows, keys;

  Block(const Tensor& query, const Tensor& key, const AttentionCall& call, int64_t first_, int64_t most)
      : first(first_),
        rows(std::min(most, query.size(-2) - first)),
        keys(call.is_causal ? std::min(first + rows, key.size(-2)) : key.size(-2)) {}

  Tensor queries_of(const Tensor& x) const { return x.narrow(-2, first, rows); }
  Tensor keys_of(const Tensor& x) const { return x.narrow(-2, 0, keys); }

  /// (…, rows, keys), of the block's queries and keys, which are recorded.
  Tensor weights(const Tensor& query, const Tensor& key, const AttentionCall& call) const {
    const EnableGradGuard recorded;
    return attention_weights(query, key, mask_of(call), call.dropout_p);
  }
  Tensor output(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionCall& call) const {
    return weighted_sum(attention_weights(query, key, mask_of(call), call.dropout_p), value);
  }

 private:
  Tensor mask_of(const AttentionCall& call) const {
    if (call.is_causal) return tril(ones({rows, keys}, {.dtype = DType::Bool}), first);
    const bool has_rows = call.mask.defined() && call.mask.dim() >= 2 && call.mask.size(-2) > 1;
    return has_rows ? queries_of(call.mask) : call.mask;
  }
};

template <class F>
void for_blocks(const Tensor& query, const Tensor& key, const AttentionCall& call, int64_t rows, F f) {
  for (int64_t first = 0; first < query.size(-2); first += rows) f(Block(query, key, call, first, rows));
}

/// What backward needs: the operands, and where the generator stood.
struct BlockedPullback {
  Saved query, key, value, mask;
  AttentionCall call;  // without its mask
  int64_t rows;
  Generator before;

  void operator()(std::span<Tensor> dys, InputGradients dx) const {
    if (!dys[0].defined()) return;
    const std::array inputs{*query, *key, *value};
    const AttentionCall whole{*mask, call.dropout_p, call.is_causal};
    std::optional<Replay> replay;  // only for dropout: meanwhile other threads may draw
    if (call.dropout_p > 0) replay.emplace(before);
    if (recording_backward()) return differentiably(inputs, whole, dys[0], dx);
    std::array<Tensor, 3> sums;
    for (size_t i = 0; i < inputs.size(); ++i)
      if (dx.needs(i)) sums[i] = zeros_like(inputs[i]);
    for_blocks(inputs[0], inputs[1], whole, rows, [&](const Block& block) {
      const Tensor q = block.queries_of(inputs[0].detach()).requires_grad_(), k = block.keys_of(inputs[1].detach()).requires_grad_();
      const Tensor v = block.keys_of(inputs[2].detach()), dy = block.queries_of(dys[0]), weights = block.weights(q, k, whole);
      // As a product's own pullbacks are, of weights that gate and gradients that do.
      if (dx.needs(2)) block.keys_of(sums[2]).add_(gated_matmul(transpose(weights.detach(), -2, -1), dy, {true, true}));
      if (!dx.needs(0) && !dx.needs(1)) return;
      autograd::backward({weights}, {gated_matmul(dy, transpose(v, -2, -1), {true, false})});
      if (dx.needs(0)) block.queries_of(sums[0]).copy_(q.grad());
      if (dx.needs(1)) block.keys_of(sums[1]).add_(k.grad());
    });
    for (size_t i = 0; i < inputs.size(); ++i) dx[i] = sums[i];
  }

 private:
  /// For a backward pass that is recorded: through the blocks' outputs, joined.
  void differentiably(const std::array<Tensor, 3>& inputs, const AttentionCall& whole, const Tensor& dy, InputGradients dx) const {
    std::vector<Tensor> outputs, wanted;
    for_blocks(inputs[0], inputs[1], whole, rows, [&](const Block& block) {
      outputs.push_back(block.output(block.queries_of(inputs[0]), block.keys_of(inputs[1]), block.keys_of(inputs[2]), whole));
    });
    for (size_t i = 0; i < inputs.size(); ++i)
      if (dx.needs(i)) wanted.push_back(inputs[i]);
    const std::vector<Tensor> found = autograd::grad({cat(outputs, -2)}, wanted, {dy}, {.create_graph = true});
    for (size_t i = 0, j = 0; i < inputs.size(); ++i)
      if (dx.needs(i)) dx[i] = found[j++];
  }
};

}  // namespace

int64_t attention_block(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask) {
  if (query.dim() < 2 || batch_of(query) != batch_of(key) || batch_of(query) != batch_of(value)) return 0;
  if (mask.defined() && (mask.requires_grad() || mask.dim() > query.dim())) return 0;
  const int64_t matrices = batch_of(query).numel(), L = query.size(-2), S = key.size(-2);
  if (matrices * L * S <= most_weights) return 0;
  return std::min(L, std::max(block_weights / (matrices * S) / fewest_rows, int64_t{1}) * fewest_rows);
}

Tensor blocked_attention(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionCall& call, int64_t rows) {
  Shape shape = query.shape();
  shape[shape.size() - 1] = value.size(-1);
  Tensor y = op.empty(shape, query.dtype());
  const Generator before = *LockedGenerator();
  {
    const NoGradGuard no_grad;
    for_blocks(query, key, call, rows, [&](const Block& block) {
      block.queries_of(y).copy_(block.output(block.queries_of(query), block.keys_of(key), block.keys_of(value), call));
    });
  }
  op.record_joint(std::span(&y, 1), std::array{query, key, value}, [&] {
    return BlockedPullback{Saved(query), Saved(key), Saved(value), Saved(call.mask), {{}, call.dropout_p, call.is_causal}, rows, before};
  });
  return y;
}

}  // namespace gradus
