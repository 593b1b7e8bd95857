// The program of docs/tutorials/07_lengths.md: sentences of different length in one array, and nobody who sees the padding.

// [start:includes]
#include <gradus/gradus.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

namespace data = gradus::data;
namespace nn = gradus::nn;
namespace plot = gradus::plot;
namespace text = gradus::text;
using gradus::Tensor;
using Sentence = std::vector<std::string>;
// [end:includes]

#include "region.h"

// [start:batch]
struct Batch {
  Tensor tokens;   // (B, T) int64, padded to the longest
  Tensor lengths;  // (B) int64
};

static Batch to_batch(const std::vector<Sentence>& sentences, const text::Vocab& vocab) {
  std::vector<Tensor> rows;
  std::vector<int64_t> lengths;
  for (const Sentence& sentence : sentences) {
    lengths.push_back(static_cast<int64_t>(sentence.size()));
    rows.push_back(gradus::from_vector(vocab.to_indices(sentence), lengths.back()));  // (length)
  }
  return {data::pad_sequence(rows, true, static_cast<double>(vocab["<pad>"])),
          gradus::from_vector(lengths, static_cast<int64_t>(lengths.size()))};
}
// [end:batch]

// [start:careless]
/// One vector for each sentence, from the mean of a GRU's outputs. It takes the padding for words.
struct Careless : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;

  Careless(int64_t vocab, int64_t embed, int64_t hidden)
      : embedding(register_module("embedding", nn::Embedding(vocab, embed))), rnn(register_module("rnn", nn::GRU(embed, hidden))) {}

  Tensor operator()(const Batch& batch) const {
    Tensor embedded = embedding(batch.tokens).permute({1, 0, 2});  // (T, B, E)
    return rnn(embedded).output.mean(0);                           // (B, H)
  }
};
// [end:careless]

// [start:careful]
struct Careful : Careless {
  using Careless::Careless;
  Tensor operator()(const Batch& batch) const {
    Tensor embedded = embedding(batch.tokens).permute({1, 0, 2});                            // (T, B, E)
    Tensor output = rnn(embedded, {}, batch.lengths).output.permute({1, 0, 2});              // (B, T, H)
    Tensor words = gradus::sequence_mask(batch.lengths, batch.tokens.size(1)).unsqueeze(2);  // (B, T, 1)
    Tensor sum = (output * words.to(output.dtype())).sum(1);                                 // (B, H)
    return sum / batch.lengths.unsqueeze(1).to(output.dtype());                              // (B, H) / (B, 1)
  }
};
// [end:careful]

// [start:test]
/// Whether a sentence has the same vector by itself and beside a longer one.
template <class Model>
static bool same_alone_and_in_batch(const Model& model, const text::Vocab& vocab, const Sentence& sentence, const Sentence& longer) {
  gradus::NoGradGuard no_grad;
  const Tensor alone = model(to_batch({sentence}, vocab))[0];             // (H)
  const Tensor together = model(to_batch({sentence, longer}, vocab))[0];  // (H)
  return gradus::allclose(alone, together, 1e-5, 1e-6);
}
// [end:test]

// [start:cost]
struct Cost {
  int64_t batches = 0, steps = 0, cells = 0, words = 0;  // cells: places in the arrays, words and padding
};

template <class Loader>
static Cost cost_of(const Loader& loader) {
  Cost cost;
  for (const Batch& batch : loader) {
    cost.batches += 1;
    cost.steps += batch.tokens.size(1);
    cost.cells += batch.tokens.numel();
    cost.words += batch.lengths.sum().template item<int64_t>();
  }
  return cost;
}

static void print(const char* name, const Cost& c) {
  std::printf("%-16s %3d batches, %4d steps, %.2f of it padding\n", name, static_cast<int>(c.batches), static_cast<int>(c.steps),
              1 - static_cast<double>(c.words) / static_cast<double>(c.cells));
}
// [end:cost]

// [start:look]
/// A batch as a picture: words bright, padding dark.
static plot::Figure picture_of(const Batch& batch, const std::string& title) {
  const Tensor words = gradus::sequence_mask(batch.lengths, batch.tokens.size(1)).to(gradus::float32);  // (B, T)
  return plot::Figure({.title = title, .x_label = "step", .y_label = "sentence", .width = 360, .height = 420})
      .heat_map(words, {.range = plot::Range{0, 1}});
}
// [end:look]

// [start:answer_1]
struct Largest : Careless {
  using Careless::Careless;
  Tensor operator()(const Batch& batch) const {
    Tensor embedded = embedding(batch.tokens).permute({1, 0, 2});                // (T, B, E)
    Tensor output = rnn(embedded, {}, batch.lengths).output.permute({1, 0, 2});  // (B, T, H)
    Tensor words = gradus::sequence_mask(batch.lengths, batch.tokens.size(1)).unsqueeze(2);
    return output.masked_fill(gradus::logical_not(words), -INFINITY).amax({1});  // (B, H)
  }
};
// [end:answer_1]

// [start:answer_2]
struct BothWays : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  bool with_lengths;

  BothWays(int64_t vocab, int64_t embed, int64_t hidden, bool lengths)
      : embedding(register_module("embedding", nn::Embedding(vocab, embed))),
        rnn(register_module("rnn", nn::GRU(embed, hidden, {.bidirectional = true}))),
        with_lengths(lengths) {}

  /// The output at the first word: nothing but this word forward, and the whole sentence backward.
  Tensor operator()(const Batch& batch) const {
    Tensor embedded = embedding(batch.tokens).permute({1, 0, 2});                 // (T, B, E)
    return rnn(embedded, {}, with_lengths ? batch.lengths : Tensor()).output[0];  // (B, 2H)
  }
};
// [end:answer_2]

int main() {
  const std::filesystem::path here = std::filesystem::current_path();
  std::filesystem::current_path(std::filesystem::path(GRADUS_PHRASEBOOK).parent_path());
  region("pad");
  // [start:pad]
  std::vector<Sentence> sentences;
  for (const text::Pair& pair : text::read_pairs("phrasebook.tsv")) sentences.push_back(text::tokenize(text::preprocess(pair.source)));
  const text::Vocab vocab(sentences, {.reserved_tokens = {"<pad>"}});
  const Batch three = to_batch({sentences[1], sentences[0], sentences[3]}, vocab);  // tokens (3, T), lengths (3)
  std::cout << three.tokens << "\n" << three.lengths << "\n";
  std::cout << gradus::sequence_mask(three.lengths, three.tokens.size(1)) << "\n";
  // [end:pad]
  std::filesystem::current_path(here);  // the picture goes where the program was started

  region("test");
  // [start:tested]
  gradus::manual_seed(0);
  const Careless careless(vocab.size(), 8, 16);
  const Careful careful(vocab.size(), 8, 16);
  const Sentence& is_she_sad = sentences[1];
  const Sentence& longer = sentences[3];
  std::cout << "careless: " << (same_alone_and_in_batch(careless, vocab, is_she_sad, longer) ? "the same" : "another vector") << "\n";
  std::cout << "careful:  " << (same_alone_and_in_batch(careful, vocab, is_she_sad, longer) ? "the same" : "another vector") << "\n";
  // [end:tested]

  region("attention");
  // [start:attention]
  const nn::MultiheadAttention attention(16, 2, {.batch_first = true});
  Tensor states = gradus::randn({3, three.tokens.size(1), 16});                                // (B 3, T, E 16)
  Tensor padding = gradus::logical_not(gradus::sequence_mask(three.lengths, states.size(1)));  // (B, T): true where there is nothing
  Tensor weights = attention(states, states, states, {.key_padding_mask = padding}).weights;   // (B, T, T)
  std::cout << weights.detach()[0].sum(0) << "\n";
  // [end:attention]

  region("loss");
  // [start:loss]
  Tensor nats = gradus::tensor({{2.0, 4.0, 0.0, 0.0}, {1.0, 1.0, 1.0, 1.0}});  // (B 2, T 4): of each token; 0 for padding
  Tensor lengths = gradus::tensor({2, 4});                                     // (B)
  std::printf("mean of all cells:       %.2f\n", nats.mean().item());
  std::printf("mean of sentences' means: %.2f\n", (nats.sum(1) / lengths.to(gradus::float32)).mean().item());
  std::printf("mean of all tokens:      %.2f\n", nats.sum().item() / static_cast<double>(lengths.sum().item<int64_t>()));
  // [end:loss]

  region("buckets");
  // [start:buckets]
  const auto collate = [&](const std::vector<Sentence>& examples) { return to_batch(examples, vocab); };
  const data::ListDataset<Sentence> dataset(sentences);
  const std::vector<int64_t> lengths_of_all = data::lengths_of(dataset, [](const Sentence& s) { return s.size(); });

  const Batch all = to_batch(sentences, vocab);
  print("one array", {1, all.tokens.size(1), all.tokens.numel(), all.lengths.sum().item<int64_t>()});
  const data::DataLoader shuffled(dataset, {.batch_size = 32, .shuffle = true, .seed = 0}, collate);
  print("batches of 32", cost_of(shuffled));
  const data::BucketSampler sampler(lengths_of_all, {.max_tokens = 200, .shuffle = true, .seed = 1});
  const data::DataLoader buckets(dataset, sampler, {}, collate);
  print("buckets of 200", cost_of(buckets));
  // [end:buckets]

  region("picture");
  // [start:picture]
  const Batch from_shuffled = *shuffled.begin(), from_buckets = *buckets.begin();
  plot::save("padding.svg", {picture_of(from_shuffled, "32 sentences"), picture_of(from_buckets, "a bucket of 200 tokens")});
  // [end:picture]

  region("answer_1");
  // [start:run_1]
  const Largest largest(vocab.size(), 8, 16);
  std::cout << (same_alone_and_in_batch(largest, vocab, is_she_sad, longer) ? "the same" : "another vector") << "\n";
  // [end:run_1]

  region("answer_2");
  // [start:run_2]
  for (const bool with_lengths : {false, true}) {
    const BothWays both_ways(vocab.size(), 8, 16, with_lengths);
    std::cout << (with_lengths ? "with lengths:    " : "without lengths: ")
              << (same_alone_and_in_batch(both_ways, vocab, is_she_sad, longer) ? "the same" : "another vector") << "\n";
  }
  // [end:run_2]

  region("answer_3");
  // [start:run_3]
  for (const int64_t most : {50, 100, 200, 400, 800}) {
    const data::BucketSampler of_size(lengths_of_all, {.max_tokens = most});
    std::printf("at most %3d tokens: %3d batches, %.3f of it padding\n", static_cast<int>(most), static_cast<int>(of_size.size()),
                of_size.padding());
  }
  // [end:run_3]
}
