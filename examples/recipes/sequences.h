#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "command.h"
#include "encoder_decoder.h"
#include "gradus/data/dataset.h"
#include "gradus/text.h"

/// Training an EncoderDecoder on pairs of sequences, and decoding with it.
namespace recipe {

/// The indices of the tokens that every vocabulary has beside <unk>, which is 0.
inline constexpr int64_t kPad = 1, kBos = 2, kEos = 3;

/// A vocabulary with those tokens.
gradus::text::Vocab make_vocab(const std::vector<std::vector<std::string>>& sequences, int64_t min_freq = 1);

/// A source and a target as indices, each without <eos>.
struct SequencePair {
  std::vector<int64_t> source, target;
};

using Sequences = gradus::data::ListDataset<SequencePair>;

/// Padded pairs: every source ends with <eos>, the input of the decoder begins with <bos>, and its labels end with <eos>.
struct SequenceBatch {
  Tensor source;   // (B, T)
  Tensor lengths;  // (B), of the sources
  Tensor input;    // (B, S)
  Tensor labels;   // (B, S), -100 where there is nothing to be written
  int64_t tokens;  // labels that count
};
SequenceBatch collate(const std::vector<SequencePair>& pairs);
/// All pairs, those of about one length together.
std::vector<SequenceBatch> in_batches(const Sequences& sequences);
/// The mean cross-entropy of a batch's labels, in nats.
Tensor loss(const EncoderDecoder& model, const SequenceBatch& batch, double label_smoothing);

/// How a training goes.
struct TrainingOptions {
  int64_t epochs = 20;
  int64_t max_tokens = 2048;  // of a batch: its examples times the longer side of the longest of them
  double lr = 1e-3;           // at the end of the warm-up; from there it falls to 0 along half a cosine wave
  int64_t warmup = 400;       // steps
  double label_smoothing = 0.1;
  double clip = 1;       // the largest norm of all gradients together
  int64_t patience = 0;  // epochs without a better measure after which the training ends; 0: all epochs
};
void add_options(Options& options, TrainingOptions& training);
void add_options(Options& options, ModelOptions& model);

/// How a training ended.
struct TrainingReport {
  double loss = 0;  // of the last epoch, nats a token, label smoothing included
  double best = 0;  // measure; NaN without
  int64_t epochs = 0, steps = 0;
  double seconds = 0, tokens_per_s = 0;  // of this run
};

/// Trains by Adam. Throws ValueError without data. `measure` is called after each epoch and says how far the model is from good (an error
/// rate, say); the weights of the epoch with the smallest are the model's afterwards, or without `measure` the last ones. With checkpoints
/// the training goes on as if it had not been interrupted.
TrainingReport train(EncoderDecoder& model, const Sequences& data, const TrainingOptions& options, const Program& program,
                     const Common& common, const std::function<double()>& measure);

/// The best target for every source, without <eos>. A Transformer reads no more of a source, and writes no more, than the steps that it
/// can tell apart; what is cut is said on standard error.
std::vector<std::vector<int64_t>> decode(const Ensemble& models, const std::vector<std::vector<int64_t>>& sources,
                                         const gradus::generate::BeamOptions& options);

/// A model with its vocabularies, and what else a recipe wants to have in its file.
struct SavedModel {
  EncoderDecoder model;
  gradus::text::Vocab source, target;
  gradus::io::StateValues more = {};

  void save(const Program& program, const std::string& path) const;
  /// Throws IoError when the file cannot be read or holds something else.
  static SavedModel load(const Program& program, const std::string& path);
};

}  // namespace recipe
