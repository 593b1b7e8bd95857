#include "gradus/nn/attention.h"
#include "gradus/nn/transformer.h"
#include "parity/modules.h"

namespace gradus::parity {
namespace {

using A = Arguments;

/// PyTorch's activation of a Transformer: a name, or a function of torch.nn.functional by its name.
nn::TransformerActivation activation(const A& a) {
  if (!a.has("activation")) return "relu";
  const std::string given = a.raw("activation").dump();
  for (const char* name : {"relu", "gelu"})
    if (given.find(name) != std::string::npos) return name;
  return std::string_view(given);
}

nn::TransformerLayerOptions layer_options(const A& a) {
  return {.dim_feedforward = a.integer("dim_feedforward", 2048),
          .dropout = a.real("dropout", 0.1),
          .activation = activation(a),
          .layer_norm_eps = a.real("layer_norm_eps", 1e-5),
          .batch_first = a.flag("batch_first", false),
          .norm_first = a.flag("norm_first", false)};
}

Built multihead_attention(const A& a) {
  return built(nn::MultiheadAttention(a.integer("embed_dim"), a.integer("num_heads"),
                                      {.dropout = a.real("dropout", 0),
                                       .bias = a.flag("bias", true),
                                       .add_bias_kv = a.flag("add_bias_kv", false),
                                       .add_zero_attn = a.flag("add_zero_attn", false),
                                       .kdim = a.optional_integer("kdim"),
                                       .vdim = a.optional_integer("vdim"),
                                       .batch_first = a.flag("batch_first", false)}),
               [](const nn::MultiheadAttention& m, const A& call) {
                 const nn::AttentionOutput y = m(call.tensor("query"), call.tensor("key"), call.tensor("value"),
                                                 {.key_padding_mask = call.optional_tensor("key_padding_mask"),
                                                  .need_weights = call.flag("need_weights", true),
                                                  .attn_mask = call.optional_tensor("attn_mask"),
                                                  .average_attn_weights = call.flag("average_attn_weights", true)});
                 return y.weights.defined() ? std::vector<Tensor>{y.output, y.weights} : std::vector<Tensor>{y.output};
               });
}

Built encoder_layer(const A& a) {
  return built(nn::TransformerEncoderLayer(a.integer("d_model"), a.integer("nhead"), layer_options(a)),
               [](const nn::TransformerEncoderLayer& m, const A& call) {
                 return m(call.tensor("src"), call.optional_tensor("src_mask"), call.optional_tensor("src_key_padding_mask"));
               });
}

Built decoder_layer(const A& a) {
  return built(nn::TransformerDecoderLayer(a.integer("d_model"), a.integer("nhead"), layer_options(a)),
               [](const nn::TransformerDecoderLayer& m, const A& call) {
                 return m(call.tensor("tgt"), call.tensor("memory"),
                          {.tgt_mask = call.optional_tensor("tgt_mask"),
                           .memory_mask = call.optional_tensor("memory_mask"),
                           .tgt_key_padding_mask = call.optional_tensor("tgt_key_padding_mask"),
                           .memory_key_padding_mask = call.optional_tensor("memory_key_padding_mask")});
               });
}

Built transformer(const A& a) {
  const nn::TransformerLayerOptions o = layer_options(a);
  return built(nn::Transformer({.d_model = a.integer("d_model", 512),
                                .nhead = a.integer("nhead", 8),
                                .num_encoder_layers = a.integer("num_encoder_layers", 6),
                                .num_decoder_layers = a.integer("num_decoder_layers", 6),
                                .dim_feedforward = o.dim_feedforward,
                                .dropout = o.dropout,
                                .activation = o.activation,
                                .layer_norm_eps = o.layer_norm_eps,
                                .batch_first = o.batch_first,
                                .norm_first = o.norm_first}),
               [](const nn::Transformer& m, const A& call) {
                 return m(call.tensor("src"), call.tensor("tgt"),
                          {.src_mask = call.optional_tensor("src_mask"),
                           .tgt_mask = call.optional_tensor("tgt_mask"),
                           .memory_mask = call.optional_tensor("memory_mask"),
                           .src_key_padding_mask = call.optional_tensor("src_key_padding_mask"),
                           .tgt_key_padding_mask = call.optional_tensor("tgt_key_padding_mask"),
                           .memory_key_padding_mask = call.optional_tensor("memory_key_padding_mask")});
               });
}

}  // namespace

std::vector<ModuleRow> attention_modules() {
  return {
      {"MultiheadAttention", "embed_dim, num_heads, dropout, bias, add_bias_kv, add_zero_attn, kdim, vdim, batch_first",
       "query, key, value, key_padding_mask, need_weights, attn_mask, average_attn_weights", multihead_attention},
      {"TransformerEncoderLayer", "d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first",
       "src, src_mask, src_key_padding_mask", encoder_layer},
      {"TransformerDecoderLayer", "d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first",
       "tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask", decoder_layer},
      {"Transformer",
       "d_model, nhead, num_encoder_layers, num_decoder_layers, dim_feedforward, dropout, activation, custom_encoder, custom_decoder, "
       "layer_norm_eps, batch_first, norm_first",
       "src, tgt, src_mask, tgt_mask, memory_mask, src_key_padding_mask, tgt_key_padding_mask, memory_key_padding_mask", transformer},
  };
}

}  // namespace gradus::parity
