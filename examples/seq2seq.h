#pragma once

#include <gradus/gradus.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

/// A GRU encoder and decoder for translation, as in Sutskever et al. 2014 and Cho et al. 2014, in the form of the chapter
/// "Sequence to Sequence Learning" of Dive into Deep Learning (d2l.ai).
/// B batch, T source steps, S target steps, E embedding, H hidden, L layers.
namespace seq2seq {

using gradus::Tensor;
namespace nn = gradus::nn;
namespace text = gradus::text;

// [start:options]
struct ModelOptions {
  int64_t source_vocab = 0;
  int64_t target_vocab = 0;
  int64_t embed = 32;
  int64_t hidden = 32;
  int64_t layers = 2;
  double dropout = 0.1;
};
// [end:options]

// [start:encoder]
/// Reads the source: tokens (B, T) to the output of every step (T, B, H) and the final state of every layer (L, B, H).
struct Encoder : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;

  explicit Encoder(const ModelOptions& o)
      : embedding(register_module("embedding", nn::Embedding(o.source_vocab, o.embed))),
        rnn(register_module("rnn", nn::GRU(o.embed, o.hidden, {.num_layers = o.layers, .dropout = o.dropout}))) {}

  nn::RNNOutput operator()(const Tensor& tokens) const {
    const Tensor embedded = embedding(tokens).permute({1, 0, 2});  // (T, B, E)
    return rnn(embedded);
  }
};
// [end:encoder]

// [start:decoder]
/// Writes the target: tokens (B, S), the encoder's summary of the source (B, H) at every step beside the embedded token, and the state
/// (L, B, H) to start from, to a score for each word (B, S, V) and the state after the last step.
struct Decoder : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Linear dense;

  explicit Decoder(const ModelOptions& o)
      : embedding(register_module("embedding", nn::Embedding(o.target_vocab, o.embed))),
        rnn(register_module("rnn", nn::GRU(o.embed + o.hidden, o.hidden, {.num_layers = o.layers, .dropout = o.dropout}))),
        dense(register_module("dense", nn::Linear(o.hidden, o.target_vocab))) {}

  struct Output {
    Tensor logits;
    Tensor state;
  };

  Output operator()(const Tensor& tokens, const Tensor& context, const Tensor& state) const {
    const Tensor embedded = embedding(tokens).permute({1, 0, 2});                                  // (S, B, E)
    const Tensor repeated = context.expand({embedded.size(0), context.size(0), context.size(1)});  // (S, B, H)
    auto [output, next] = rnn(gradus::cat({embedded, repeated}, 2), state);
    return {dense(output).permute({1, 0, 2}), next};
  }
};
// [end:decoder]

// [start:seq2seq]
/// Encoder and decoder: the encoder's final top state is the context, its final states are the decoder's first.
struct Seq2Seq : nn::Module {
  Encoder encoder;
  Decoder decoder;

  explicit Seq2Seq(const ModelOptions& o)
      : encoder(register_module("encoder", Encoder(o))), decoder(register_module("decoder", Decoder(o))) {}

  /// Scores (B, S, V) for the targets, each step given the true token before it (teacher forcing).
  Tensor operator()(const Tensor& source, const Tensor& decoder_input) const {
    const Tensor state = encoder(source).h_n;
    return decoder(decoder_input, state[-1], state).logits;
  }
};
// [end:seq2seq]

/// Xavier-uniform weights for the recurrent and linear layers, as the chapter initialises them.
void init_xavier(const Seq2Seq& model);

// [start:corpus]
/// Tokens of one side as an array (N, steps): each sentence, <eos>, then <pad>; cut to `steps`. Lengths (N) count up to <eos>.
struct Encoded {
  Tensor tokens;
  Tensor lengths;
};

/// Sentences, their vocabularies and their arrays.
class Corpus {
 public:
  /// Tokenizes the pairs and builds both vocabularies from the words that occur at least `min_freq` times.
  Corpus(const std::vector<text::Pair>& pairs, int64_t min_freq);
  /// For translation with vocabularies that were saved.
  Corpus(text::Vocab source, text::Vocab target) : source(std::move(source)), target(std::move(target)) {}

  Encoded encode_source(const std::vector<std::vector<std::string>>& sentences, int64_t steps) const;
  Encoded encode_target(const std::vector<std::vector<std::string>>& sentences, int64_t steps) const;

  std::vector<std::vector<std::string>> source_sentences, target_sentences;
  text::Vocab source, target;
};
// [end:corpus]

/// The words of a sentence after the chapter's preprocessing.
std::vector<std::string> words(const std::string& sentence);

/// The tokens that teacher forcing feeds the decoder: <bos>, then the target without its last token. (B, S)
Tensor shift_right(const Tensor& target, int64_t bos);

// [start:batch_loss]
/// What one batch costs: `chapter` is the chapter's sum over the batch of the mean over the steps, `nats` the plain sum over the
/// `tokens` that are not padding.
struct BatchLoss {
  Tensor chapter;
  double nats = 0;
  int64_t tokens = 0;
};
// [end:batch_loss]
BatchLoss masked_loss(const Tensor& logits, const Tensor& target, const Tensor& lengths);

/// Translates a batch (B, T) greedily: at each step the likeliest word, until <eos> or `steps`. The context stays the encoder's.
/// Returns token indices (B, steps), <eos> and what follows it set to `pad`.
Tensor greedy_decode(const Seq2Seq& model, const Tensor& source, int64_t steps, int64_t bos, int64_t eos, int64_t pad);

}  // namespace seq2seq
