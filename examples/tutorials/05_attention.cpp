// The program of docs/tutorials/05_attention.md: a decoder that looks back at the sentence, and a picture of where it looks.

// [start:includes]
#include <gradus/gradus.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace generate = gradus::generate;
namespace nn = gradus::nn;
namespace plot = gradus::plot;
namespace text = gradus::text;
using gradus::Tensor;
using Sentences = std::vector<std::vector<std::string>>;
// [end:includes]

#include "region.h"

// [start:join]
static std::string join(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}
// [end:join]

// [start:additive]
/// q (B, S, Q), k (B, T, K), W_q (H, Q), W_k (H, K), w_v (1, H) → scores (B, S, T)
static Tensor additive_scores(const Tensor& q, const Tensor& k, const Tensor& w_q, const Tensor& w_k, const Tensor& w_v) {
  Tensor from_q = gradus::linear(q, w_q).unsqueeze(2);  // (B, S, 1, H)
  Tensor from_k = gradus::linear(k, w_k).unsqueeze(1);  // (B, 1, T, H)
  Tensor hidden = (from_q + from_k).tanh();             // (B, S, T, H): every query beside every key
  return gradus::linear(hidden, w_v).squeeze(3);        // (B, S, T)
}
// [end:additive]

// [start:sides]
struct Sides {
  Sentences source, target;
};

/// The words of the pairs; every tenth pair is kept apart, `held_out` says which part is wanted.
static Sides sides(const std::vector<text::Pair>& pairs, bool held_out) {
  Sides words;
  for (size_t i = 0; i < pairs.size(); ++i) {
    if ((i % 10 == 9) != held_out) continue;
    words.source.push_back(text::tokenize(text::preprocess(pairs[i].source)));
    words.target.push_back(text::tokenize(text::preprocess(pairs[i].target)));
  }
  return words;
}
// [end:sides]

// [start:arrays]
struct Array {
  Tensor tokens;   // (N, steps) int64, padded to the longest
  Tensor lengths;  // (N) int64
};

/// Each sentence as the numbers of its words, then <eos>, then <pad>.
static Array to_array(const Sentences& sentences, const text::Vocab& vocab) {
  std::vector<Tensor> rows;
  std::vector<int64_t> lengths;
  for (const std::vector<std::string>& sentence : sentences) {
    std::vector<int64_t> row = vocab.to_indices(sentence);
    row.push_back(vocab["<eos>"]);
    lengths.push_back(static_cast<int64_t>(row.size()));
    rows.push_back(gradus::from_vector(row, lengths.back()));  // (length)
  }
  return {gradus::data::pad_sequence(rows, true, static_cast<double>(vocab["<pad>"])),
          gradus::from_vector(lengths, static_cast<int64_t>(lengths.size()))};
}
// [end:arrays]

// [start:parts]
/// What reading leaves: a row for each word of the source, how many rows count, and the state that the decoder starts in.
struct Source {
  Tensor memory;   // (B, T, H)
  Tensor lengths;  // (B)
  Tensor state;    // (1, B, H)
};

struct Written {
  Tensor logits;   // (B, S, V)
  Tensor weights;  // (B, S, T): how much each step looks at each word of the source
  Tensor state;    // (1, B, H)
};
// [end:parts]

// [start:model]
template <class Attention>
struct Translator : nn::Module {
  nn::Embedding source_embedding, target_embedding;
  nn::GRU encoder, decoder;
  nn::Linear memory, bridge;  // from the encoder's two directions to the decoder's width
  Attention attention;
  nn::Linear combine, out;
  nn::Dropout dropout;

  Translator(int64_t source_vocab, int64_t target_vocab, int64_t embed, int64_t hidden, const Attention& a)
      : source_embedding(register_module("source_embedding", nn::Embedding(source_vocab, embed))),
        target_embedding(register_module("target_embedding", nn::Embedding(target_vocab, embed))),
        encoder(register_module("encoder", nn::GRU(embed, hidden, {.bidirectional = true}))),
        decoder(register_module("decoder", nn::GRU(embed, hidden))),
        memory(register_module("memory", nn::Linear(2 * hidden, hidden))),
        bridge(register_module("bridge", nn::Linear(2 * hidden, hidden))),
        attention(register_module("attention", a)),
        combine(register_module("combine", nn::Linear(2 * hidden, hidden))),
        out(register_module("out", nn::Linear(hidden, target_vocab))),
        dropout(register_module("dropout", nn::Dropout(0.3))) {}

  Source read(const Tensor& tokens, const Tensor& lengths) const {                // (B, T), (B)
    Tensor embedded = dropout(source_embedding(tokens)).permute({1, 0, 2});       // (T, B, E)
    auto [output, h_n] = encoder(embedded, {}, lengths);                          // (T, B, 2H), (2, B, H)
    Tensor state = bridge(gradus::cat({h_n[0], h_n[1]}, 1)).tanh().unsqueeze(0);  // (1, B, H)
    return {memory(output.permute({1, 0, 2})), lengths, state};
  }

  Written write(const Tensor& tokens, const Source& source) const {                              // (B, S)
    Tensor embedded = dropout(target_embedding(tokens)).permute({1, 0, 2});                      // (S, B, E)
    auto [states, h_n] = decoder(embedded, source.state);                                        // (S, B, H), (1, B, H)
    Tensor queries = states.permute({1, 0, 2});                                                  // (B, S, H)
    auto [context, weights] = attention(queries, source.memory, source.memory, source.lengths);  // (B, S, H), (B, S, T)
    Tensor both = combine(gradus::cat({queries, context}, 2)).tanh();                            // (B, S, H)
    return {out(dropout(both)), weights, h_n};                                                   // (B, S, V), (B, S, T), (1, B, H)
  }
};
// [end:model]

// [start:train]
template <class Model>
static void train(const Model& model, const Array& source, const Array& target, int64_t bos, int epochs) {
  gradus::optim::Adam adam(model.parameters(), {.lr = 7e-3});
  gradus::data::DataLoader loader(gradus::data::TensorDataset({source.tokens, source.lengths, target.tokens, target.lengths}),
                                  {.batch_size = 64, .shuffle = true, .seed = 0});
  model.train();  // dropout on
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    double nats = 0, tokens = 0;
    for (const auto& batch : loader) {
      const Tensor& y = batch[2];                                                                           // (B, S)
      Tensor input = gradus::cat({gradus::full({y.size(0), 1}, bos), y.slice(1, 0, -1)}, 1);                // (B, S)
      Tensor logits = model.write(input, model.read(batch[0], batch[1])).logits;                            // (B, S, V)
      Tensor padding = gradus::logical_not(gradus::sequence_mask(batch[3], y.size(1)));                     // (B, S)
      Tensor labels = y.masked_fill(padding, -100);                                                         // (B, S)
      Tensor loss = gradus::cross_entropy(logits.flatten(0, 1), labels.flatten(), {.ignore_index = -100});  // a mean over the tokens
      adam.zero_grad();
      loss.backward();
      nn::clip_grad_norm_(model.parameters(), 1.0);
      adam.step();
      const double count = static_cast<double>(batch[3].sum().template item<int64_t>());
      nats += count * loss.item(), tokens += count;
    }
    if (epoch % 3 == 0 || epoch == 1) std::printf("epoch %2d: %.2f nats a token\n", epoch, nats / tokens);
  }
  model.eval();  // dropout off
}
// [end:train]

// [start:translate]
template <class Model>
static Sentences translate(const Model& model, const Array& source, const text::Vocab& vocab) {
  gradus::NoGradGuard no_grad;
  using State = std::tuple<generate::Batched<1>, Tensor, Tensor>;    // the decoder's state, the memory and the lengths
  const auto step = [&](const Tensor& tokens, const State& state) {  // (rows)
    const auto& [h, memory, lengths] = state;                        // (1, rows, H), (rows, T, H), (rows)
    const auto written = model.write(tokens.unsqueeze(1), {memory, lengths, h});
    return std::pair(written.logits.squeeze(1), State(written.state, memory, lengths));  // (rows, V)
  };
  const auto read = model.read(source.tokens, source.lengths);
  Sentences translations;
  for (const generate::Hypothesis& found :
       generate::greedy_search(step, gradus::full({source.tokens.size(0)}, vocab["<bos>"]), State(read.state, read.memory, read.lengths),
                               {.max_length = 12, .end = vocab["<eos>"]}))
    translations.push_back(vocab.to_tokens(found.tokens));
  return translations;
}
// [end:translate]

// [start:bleu]
static double mean_bleu(const Sentences& translations, const Sentences& expected) {
  double sum = 0;
  for (size_t i = 0; i < expected.size(); ++i) sum += text::bleu(join(translations[i]), join(expected[i]), 2);
  return sum / static_cast<double>(expected.size());
}
// [end:bleu]

// [start:look]
struct Look {
  std::vector<std::string> source, target;
  Tensor weights;  // (S, T), one row for each word of the target
};

/// Translates a sentence and keeps what each step looked at.
template <class Model>
static Look look(const Model& model, const std::string& sentence, const text::Vocab& english, const text::Vocab& french) {
  gradus::NoGradGuard no_grad;
  Look seen{text::tokenize(text::preprocess(sentence)), {}, {}};
  const Array asked = to_array({seen.source}, english);  // (1, T), (1)
  seen.target = translate(model, asked, french)[0];
  std::vector<int64_t> input = french.to_indices(seen.target);
  input.insert(input.begin(), french["<bos>"]);                                               // the words that the decoder read
  const Tensor tokens = gradus::from_vector(input, {1, static_cast<int64_t>(input.size())});  // (1, S)
  seen.weights = model.write(tokens, model.read(asked.tokens, asked.lengths)).weights[0];     // (S, T)
  seen.source.emplace_back("<eos>"), seen.target.emplace_back("<eos>");
  return seen;
}
// [end:look]

// [start:heat_map]
static plot::Figure heat_map(const Look& seen) {
  return plot::Figure({.width = 420, .height = 380})
      .heat_map(seen.weights, {.row_labels = seen.target, .column_labels = seen.source, .range = plot::Range{0, 1}});
}
// [end:heat_map]

// [start:answer_1]
/// Attention's shapes, and zeros in place of what it would find.
struct LooksNowhere : nn::Module {
  nn::AttentionOutput operator()(const Tensor& queries, const Tensor& keys, const Tensor&, const Tensor&) const {
    return {gradus::zeros_like(queries), gradus::zeros({queries.size(0), queries.size(1), keys.size(1)}, {.dtype = queries.dtype()})};
  }
};
// [end:answer_1]

// [start:answer_2]
/// A trained model whose attention is not told where a sentence ends.
template <class Model>
struct WithoutLengths {
  const Model& model;

  Source read(const Tensor& tokens, const Tensor& lengths) const {
    Source source = model.read(tokens, lengths);
    source.lengths = {};
    return source;
  }
  Written write(const Tensor& tokens, const Source& source) const { return model.write(tokens, source); }
};
// [end:answer_2]

// [start:answer_3]
struct AskFirst : Translator<nn::AdditiveAttention> {
  nn::GRU cell;  // reads a word and what was found for it

  AskFirst(int64_t source_vocab, int64_t target_vocab, int64_t embed, int64_t hidden)
      : Translator(source_vocab, target_vocab, embed, hidden, nn::AdditiveAttention(hidden, hidden, hidden)),
        cell(register_module("cell", nn::GRU(embed + hidden, hidden))) {}

  Written write(const Tensor& tokens, const Source& source) const {
    Tensor embedded = dropout(target_embedding(tokens));  // (B, S, E)
    Tensor h = source.state;                              // (1, B, H)
    std::vector<Tensor> outputs, looked;
    for (int64_t s = 0; s < tokens.size(1); ++s) {
      Tensor query = h.permute({1, 0, 2});                                                       // (B, 1, H): the state before the step
      auto [context, weights] = attention(query, source.memory, source.memory, source.lengths);  // (B, 1, H), (B, 1, T)
      Tensor input = gradus::cat({embedded.slice(1, s, s + 1), context}, 2).permute({1, 0, 2});  // (1, B, E + H)
      h = cell(input, h).h_n;                                                                    // (1, B, H)
      outputs.push_back(h[0]), looked.push_back(weights.squeeze(1));                             // (B, H), (B, T)
    }
    return {out(dropout(gradus::stack(outputs, 1))), gradus::stack(looked, 1), h};
  }
};
// [end:answer_3]

int main() {
  region("hand");
  // [start:hand]
  Tensor query = gradus::tensor({{1.0, 2.0}});                             // (S 1, E 2)
  Tensor keys = gradus::tensor({{1.0, 0.0}, {0.0, 1.0}, {1.0, 1.0}});      // (T 3, E 2)
  Tensor values = gradus::tensor({{10.0, 0.0}, {0.0, 10.0}, {5.0, 5.0}});  // (T 3, V 2)
  Tensor scores = query.matmul(keys.t()) / std::sqrt(2.0);                 // (S 1, T 3)
  Tensor weights = scores.softmax(1);                                      // (S 1, T 3)
  Tensor context = weights.matmul(values);                                 // (S 1, V 2)
  std::cout << "scores  " << scores << "\nweights " << weights << "\ncontext " << context << "\n";
  Tensor same = gradus::scaled_dot_product_attention(query, keys, values);  // (S 1, V 2)
  std::cout << "library " << same << "\n";
  // [end:hand]

  region("mask");
  // [start:mask]
  Tensor lengths = gradus::tensor({2});                                        // (B 1)
  Tensor counts = gradus::sequence_mask(lengths, 3);                           // (B 1, T 3)
  Tensor masked = scores.masked_fill(gradus::logical_not(counts), -INFINITY);  // (S 1, T 3)
  std::cout << "counts  " << counts << "\nweights " << masked.softmax(1) << "\n";
  const nn::DotProductAttention attention;
  auto [found, taken] = attention(query.unsqueeze(0), keys.unsqueeze(0), values.unsqueeze(0), lengths);  // (1, 1, 2), (1, 1, 3)
  std::cout << "library " << taken[0] << ", context " << found[0] << "\n";
  // [end:mask]

  region("additive");
  // [start:compare]
  gradus::manual_seed(0);
  const nn::AdditiveAttention additive(5, 3, 8);                      // keys of 5, queries of 3, 8 in between
  Tensor q = gradus::randn({2, 4, 3}), k = gradus::randn({2, 6, 5});  // (B 2, S 4, 3), (B 2, T 6, 5)
  Tensor theirs = additive(q, k, k).weights;                          // (B 2, S 4, T 6)
  Tensor mine = additive_scores(q, k, additive.W_q.weight, additive.W_k.weight, additive.w_v.weight).softmax(2);  // (2, 4, 6)
  std::cout << "weights " << theirs.shape() << ", equal but for rounding: " << (gradus::allclose(mine, theirs, 1e-5, 1e-6) ? "yes" : "no")
            << "\n";
  // [end:compare]

  const std::filesystem::path here = std::filesystem::current_path();
  std::filesystem::current_path(std::filesystem::path(GRADUS_PHRASEBOOK).parent_path());
  region("pairs");
  // [start:pairs]
  const std::vector<text::Pair> pairs = text::read_pairs("phrasebook.tsv");
  const Sides seen = sides(pairs, false), unseen = sides(pairs, true);
  const text::VocabOptions options{.min_freq = 2, .reserved_tokens = {"<pad>", "<bos>", "<eos>"}};
  const text::Vocab english(seen.source, options), french(seen.target, options);
  const Array source = to_array(seen.source, english), target = to_array(seen.target, french);
  std::cout << "source " << source.tokens.shape() << ", target " << target.tokens.shape() << "\n";
  // [end:pairs]
  std::filesystem::current_path(here);  // the picture goes where the program was started

  region("shapes");
  // [start:shapes]
  gradus::manual_seed(1);
  const Translator model(english.size(), french.size(), 64, 96, nn::DotProductAttention());
  const Source read = model.read(source.tokens.slice(0, 0, 3), source.lengths.slice(0, 0, 3));
  const Written written = model.write(target.tokens.slice(0, 0, 3), read);
  std::cout << "memory " << read.memory.shape() << ", state " << read.state.shape() << "\n";
  std::cout << "logits " << written.logits.shape() << ", weights " << written.weights.shape() << "\n";
  // [end:shapes]

  region("train");
  // [start:training]
  model.to(gradus::float64);  // for the page, as on page 4
  train(model, source, target, french["<bos>"], 12);
  // [end:training]

  region("quality");
  // [start:quality]
  const Array questions = to_array(unseen.source, english);
  std::printf("BLEU on held-out pairs %.2f\n", mean_bleu(translate(model, questions, french), unseen.target));
  // [end:quality]

  region("look");
  // [start:looked]
  const Look station = look(model, "They are not at the station.", english, french);
  Tensor most = station.weights.argmax(1);  // (S): the word of the source that each step looks at most
  for (size_t s = 0; s < station.target.size(); ++s) {
    const int64_t t = most[static_cast<int64_t>(s)].item<int64_t>();
    std::printf("%-8s %.2f of it from %s\n", station.target[s].c_str(), station.weights[static_cast<int64_t>(s)][t].item(),
                station.source[static_cast<size_t>(t)].c_str());
  }
  // [end:looked]

  region("picture");
  // [start:picture]
  const Look tomorrow = look(model, "He is going to eat fish tomorrow.", english, french);
  plot::save("attention.svg", {heat_map(station), heat_map(tomorrow)});
  // [end:picture]

  region("answer_1");
  // [start:run_1]
  gradus::manual_seed(1);
  const Translator blind(english.size(), french.size(), 64, 96, LooksNowhere());
  blind.to(gradus::float64);
  train(blind, source, target, french["<bos>"], 12);
  std::printf("BLEU on held-out pairs %.2f\n", mean_bleu(translate(blind, questions, french), unseen.target));
  // [end:run_1]

  region("answer_2");
  // [start:run_2]
  const WithoutLengths<Translator<nn::DotProductAttention>> unaware{model};
  const Source everything = unaware.read(questions.tokens, questions.lengths);                         // memory (N, T, H)
  const Tensor starts = gradus::full({questions.tokens.size(0), 1}, french["<bos>"]);                  // (N, 1)
  const Tensor first = unaware.write(starts, everything).weights.squeeze(1);                           // (N, T)
  const Tensor padded = gradus::logical_not(gradus::sequence_mask(questions.lengths, first.size(1)));  // (N, T)
  const Tensor wasted = (first * padded.to(first.dtype())).sum(1).mean();                              // a scalar
  std::printf("on padding at the first word: %.2f\n", wasted.item());
  std::printf("BLEU on held-out pairs %.2f\n", mean_bleu(translate(unaware, questions, french), unseen.target));
  // [end:run_2]

  region("answer_3");
  // [start:run_3]
  gradus::manual_seed(1);
  const AskFirst ask_first(english.size(), french.size(), 64, 96);
  ask_first.to(gradus::float64);
  train(ask_first, source, target, french["<bos>"], 3);
  // [end:run_3]
}
