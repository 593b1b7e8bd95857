#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gradus/generate.h"
#include "gradus/nn.h"
#include "gradus/tensor.h"

/// Models that read one sequence and write another. B batch, T source steps, S target steps, E embedding, H hidden, L layers, V target
/// tokens. Each has
///
///     model(source, lengths, input)      source (B, T), lengths (B), input (B, S): int64  ->  scores (B, S, V), each step given the true
///                                        tokens before it
///     model.begin(source, lengths)       what a step of decoding needs: the state of generate::beam_search
///     model.step(tokens, state)          tokens (rows)  ->  scores (rows, V) and the next state
namespace recipe {

using gradus::Tensor;
namespace nn = gradus::nn;

struct ModelOptions {
  std::string kind = "attention";  // "gru", "attention" or "transformer"
  int64_t source_vocab = 0, target_vocab = 0;
  int64_t embed = 128, hidden = 256, layers = 2, heads = 4;  // of the Transformer: hidden is d_model, and there is no embed
  double dropout = 0.2;
  int64_t longest = 512;  // steps that the Transformer can tell apart
};

/// GRUs: the last state of the encoder is the first of the decoder, and stands beside every step of it (Sutskever et al. 2014, Cho et al.
/// 2014).
struct PlainModel : nn::Module {
  nn::Embedding source_embedding, target_embedding;
  nn::GRU encoder, decoder;
  nn::Dropout dropout;
  nn::Linear out;

  explicit PlainModel(const ModelOptions& o);

  struct State {
    gradus::generate::Batched<1> h;  // (L, rows, H)
    Tensor context;                  // (rows, H)
    State reorder(const Tensor& rows) const { return {h.tensor.index_select(1, rows), context.index_select(0, rows)}; }
  };
  Tensor operator()(const Tensor& source, const Tensor& lengths, const Tensor& input) const;
  State begin(const Tensor& source, const Tensor& lengths) const;
  std::pair<Tensor, State> step(const Tensor& tokens, State state) const;

 private:
  /// input (S, B) to the output of every step, (S, B, H), and the state after them.
  nn::RNNOutput decode(const Tensor& input, const State& state) const;
};

/// GRUs with attention: the encoder reads in both directions, and each step of the decoder looks at all of what it made of the source,
/// knowing where it looked before (Luong et al. 2015, "general" score and input feeding).
struct AttentionModel : nn::Module {
  nn::Embedding source_embedding, target_embedding;
  nn::GRU encoder, decoder;
  nn::Linear bridge, keys, combine;  // the encoder's last states to the decoder's first; W_a; W_c
  nn::DotProductAttention attention;
  nn::Dropout dropout;
  nn::Linear out;

  explicit AttentionModel(const ModelOptions& o);

  struct State {
    Tensor h;             // (L, rows, H)
    Tensor attended;      // (rows, H), of the step before
    Tensor keys, values;  // (rows, T, H)
    Tensor lengths;       // (rows)
    State reorder(const Tensor& rows) const;
  };
  Tensor operator()(const Tensor& source, const Tensor& lengths, const Tensor& input) const;
  State begin(const Tensor& source, const Tensor& lengths) const;
  std::pair<Tensor, State> step(const Tensor& tokens, State state) const;

 private:
  /// One step from a token's embedding (rows, E): its h and what it attended to are left in the state.
  void advance(const Tensor& embedded, State& state) const;
};

/// A Transformer (Vaswani et al. 2017) whose norms come first (Xiong et al. 2020).
struct TransformerModel : nn::Module {
  nn::Embedding source_embedding, target_embedding;
  nn::PositionalEncoding position;
  nn::Transformer transformer;
  nn::Linear out;

  explicit TransformerModel(const ModelOptions& o);

  using State = nn::TransformerCache;
  Tensor operator()(const Tensor& source, const Tensor& lengths, const Tensor& input) const;
  State begin(const Tensor& source, const Tensor& lengths) const;
  std::pair<Tensor, State> step(const Tensor& tokens, State state) const;

 private:
  Tensor embed(const nn::Embedding& embedding, const Tensor& tokens, int64_t start = 0) const;
};

/// One of the three, by its name.
class EncoderDecoder {
 public:
  /// Throws ValueError on another kind.
  explicit EncoderDecoder(const ModelOptions& options);

  struct State {
    std::variant<PlainModel::State, AttentionModel::State, TransformerModel::State> of_kind;
    State reorder(const Tensor& rows) const;
  };
  Tensor operator()(const Tensor& source, const Tensor& lengths, const Tensor& input) const;
  State begin(const Tensor& source, const Tensor& lengths) const;
  std::pair<Tensor, State> step(const Tensor& tokens, State state) const;

  nn::Module& module();
  const nn::Module& module() const;
  const ModelOptions& options() const noexcept { return options_; }

  gradus::StateDict state_dict() const { return module().state_dict(); }
  void load_state_dict(const gradus::StateDict& state) { module().load_state_dict(state); }

 private:
  ModelOptions options_;
  std::variant<PlainModel, AttentionModel, TransformerModel> model_;
};

/// How much each target step looks at each source step, (B, S, T): of a Transformer in the last layer of its decoder, the mean over heads.
/// Of a model that attends; GRUs alone do not.
Tensor attention_weights(const EncoderDecoder& model, const Tensor& source, const Tensor& lengths, const Tensor& input);

/// Models of the same vocabularies that are asked together: what they give is the mean of their probabilities. One may be alone.
using Ensemble = std::vector<const EncoderDecoder*>;

/// For each source its best continuations of `bos` without the tokens `never`, best first.
std::vector<std::vector<gradus::generate::Hypothesis>> beam_search(const Ensemble& models, const Tensor& source, const Tensor& lengths,
                                                                   int64_t bos, const std::vector<int64_t>& never,
                                                                   const gradus::generate::BeamOptions& options);

}  // namespace recipe
