#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gradus/creation.h"
#include "gradus/nn/attention.h"
#include "gradus/nn/containers.h"
#include "gradus/nn/normalization.h"

/// The Transformer (Vaswani et al. 2017). N batch, S steps of the source, T of the target, E features. Sequences are (S, N, E), (N, S, E)
/// if batch_first, or (S, E) for one; masks are those of MultiheadAttention: bool ones are true where nothing may be seen. What the layers
/// attend to is seen by an AttentionRecorder.
namespace gradus::nn {

/// The function between the linear layers of a feed-forward block: "relu", "gelu", or any function or module that takes a tensor and gives
/// one. A module becomes part of the layer, under the name "activation".
class GRADUS_API TransformerActivation {
 public:
  /// Throws ValueError unless name is "relu" or "gelu".
  TransformerActivation(std::string_view name);
  TransformerActivation(const char* name) : TransformerActivation(std::string_view(name)) {}
  TransformerActivation(const std::string& name) : TransformerActivation(std::string_view(name)) {}
  template <class F>
  requires std::is_invocable_r_v<Tensor, const F&, const Tensor&> TransformerActivation(F f) {
    if constexpr (TensorModule<F>) module_ = AnyModule(f);
    else function_ = std::move(f);
  }

  /// Throws StateError when it was moved from.
  Tensor operator()(const Tensor& x) const;
  const std::optional<AnyModule>& module() const noexcept { return module_; }
  /// Whether it was given as "relu".
  bool is_relu() const noexcept { return is_relu_; }

 private:
  bool is_relu_ = false;
  std::function<Tensor(const Tensor&)> function_;
  std::optional<AnyModule> module_;
};

/// How the layers of a Transformer are made. The defaults are PyTorch's.
struct TransformerLayerOptions {
  int64_t dim_feedforward = 2048;
  double dropout = 0.1;  ///< on the attention's weights, between the linear layers, and on what each block adds, while training
  TransformerActivation activation = "relu";
  double layer_norm_eps = 1e-5;
  bool batch_first = false;
  bool norm_first = false;  ///< each block sees normalised numbers, x + block(norm(x)); false: norm(x + block(x))
};

/// What a layer of a Transformer keeps between the steps of decoding.
struct TransformerLayerCache {
  KeyValueCache self_attn = {};       ///< of the steps so far
  KeyValueCache multihead_attn = {};  ///< of the memory; empty in an encoder's layer
};

/// What the layers of a TransformerDecoder or TransformerEncoder keep between the steps of decoding. `begin` makes one, `step` goes on with
/// it, and a step costs one position: nothing is projected a second time, and memory grows as KeyValueCache says.
///
///     const nn::Transformer model(…);                                         // decoder and encoder in evaluation, model.eval()
///     nn::TransformerCache cache = model.decoder.begin(memory);               // memory (S, N, E)
///     for (…) Tensor y = model.decoder.step(x, cache);                        // the next target, (1, N, E), to its output (1, N, E)
///
/// A copy is a cache of its own, and shares what both have in common. Hooks on the layers themselves do not run in a step; those on what is
/// inside them do. As the state of generate::beam_search, it follows its beams:
///
///     const auto step = [&](const Tensor& tokens, nn::TransformerCache cache) {
///       const Tensor x = position(embedding(tokens).unsqueeze(0), cache.steps());
///       const Tensor y = model.decoder.step(x, cache);
///       return std::pair(out(y.squeeze(0)), cache);
///     };
struct GRADUS_API TransformerCache {
  std::vector<TransformerLayerCache> layers = {};

  /// How many steps were taken.
  int64_t steps() const noexcept { return layers.empty() ? 0 : layers[0].self_attn.steps(); }
  /// The cache whose row i of the batch is row rows[i], int64, of this one.
  TransformerCache reorder(const Tensor& rows) const;
};

/// Self-attention and a feed-forward block, linear2(dropout(activation(linear1(x)))), each with its residual and norm.
class GRADUS_API TransformerEncoderLayer : public Module {
 public:
  /// Throws ValueError as MultiheadAttention and Linear do.
  TransformerEncoderLayer(int64_t d_model, int64_t nhead, const TransformerLayerOptions& options = {});
  /// src to a tensor of its shape; src_mask (S, S) or (N * nhead, S, S), src_key_padding_mask (N, S) or (S).
  Tensor operator()(const Tensor& src, const Tensor& src_mask = {}, const Tensor& src_key_padding_mask = {}) const;
  /// As TransformerEncoder::step, for this layer.
  Tensor step(const Tensor& src, TransformerLayerCache& cache, const Tensor& src_key_padding_mask = {}) const;

  MultiheadAttention self_attn;
  Linear linear1;
  Dropout dropout;
  Linear linear2;
  LayerNorm norm1, norm2;
  Dropout dropout1, dropout2;

 private:
  Tensor attend(const Tensor& x, const Tensor& mask, const Tensor& key_padding_mask) const;
  Tensor feed_forward(const Tensor& x) const;

  TransformerActivation activation_;
  bool norm_first_;
};

/// The masks of a decoder, each undefined for none.
struct TransformerDecoderMasks {
  Tensor tgt_mask = {};                 ///< (T, T) or (N * nhead, T, T)
  Tensor memory_mask = {};              ///< (T, S) or (N * nhead, T, S)
  Tensor tgt_key_padding_mask = {};     ///< (N, T) or (T)
  Tensor memory_key_padding_mask = {};  ///< (N, S) or (S)
};

/// Self-attention, attention to the encoder's output, and a feed-forward block, each with its residual and norm.
class GRADUS_API TransformerDecoderLayer : public Module {
 public:
  TransformerDecoderLayer(int64_t d_model, int64_t nhead, const TransformerLayerOptions& options = {});
  /// tgt (T, N, E) and memory, the encoder's output, (S, N, E) to a tensor of tgt's shape.
  Tensor operator()(const Tensor& tgt, const Tensor& memory, const TransformerDecoderMasks& masks = {}) const;
  /// As TransformerDecoder::begin, for this layer.
  TransformerLayerCache begin(const Tensor& memory, const Tensor& memory_key_padding_mask = {}) const;
  /// As TransformerDecoder::step, for this layer.
  Tensor step(const Tensor& tgt, TransformerLayerCache& cache, const Tensor& tgt_key_padding_mask = {}) const;

  MultiheadAttention self_attn, multihead_attn;
  Linear linear1;
  Dropout dropout;
  Linear linear2;
  LayerNorm norm1, norm2, norm3;
  Dropout dropout1, dropout2, dropout3;

 private:
  Tensor attend(const Tensor& x, const TransformerDecoderMasks& masks) const;
  Tensor attend_to(const Tensor& x, const Tensor& memory, const TransformerDecoderMasks& masks) const;
  Tensor feed_forward(const Tensor& x) const;

  TransformerActivation activation_;
  bool norm_first_;
};

/// Encoder layers one after the other.
class GRADUS_API TransformerEncoder : public Module {
 public:
  /// num_layers clones of encoder_layer, all starting with its weights, and a norm of the output, if given. Throws ValueError on a negative
  /// num_layers.
  TransformerEncoder(const TransformerEncoderLayer& encoder_layer, int64_t num_layers, const std::optional<LayerNorm>& norm = {});
  /// As TransformerEncoderLayer. In evaluation without gradients PyTorch may set padded steps to 0 and cut them off; here they are kept.
  Tensor operator()(const Tensor& src, const Tensor& mask = {}, const Tensor& src_key_padding_mask = {}) const;

  /// A cache without steps.
  TransformerCache begin() const;
  /// The output of the next steps of a sequence, one or several, src (T, N, E) to its shape: what operator() gives under the subsequent
  /// mask for the whole sequence so far, of these steps alone, as a language model needs it. src_key_padding_mask (N, T) is true where a
  /// new step is padding, such as what stands before a shorter prompt. Nothing is recorded for a backward pass. Throws as operator(), and
  /// ValueError for a cache of another number of layers; then the cache is as it was.
  Tensor step(const Tensor& src, TransformerCache& cache, const Tensor& src_key_padding_mask = {}) const;

  ModuleList<TransformerEncoderLayer> layers;
  std::optional<LayerNorm> norm;
};

/// Decoder layers one after the other.
class GRADUS_API TransformerDecoder : public Module {
 public:
  /// As TransformerEncoder.
  TransformerDecoder(const TransformerDecoderLayer& decoder_layer, int64_t num_layers, const std::optional<LayerNorm>& norm = {});
  /// As TransformerDecoderLayer.
  Tensor operator()(const Tensor& tgt, const Tensor& memory, const TransformerDecoderMasks& masks = {}) const;

  /// The keys and values of the memory for every layer, with its mask: a cache without steps. (A step sees all the memory that this mask
  /// leaves; a memory_mask, which tells steps apart, has no place here.) Nothing is recorded for a backward pass, here
  /// and in step. Throws as MultiheadAttention.
  TransformerCache begin(const Tensor& memory, const Tensor& memory_key_padding_mask = {}) const;
  /// The output of the next steps of the target, one or several, tgt (T, N, E) to its shape: what operator() gives under the subsequent
  /// mask for the whole target so far, of these steps alone. tgt_key_padding_mask (N, T) is that of the new steps. Throws as operator(),
  /// and ValueError for a cache of another number of layers; then the cache is as it was.
  Tensor step(const Tensor& tgt, TransformerCache& cache, const Tensor& tgt_key_padding_mask = {}) const;

  ModuleList<TransformerDecoderLayer> layers;
  std::optional<LayerNorm> norm;
};

/// How a Transformer is made. The defaults are PyTorch's.
struct TransformerOptions {
  int64_t d_model = 512;
  int64_t nhead = 8;
  int64_t num_encoder_layers = 6;
  int64_t num_decoder_layers = 6;
  int64_t dim_feedforward = 2048;
  double dropout = 0.1;
  TransformerActivation activation = "relu";
  std::optional<TransformerEncoder> custom_encoder = {};  ///< takes the place of the encoder that the other options describe
  std::optional<TransformerDecoder> custom_decoder = {};
  double layer_norm_eps = 1e-5;
  bool batch_first = false;
  bool norm_first = false;
};

/// The masks of a Transformer, each undefined for none.
struct TransformerMasks {
  Tensor src_mask = {}, tgt_mask = {}, memory_mask = {};
  Tensor src_key_padding_mask = {}, tgt_key_padding_mask = {}, memory_key_padding_mask = {};
};

/// An encoder and a decoder, each with a norm of its output. Weights with two or more dimensions start xavier-uniform.
class GRADUS_API Transformer : public Module {
 public:
  explicit Transformer(const TransformerOptions& options = {});
  /// src (S, N, E) and tgt (T, N, E) to a tensor of tgt's shape. Throws ShapeError unless both have d_model features and one batch size.
  Tensor operator()(const Tensor& src, const Tensor& tgt, const TransformerMasks& masks = {}) const;

  /// The mask with which step i sees steps 0 to i: (size, size), -infinity above the diagonal and 0 elsewhere.
  static Tensor generate_square_subsequent_mask(int64_t size, const gradus::Options& options = {});

  TransformerEncoder encoder;
  TransformerDecoder decoder;

 private:
  int64_t d_model_;
  bool batch_first_;
};

/// How a PositionalEncoding is made.
struct PositionalEncodingOptions {
  double dropout = 0.1;
  int64_t max_len = 5000;  ///< the longest sequence
  bool batch_first = false;
};

/// Tells a model where in the sequence it is, by adding waves of different lengths (Vaswani et al. 2017), and applies dropout:
///
///     pe(step, 2i) = sin(step / 10000^(2i / E)), pe(step, 2i + 1) = cos(step / 10000^(2i / E))
///
/// With an odd E the last wave has its sine alone. The table is the buffer "pe", (max_len, 1, E), as in PyTorch's tutorial.
class GRADUS_API PositionalEncoding : public Module {
 public:
  /// Throws ValueError unless the sizes are positive and dropout is in [0, 1].
  explicit PositionalEncoding(int64_t d_model, const PositionalEncodingOptions& options = {});
  /// x's steps are those from `start` of a sequence. Throws ShapeError unless x has d_model features and ends at most at step max_len,
  /// ValueError for a negative start.
  Tensor operator()(const Tensor& x, int64_t start = 0) const;

  Dropout dropout;
  Parameter pe;

 private:
  bool batch_first_;
};

}  // namespace gradus::nn
