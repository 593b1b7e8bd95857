#include "gradus/nn/transformer.h"

#include <cmath>
#include <limits>

#include "core/check.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/nn/call.h"
#include "gradus/nn/init.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/normalization.h"
#include "gradus/ops/shape.h"
#include "nn/module_size.h"
#include "ops/normalization/dropout.h"

namespace gradus::nn {
namespace {

using Block = std::function<Tensor(const Tensor&)>;

/// A step through all the layers.
template <class Layer>
Tensor step_through(const char* module, const ModuleList<Layer>& layers, const std::optional<LayerNorm>& norm, const Tensor& steps,
                    TransformerCache& cache, const Tensor& key_padding_mask) {
  const NoGradGuard no_grad;
  check<ValueError>(cache.layers.size() == layers.size(), "{}: the cache is of {} layers, but here are {}; begin() makes one that fits",
                    module, cache.layers.size(), layers.size());
  TransformerCache longer = cache;
  Tensor x = steps;
  auto layer_cache = longer.layers.begin();
  for (const Layer& layer : layers) x = layer.step(x, *layer_cache++, key_padding_mask);
  if (norm) x = call(*norm, x);
  cache = std::move(longer);
  return x;
}

/// x with what a block makes of it, normalised before the block or after the sum.
Tensor residual(const Tensor& x, const LayerNorm& norm, bool norm_first, const Block& block) {
  return norm_first ? x + block(call(norm, x)) : call(norm, x + block(x));
}

MultiheadAttention attention(int64_t d_model, int64_t nhead, const TransformerLayerOptions& o) {
  return {d_model, nhead, {.dropout = o.dropout, .batch_first = o.batch_first}};
}

/// dropout(activation(x)).
Tensor dropped(const Dropout& dropout, const TransformerActivation& activation, const Tensor& x) {
  if (!activation.is_relu() || !dropout.is_training() || dropout.has_hooks()) return call(dropout, activation(x));
  const ForwardScope here(dropout);
  return here.gives(relu_dropout(x, dropout.p()));
}

/// What a layer's self-attention adds to the next steps.
template <class Layer>
Tensor self_attention_step(const Layer& layer, const Tensor& x, TransformerLayerCache& cache, const Tensor& key_padding_mask) {
  return call(layer.dropout1,
              layer.self_attn.step(x, cache.self_attn, {.key_padding_mask = key_padding_mask, .need_weights = false}).output);
}

template <class Layer>
std::vector<Layer> clones(const char* module, const Layer& layer, int64_t count) {
  check<ValueError>(count >= 0, "{}: num_layers {} is negative", module, count);
  const std::vector<Tensor> parameters = layer.parameters();
  double numbers = 0;
  for (const Tensor& p : parameters) numbers += static_cast<double>(p.numel());
  const auto times = static_cast<double>(count);
  check_size(module, times * static_cast<double>(parameters.size()), times * numbers, fmt::format("{} layers", count));
  std::vector<Layer> layers;
  for (int64_t i = 0; i < count; ++i) layers.push_back(clone(layer));
  return layers;
}

TransformerLayerOptions layer_options(const TransformerOptions& o) {
  return {.dim_feedforward = o.dim_feedforward,
          .dropout = o.dropout,
          .activation = o.activation,
          .layer_norm_eps = o.layer_norm_eps,
          .batch_first = o.batch_first,
          .norm_first = o.norm_first};
}

}  // namespace

TransformerActivation::TransformerActivation(std::string_view name) : is_relu_(name == "relu") {
  check<ValueError>(name == "relu" || name == "gelu",
                    "Transformer: activation \"{}\" is not \"relu\" or \"gelu\"; give another as a function", name);
  if (is_relu_) function_ = [](const Tensor& x) { return relu(x); };
  else function_ = [](const Tensor& x) { return gelu(x); };
}

Tensor TransformerActivation::operator()(const Tensor& x) const {
  check<StateError>(module_ || function_, "TransformerActivation: this one was moved from and is empty; use the one that it was moved to");
  return module_ ? (*module_)(x) : function_(x);
}

TransformerEncoderLayer::TransformerEncoderLayer(int64_t d_model, int64_t nhead, const TransformerLayerOptions& o)
    : Module("TransformerEncoderLayer"),
      self_attn(register_module("self_attn", attention(d_model, nhead, o))),
      linear1(register_module("linear1", Linear(d_model, o.dim_feedforward))),
      dropout(register_module("dropout", Dropout(o.dropout))),
      linear2(register_module("linear2", Linear(o.dim_feedforward, d_model))),
      norm1(register_module("norm1", LayerNorm(d_model, {.eps = o.layer_norm_eps}))),
      norm2(register_module("norm2", LayerNorm(d_model, {.eps = o.layer_norm_eps}))),
      dropout1(register_module("dropout1", Dropout(o.dropout))),
      dropout2(register_module("dropout2", Dropout(o.dropout))),
      activation_(o.activation),
      norm_first_(o.norm_first) {
  if (activation_.module()) register_module("activation", *activation_.module());
}

Tensor TransformerEncoderLayer::attend(const Tensor& x, const Tensor& mask, const Tensor& key_padding_mask) const {
  return call(dropout1, self_attn(x, x, x, {.key_padding_mask = key_padding_mask, .need_weights = false, .attn_mask = mask}).output);
}

Tensor TransformerEncoderLayer::feed_forward(const Tensor& x) const {
  return call(dropout2, call(linear2, dropped(dropout, activation_, call(linear1, x))));
}

Tensor TransformerEncoderLayer::operator()(const Tensor& src, const Tensor& src_mask, const Tensor& src_key_padding_mask) const {
  const ForwardScope here(*this);
  const Tensor x = residual(src, norm1, norm_first_, [&](const Tensor& seen) { return attend(seen, src_mask, src_key_padding_mask); });
  return here.gives(residual(x, norm2, norm_first_, [&](const Tensor& seen) { return feed_forward(seen); }));
}

Tensor TransformerEncoderLayer::step(const Tensor& src, TransformerLayerCache& cache, const Tensor& src_key_padding_mask) const {
  const ForwardScope here(*this);
  const NoGradGuard no_grad;
  TransformerLayerCache longer = cache;
  const Tensor x =
      residual(src, norm1, norm_first_, [&](const Tensor& seen) { return self_attention_step(*this, seen, longer, src_key_padding_mask); });
  const Tensor y = residual(x, norm2, norm_first_, [&](const Tensor& seen) { return feed_forward(seen); });
  cache = std::move(longer);
  return here.gives(y);
}

TransformerDecoderLayer::TransformerDecoderLayer(int64_t d_model, int64_t nhead, const TransformerLayerOptions& o)
    : Module("TransformerDecoderLayer"),
      self_attn(register_module("self_attn", attention(d_model, nhead, o))),
      multihead_attn(register_module("multihead_attn", attention(d_model, nhead, o))),
      linear1(register_module("linear1", Linear(d_model, o.dim_feedforward))),
      dropout(register_module("dropout", Dropout(o.dropout))),
      linear2(register_module("linear2", Linear(o.dim_feedforward, d_model))),
      norm1(register_module("norm1", LayerNorm(d_model, {.eps = o.layer_norm_eps}))),
      norm2(register_module("norm2", LayerNorm(d_model, {.eps = o.layer_norm_eps}))),
      norm3(register_module("norm3", LayerNorm(d_model, {.eps = o.layer_norm_eps}))),
      dropout1(register_module("dropout1", Dropout(o.dropout))),
      dropout2(register_module("dropout2", Dropout(o.dropout))),
      dropout3(register_module("dropout3", Dropout(o.dropout))),
      activation_(o.activation),
      norm_first_(o.norm_first) {
  if (activation_.module()) register_module("activation", *activation_.module());
}

Tensor TransformerDecoderLayer::attend(const Tensor& x, const TransformerDecoderMasks& masks) const {
  const MultiheadAttentionCall how{.key_padding_mask = masks.tgt_key_padding_mask, .need_weights = false, .attn_mask = masks.tgt_mask};
  return call(dropout1, self_attn(x, x, x, how).output);
}

Tensor TransformerDecoderLayer::attend_to(const Tensor& x, const Tensor& memory, const TransformerDecoderMasks& masks) const {
  const MultiheadAttentionCall how{
      .key_padding_mask = masks.memory_key_padding_mask, .need_weights = false, .attn_mask = masks.memory_mask};
  return call(dropout2, multihead_attn(x, memory, memory, how).output);
}

Tensor TransformerDecoderLayer::feed_forward(const Tensor& x) const {
  return call(dropout3, call(linear2, dropped(dropout, activation_, call(linear1, x))));
}

Tensor TransformerDecoderLayer::operator()(const Tensor& tgt, const Tensor& memory, const TransformerDecoderMasks& masks) const {
  const ForwardScope here(*this);
  const Tensor x = residual(tgt, norm1, norm_first_, [&](const Tensor& seen) { return attend(seen, masks); });
  const Tensor y = residual(x, norm2, norm_first_, [&](const Tensor& seen) { return attend_to(seen, memory, masks); });
  return here.gives(residual(y, norm3, norm_first_, [&](const Tensor& seen) { return feed_forward(seen); }));
}

TransformerLayerCache TransformerDecoderLayer::begin(const Tensor& memory, const Tensor& memory_key_padding_mask) const {
  const ForwardScope here(*this);
  const NoGradGuard no_grad;
  return {.multihead_attn = multihead_attn.project(memory, memory, memory_key_padding_mask)};
}

Tensor TransformerDecoderLayer::step(const Tensor& tgt, TransformerLayerCache& cache, const Tensor& tgt_key_padding_mask) const {
  const ForwardScope here(*this);
  const NoGradGuard no_grad;
  TransformerLayerCache longer = cache;
  const Tensor x =
      residual(tgt, norm1, norm_first_, [&](const Tensor& seen) { return self_attention_step(*this, seen, longer, tgt_key_padding_mask); });
  const Tensor y = residual(x, norm2, norm_first_, [&](const Tensor& seen) {
    return call(dropout2, multihead_attn.attend(seen, longer.multihead_attn, {.need_weights = false}).output);
  });
  const Tensor z = residual(y, norm3, norm_first_, [&](const Tensor& seen) { return feed_forward(seen); });
  cache = std::move(longer);
  return here.gives(z);
}

TransformerCache TransformerCache::reorder(const Tensor& rows) const {
  TransformerCache other;
  for (const TransformerLayerCache& layer : layers)
    other.layers.push_back({layer.self_attn.reorder(rows), layer.multihead_attn.reorder(rows)});
  return other;
}

TransformerEncoder::TransformerEncoder(const TransformerEncoderLayer& encoder_layer, int64_t num_layers,
                                       const std::optional<LayerNorm>& with_norm)
    : Module("TransformerEncoder"),
      layers(register_module("layers", ModuleList<TransformerEncoderLayer>(clones("TransformerEncoder", encoder_layer, num_layers)))),
      norm(with_norm) {
  if (norm) register_module("norm", *norm);
}

Tensor TransformerEncoder::operator()(const Tensor& src, const Tensor& mask, const Tensor& src_key_padding_mask) const {
  const ForwardScope here(*this);
  Tensor x = src;
  for (const TransformerEncoderLayer& layer : layers) x = call(layer, x, mask, src_key_padding_mask);
  return here.gives(norm ? call(*norm, x) : x);
}

TransformerCache TransformerEncoder::begin() const { return {std::vector<TransformerLayerCache>(static_cast<size_t>(layers.size()))}; }

Tensor TransformerEncoder::step(const Tensor& src, TransformerCache& cache, const Tensor& src_key_padding_mask) const {
  const ForwardScope here(*this);
  return here.gives(step_through("TransformerEncoder", layers, norm, src, cache, src_key_padding_mask));
}

TransformerDecoder::TransformerDecoder(const TransformerDecoderLayer& decoder_layer, int64_t num_layers,
                                       const std::optional<LayerNorm>& with_norm)
    : Module("TransformerDecoder"),
      layers(register_module("layers", ModuleList<TransformerDecoderLayer>(clones("TransformerDecoder", decoder_layer, num_layers)))),
      norm(with_norm) {
  if (norm) register_module("norm", *norm);
}

Tensor TransformerDecoder::operator()(const Tensor& tgt, const Tensor& memory, const TransformerDecoderMasks& masks) const {
  const ForwardScope here(*this);
  Tensor x = tgt;
  for (const TransformerDecoderLayer& layer : layers) x = layer(x, memory, masks);
  return here.gives(norm ? call(*norm, x) : x);
}

TransformerCache TransformerDecoder::begin(const Tensor& memory, const Tensor& memory_key_padding_mask) const {
  const ForwardScope here(*this);
  TransformerCache cache;
  for (const TransformerDecoderLayer& layer : layers) cache.layers.push_back(layer.begin(memory, memory_key_padding_mask));
  return cache;
}

Tensor TransformerDecoder::step(const Tensor& tgt, TransformerCache& cache, const Tensor& tgt_key_padding_mask) const {
  const ForwardScope here(*this);
  return here.gives(step_through("TransformerDecoder", layers, norm, tgt, cache, tgt_key_padding_mask));
}

namespace {

TransformerEncoder encoder_of(const TransformerOptions& o) {
  if (o.custom_encoder) return *o.custom_encoder;
  const TransformerEncoderLayer layer(o.d_model, o.nhead, layer_options(o));
  return {layer, o.num_encoder_layers, LayerNorm(o.d_model, {.eps = o.layer_norm_eps})};
}

TransformerDecoder decoder_of(const TransformerOptions& o) {
  if (o.custom_decoder) return *o.custom_decoder;
  const TransformerDecoderLayer layer(o.d_model, o.nhead, layer_options(o));
  return {layer, o.num_decoder_layers, LayerNorm(o.d_model, {.eps = o.layer_norm_eps})};
}

}  // namespace

Transformer::Transformer(const TransformerOptions& options)
    : Module("Transformer"),
      encoder(register_module("encoder", encoder_of(options))),
      decoder(register_module("decoder", decoder_of(options))),
      d_model_(options.d_model),
      batch_first_(options.batch_first) {
  for (const Tensor& parameter : parameters())
    if (parameter.dim() > 1) init::xavier_uniform_(parameter);
}

Tensor Transformer::operator()(const Tensor& src, const Tensor& tgt, const TransformerMasks& masks) const {
  const ForwardScope here(*this);
  check<ShapeError>(src.dim() == tgt.dim() && (src.dim() == 2 || src.dim() == 3),
                    "Transformer: src has shape {} and tgt {}; both must be {} or, for one sequence, (steps, features)", src.shape(),
                    tgt.shape(), batch_first_ ? "(batch, steps, features)" : "(steps, batch, features)");
  const int64_t batch = batch_first_ ? 0 : 1;
  check<ShapeError>(src.dim() == 2 || src.size(batch) == tgt.size(batch), "Transformer: src {} and tgt {} have batches of {} and {}",
                    src.shape(), tgt.shape(), src.size(batch), tgt.size(batch));
  check<ShapeError>(src.size(-1) == d_model_ && tgt.size(-1) == d_model_, "Transformer: src {} and tgt {} must have d_model = {} features",
                    src.shape(), tgt.shape(), d_model_);
  const Tensor memory = encoder(src, masks.src_mask, masks.src_key_padding_mask);
  return here.gives(decoder(tgt, memory,
                            {.tgt_mask = masks.tgt_mask,
                             .memory_mask = masks.memory_mask,
                             .tgt_key_padding_mask = masks.tgt_key_padding_mask,
                             .memory_key_padding_mask = masks.memory_key_padding_mask}));
}

Tensor Transformer::generate_square_subsequent_mask(int64_t size, const gradus::Options& options) {
  return triu(full({size, size}, -std::numeric_limits<double>::infinity(), options), 1);
}

namespace {

/// pe(step, feature), (max_len, 1, d_model).
Tensor waves(int64_t d_model, int64_t max_len) {
  check<ValueError>(d_model > 0 && max_len > 0, "PositionalEncoding: d_model {} and max_len {} must be positive", d_model, max_len);
  const Tensor table = empty({max_len, 1, d_model});
  float* to = table.data<float>();
  for (int64_t step = 0; step < max_len; ++step)
    for (int64_t i = 0; i < d_model; ++i) {
      const int64_t even = i - i % 2;
      const double angle = static_cast<double>(step) / std::pow(10000.0, static_cast<double>(even) / static_cast<double>(d_model));
      to[step * d_model + i] = static_cast<float>(i % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  return table;
}

}  // namespace

PositionalEncoding::PositionalEncoding(int64_t d_model, const PositionalEncodingOptions& options)
    : Module("PositionalEncoding"),
      dropout(register_module("dropout", Dropout(options.dropout))),
      pe(register_buffer("pe", waves(d_model, options.max_len))),
      batch_first_(options.batch_first) {}

Tensor PositionalEncoding::operator()(const Tensor& x, int64_t start) const {
  const ForwardScope here(*this);
  const int64_t d_model = pe.size(2), steps_dim = x.dim() == 3 && batch_first_ ? 1 : 0;
  check<ShapeError>((x.dim() == 2 || x.dim() == 3) && x.size(-1) == d_model,
                    "PositionalEncoding: x has shape {}, expected ({}, {}), or (steps, {}) for one sequence", x.shape(),
                    batch_first_ ? "batch, steps" : "steps, batch", d_model, d_model);
  const int64_t steps = x.size(steps_dim);
  check<ValueError>(start >= 0, "PositionalEncoding: start {} is negative", start);
  check<ShapeError>(start <= pe.size(0) && steps <= pe.size(0) - start, "PositionalEncoding: x {} has {} steps{}, but max_len is {}",
                    x.shape(), steps, start == 0 ? "" : fmt::format(" from step {}", start), pe.size(0));
  const Tensor rows = pe.narrow(0, start, steps);
  return here.gives(dropout(x + (x.dim() == 3 && !batch_first_ ? rows : rows.squeeze(1))));
}

}  // namespace gradus::nn
