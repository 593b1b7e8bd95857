// The program of docs/tutorials/06_a_language_model.md: a GRU that says which character comes next, and writes.

// [start:includes]
#include <gradus/gradus.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace data = gradus::data;
namespace generate = gradus::generate;
namespace nn = gradus::nn;
namespace plot = gradus::plot;
namespace text = gradus::text;
using gradus::Tensor;
// [end:includes]

#include "region.h"

// [start:stream]
/// A text as one long row of the numbers of its characters, or of whatever else its tokens are.
static Tensor to_stream(const std::vector<std::string>& tokens, const text::Vocab& vocab) {
  return gradus::from_vector(vocab.to_indices(tokens), static_cast<int64_t>(tokens.size()));  // (N)
}
// [end:stream]

// [start:model]
struct LanguageModel : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Linear out;

  LanguageModel(int64_t vocab, int64_t embed, int64_t hidden)
      : embedding(register_module("embedding", nn::Embedding(vocab, embed))),
        rnn(register_module("rnn", nn::GRU(embed, hidden))),
        out(register_module("out", nn::Linear(hidden, vocab))) {}

  struct Output {
    Tensor logits;  // (T, B, V)
    Tensor state;   // (1, B, H)
  };
  Output operator()(const Tensor& tokens, const Tensor& state) const {  // (T, B), (1, B, H) or undefined: zeros
    auto [output, h_n] = rnn(embedding(tokens), state);                 // (T, B, H), (1, B, H)
    return {out(output), h_n};
  }
};
// [end:model]

// [start:loss]
/// logits (T, B, V), target (T, B) → the mean of -log p, in nats a token.
static Tensor loss_of(const Tensor& logits, const Tensor& target) { return gradus::cross_entropy(logits.flatten(0, 1), target.flatten()); }
// [end:loss]

// [start:measure]
static double measure(const LanguageModel& model, const Tensor& stream) {  // (N)
  gradus::NoGradGuard no_grad;
  gradus::train::Mean mean;
  Tensor state;
  for (const auto& [input, target, first] : data::DataLoader(data::Strips(stream, {.batch_size = 1, .steps = 100}))) {
    auto [logits, next] = model(input, state);
    state = next;
    mean.update(loss_of(logits, target).item(), static_cast<double>(target.numel()));
  }
  return mean.compute();  // nats a token
}
// [end:measure]

// [start:train]
struct Curves {
  std::vector<double> train, held_out;  // nats a token, after each epoch
};

static Curves train(const LanguageModel& model, const Tensor& stream, const Tensor& held_out, const data::StripOptions& options,
                    int epochs) {
  gradus::optim::Adam adam(model.parameters(), {.lr = 5e-3});
  data::DataLoader strips(data::Strips(stream, options));
  Curves curves;
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    gradus::train::Mean mean;
    Tensor state;
    for (const auto& [input, target, first] : strips) {  // (T, B), (T, B)
      if (first) state = {};
      auto [logits, next] = model(input, state);  // (T, B, V), (1, B, H)
      state = next.detach();                      // its numbers go on, its history ends here
      Tensor loss = loss_of(logits, target);      // a scalar
      adam.zero_grad();
      loss.backward();
      nn::clip_grad_norm_(model.parameters(), 1.0);
      adam.step();
      mean.update(loss.item(), static_cast<double>(target.numel()));
    }
    curves.train.push_back(mean.compute());
    curves.held_out.push_back(measure(model, held_out));
  }
  return curves;
}
// [end:train]

// [start:write]
/// `length` tokens that come after `start`.
static std::string write(const LanguageModel& model, const text::Vocab& vocab, const std::string& start, int64_t length,
                         double temperature) {
  const auto step = [&](const Tensor& tokens, const Tensor& state) {  // (rows), (1, rows, H)
    auto [logits, next] = model(tokens.unsqueeze(0), state);          // (1, rows, V), (1, rows, H)
    return std::pair(logits.squeeze(0), next);                        // (rows, V)
  };
  const Tensor first = gradus::full({1}, vocab[start]);  // (1)
  const auto found = generate::sample(step, first, generate::Batched<1>(), {.max_length = length, .temperature = temperature, .seed = 0});
  std::string written;
  for (const std::string& token : vocab.to_tokens(found[0].tokens)) written += token;
  return written;
}
// [end:write]

// [start:lines]
static std::vector<std::string> lines_of(const std::string& written) {
  std::vector<std::string> lines;
  std::istringstream in(written);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}
// [end:lines]

// [start:answer_1]
static double measure_forgetting(const LanguageModel& model, const Tensor& stream, int64_t steps) {
  gradus::NoGradGuard no_grad;
  gradus::train::Mean mean;
  for (const auto& [input, target, first] : data::DataLoader(data::Strips(stream, {.batch_size = 1, .steps = steps})))
    mean.update(loss_of(model(input, {}).logits, target).item(), static_cast<double>(target.numel()));
  return mean.compute();
}
// [end:answer_1]

// [start:answer_2]
/// log p(line, then the end of the line | a new line begins), in nats.
static double log_probability(const LanguageModel& model, const text::Vocab& vocab, const std::string& line) {
  gradus::NoGradGuard no_grad;
  const Tensor stream = to_stream(text::tokenize_characters("\n" + line + "\n"), vocab);  // (N)
  const Tensor input = stream.slice(0, 0, -1).unsqueeze(1);                               // (N - 1, B 1)
  const Tensor target = stream.slice(0, 1).unsqueeze(1);                                  // (N - 1, B 1)
  return -loss_of(model(input, {}).logits, target).item() * static_cast<double>(target.numel());
}
// [end:answer_2]

// [start:answer_3]
/// The words of each line, and "\n" at its end.
static std::vector<std::string> words_of(const std::string& written) {
  std::vector<std::string> words;
  for (const std::string& line : lines_of(written)) {
    for (const std::string& word : text::tokenize(text::preprocess(line))) words.push_back(word);
    words.emplace_back("\n");
  }
  return words;
}
// [end:answer_3]

int main() {
  const std::filesystem::path here = std::filesystem::current_path();
  std::filesystem::current_path(std::filesystem::path(GRADUS_PHRASEBOOK).parent_path());
  region("text");
  // [start:text]
  std::string written;
  for (const text::Pair& pair : text::read_pairs("phrasebook.tsv")) written += pair.source + "\n";
  const std::string seen = written.substr(0, written.rfind('\n', written.size() * 9 / 10) + 1), unseen = written.substr(seen.size());
  const std::vector<std::string> characters = text::tokenize_characters(seen);
  const text::Vocab vocab(characters);
  const Tensor stream = to_stream(characters, vocab);                           // (N)
  const Tensor held_out = to_stream(text::tokenize_characters(unseen), vocab);  // (M)
  std::cout << seen.substr(0, 60) << "…\n";
  std::cout << "to train on " << stream.shape() << ", held out " << held_out.shape() << ", " << vocab.size() << " characters\n";
  std::cout << stream.slice(0, 0, 18) << "\n";
  // [end:text]
  std::filesystem::current_path(here);  // the picture goes where the program was started

  region("counts");
  // [start:counts]
  const int64_t V = vocab.size();
  const Tensor before = held_out.slice(0, 0, -1), after = held_out.slice(0, 1);  // (M - 1) each
  std::vector<double> counts(static_cast<size_t>(V * V), 0.1);                   // a little for pairs that never occurred
  const std::vector<int64_t> all = stream.to_vector<int64_t>();
  for (size_t i = 1; i < all.size(); ++i) counts[static_cast<size_t>(all[i - 1] * V + all[i])] += 1;
  const Tensor pairs = gradus::from_vector(counts, {V, V});  // (V, V)
  const Tensor single = pairs.sum(0) / pairs.sum();          // (V): p(next)
  const Tensor given = pairs / pairs.sum(1, true);           // (V, V): p(next | the one before)
  const double by_single = -single.log().index({after}).mean().item(), by_pairs = -given.log().index({before, after}).mean().item();
  std::printf("all alike:            %.2f nats, perplexity %5.2f\n", std::log(static_cast<double>(V)), static_cast<double>(V));
  std::printf("how often each comes: %.2f nats, perplexity %5.2f\n", by_single, text::perplexity(by_single, 1));
  std::printf("after which one:      %.2f nats, perplexity %5.2f\n", by_pairs, text::perplexity(by_pairs, 1));
  // [end:counts]

  region("strips");
  // [start:strips]
  const data::Strips example(gradus::arange(14), {.batch_size = 2, .steps = 3});  // B 2, T 3
  for (int64_t i = 0; i < example.size(); ++i) {
    auto [input, target, first] = example.get(i);  // (T, B), (T, B)
    std::cout << "block " << i << (first ? ", the first" : "") << "\ninput  " << input.t() << "\ntarget " << target.t() << "\n";
  }
  // [end:strips]

  region("detach");
  // [start:detach]
  gradus::manual_seed(0);
  const LanguageModel trial(V, 8, 16);
  for (const bool detached : {false, true}) {
    Tensor one = gradus::tensor({{3}, {4}, {5}}), two = gradus::tensor({{6}, {7}, {8}}),
           three = gradus::tensor({{7}, {8}, {9}});  // (T 3, B 1)
    Tensor h = trial(one, {}).state;                 // (1, 1, 16)
    loss_of(trial(two, detached ? h.detach() : h).logits, three).backward();
    const Tensor grad = trial.embedding.weight.grad();  // (V, 8)
    std::cout << (detached ? "detached:" : "attached:");
    for (int64_t row = 3; row < 9; ++row) std::cout << (grad[row].abs().sum().item() > 0 ? " yes" : "  no");
    std::cout << "\n";
    trial.zero_grad();
  }
  // [end:detach]

  region("train");
  // [start:training]
  gradus::manual_seed(1);
  LanguageModel model(V, 32, 128);
  model.to(gradus::float64);  // for the page, as in chapter 4
  std::printf("before: perplexity %.1f\n", text::perplexity(measure(model, held_out), 1));
  const Curves curves = train(model, stream, held_out, {.batch_size = 16, .steps = 32}, 12);
  for (const size_t epoch : {1, 2, 4, 8, 12})
    std::printf("epoch %2d: perplexity %.2f, on held-out text %.2f\n", static_cast<int>(epoch),
                text::perplexity(curves.train[epoch - 1], 1), text::perplexity(curves.held_out[epoch - 1], 1));
  // [end:training]

  region("curves");
  // [start:curves]
  plot::Figure({.x_label = "epoch", .y_label = "nats a character"})
      .line(curves.train, "text to train on")
      .line(curves.held_out, "held-out text")
      .save("language_model.svg");
  // [end:curves]

  region("sample");
  // [start:sample]
  for (const double temperature : {0.2, 1.0, 2.0})
    std::cout << "temperature " << temperature << ":\n" << write(model, vocab, "\n", 150, temperature) << "…\n\n";
  // [end:sample]

  region("new");
  // [start:new]
  const std::vector<std::string> known_lines = lines_of(seen), true_lines = lines_of(unseen);
  const std::set<std::string> known(known_lines.begin(), known_lines.end()), real(true_lines.begin(), true_lines.end());
  for (const double temperature : {0.2, 0.6, 1.0}) {
    std::vector<std::string> lines = lines_of(write(model, vocab, "\n", 4000, temperature));
    lines.pop_back();  // may be cut
    std::set<std::string> fresh;
    int copied = 0, hit = 0;
    for (const std::string& line : lines) known.contains(line) ? static_cast<void>(++copied) : static_cast<void>(fresh.insert(line));
    for (const std::string& line : fresh) hit += real.contains(line);
    std::printf("temperature %.1f: %d of %d lines are in the text; of %d different new ones %d are in the held-out text\n", temperature,
                copied, static_cast<int>(lines.size()), static_cast<int>(fresh.size()), hit);
  }
  // [end:new]

  region("answer_1");
  // [start:run_1]
  for (const int64_t steps : {8, 32, 128})
    std::printf("forgets every %3d characters: perplexity %.2f\n", static_cast<int>(steps),
                text::perplexity(measure_forgetting(model, held_out, steps), 1));
  std::printf("never forgets:                perplexity %.2f\n", text::perplexity(measure(model, held_out), 1));
  // [end:run_1]

  region("answer_2");
  // [start:run_2]
  for (const char* line : {"She is at home.", "She are at home.", "Home at is she.", "Where is the station?", "Where is the station."})
    std::printf("%6.1f  %s\n", log_probability(model, vocab, line), line);
  // [end:run_2]

  region("answer_3");
  // [start:run_3]
  const std::vector<std::string> words = words_of(seen), unseen_words = words_of(unseen);
  const text::Vocab word_vocab(words);
  gradus::manual_seed(1);
  LanguageModel by_words(word_vocab.size(), 64, 128);
  by_words.to(gradus::float64);
  const Tensor word_held_out = to_stream(unseen_words, word_vocab);  // (M')
  train(by_words, to_stream(words, word_vocab), word_held_out, {.batch_size = 16, .steps = 16}, 6);
  const double nats = measure(by_words, word_held_out), word_count = static_cast<double>(word_held_out.size(0));
  const double character_nats = measure(model, held_out), character_count = static_cast<double>(held_out.size(0));
  std::printf("by words:      perplexity %5.2f, %.2f bits a character\n", text::perplexity(nats, 1),
              text::bits_per_character(nats * word_count, character_count));
  std::printf("by characters: perplexity %5.2f, %.2f bits a character\n", text::perplexity(character_nats, 1),
              text::bits_per_character(character_nats * character_count, character_count));
  // [end:run_3]
}
