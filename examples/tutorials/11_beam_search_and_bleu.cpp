// The program of docs/tutorials/11_beam_search_and_bleu.md: a search that keeps several sentences, and what their quality is measured by.

// [start:includes]
#include <gradus/gradus.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace generate = gradus::generate;
namespace nn = gradus::nn;
namespace text = gradus::text;
using gradus::Tensor;
using Words = std::vector<std::string>;
// [end:includes]

#include "region.h"

// [start:join]
static std::string join(const Words& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}
// [end:join]

// [start:table]
/// For each word those that may follow, with their probabilities.
using Table = std::map<std::string, std::vector<std::pair<std::string, double>>>;

static Table weather() {
  return {{"<bos>", {{"it", 0.6}, {"rain", 0.4}}},
          {"it", {{"rains", 0.4}, {"is", 0.38}, {"pours", 0.22}}},
          {"rain", {{"falls", 0.8}, {"comes", 0.2}}},
          {"is", {{"raining", 1}}},
          {"rains", {{"<eos>", 1}}},
          {"pours", {{"<eos>", 1}}},
          {"falls", {{"<eos>", 1}}},
          {"comes", {{"<eos>", 1}}},
          {"raining", {{"<eos>", 1}}}};
}
// [end:table]

// [start:search]
struct Beam {
  Words words;
  double log_p = 0;
};

/// The sentences that a search by `beams` at once finds, in the order in which they ended; says what it keeps at each step.
static std::vector<Beam> search(const Table& table, size_t beams) {
  std::vector<Beam> kept{{{"<bos>"}, 0}}, ended;
  for (int step = 1; !kept.empty(); ++step) {
    std::vector<Beam> candidates;
    for (const Beam& beam : kept)
      for (const auto& [word, p] : table.at(beam.words.back())) {
        candidates.push_back({beam.words, beam.log_p + std::log(p)});
        candidates.back().words.push_back(word);
      }
    std::stable_sort(candidates.begin(), candidates.end(), [](const Beam& a, const Beam& b) { return a.log_p > b.log_p; });
    candidates.resize(std::min(candidates.size(), beams));  // everything else is given up
    kept.clear();
    std::printf("step %d:", step);
    for (const Beam& beam : candidates) {
      std::printf("  %s %.3f", join({beam.words.begin() + 1, beam.words.end()}).c_str(), std::exp(beam.log_p));
      (beam.words.back() == "<eos>" ? ended : kept).push_back(beam);
    }
    std::printf("\n");
  }
  return ended;
}
// [end:search]

// [start:counts]
using Counts = std::map<Words, int64_t>;

/// How often each sequence of n words occurs.
static Counts ngrams(const Words& words, size_t n) {
  Counts counts;
  for (size_t i = 0; i + n <= words.size(); ++i)
    ++counts[Words(words.begin() + static_cast<int64_t>(i), words.begin() + static_cast<int64_t>(i + n))];
  return counts;
}

/// How many of the hypothesis' n-grams the reference has too, each of the reference's serving once.
static int64_t matches(const Words& hypothesis, const Words& reference, size_t n) {
  int64_t sum = 0;
  Counts there = ngrams(reference, n);
  for (const auto& [ngram, count] : ngrams(hypothesis, n)) sum += std::min(count, there[ngram]);
  return sum;
}
// [end:counts]

// [start:bleu]
static double bleu(const std::vector<Words>& hypotheses, const std::vector<Words>& references) {
  double log_sum = 0, written = 0, wanted = 0;
  for (size_t n = 1; n <= 4; ++n) {
    int64_t matched = 0, total = 0;
    for (size_t i = 0; i < hypotheses.size(); ++i) {  // added up over the corpus first, divided then
      matched += matches(hypotheses[i], references[i], n);
      total += std::max<int64_t>(static_cast<int64_t>(hypotheses[i].size() + 1 - n), 0);
    }
    std::printf("p%d = %d / %d\n", static_cast<int>(n), static_cast<int>(matched), static_cast<int>(total));
    log_sum += std::log(static_cast<double>(matched) / static_cast<double>(total));
  }
  for (const Words& words : hypotheses) written += static_cast<double>(words.size());
  for (const Words& words : references) wanted += static_cast<double>(words.size());
  const double penalty = written < wanted ? std::exp(1 - wanted / written) : 1;
  std::printf("lengths %.0f and %.0f, penalty %.3f\n", written, wanted, penalty);
  return 100 * penalty * std::exp(log_sum / 4);
}
// [end:bleu]

// [start:sides]
struct Sides {
  std::vector<Words> source, target;
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
  Tensor padding;  // (N, steps) bool, true where there is no word
};

/// Each sentence as the numbers of its words, then <eos>, then <pad>.
static Array to_array(const std::vector<Words>& sentences, const text::Vocab& vocab) {
  std::vector<Tensor> rows;
  for (const Words& sentence : sentences) {
    std::vector<int64_t> row = vocab.to_indices(sentence);
    row.push_back(vocab["<eos>"]);
    rows.push_back(gradus::from_vector(row, static_cast<int64_t>(row.size())));  // (length)
  }
  const Tensor tokens = gradus::data::pad_sequence(rows, true, static_cast<double>(vocab["<pad>"]));  // (N, steps)
  return {tokens, tokens.eq(vocab["<pad>"])};
}
// [end:arrays]

// [start:model]
struct Translator : nn::Module {
  nn::Embedding source_embedding, target_embedding;
  nn::PositionalEncoding position;
  nn::Transformer transformer;
  nn::Linear out;

  Translator(int64_t source_vocab, int64_t target_vocab, int64_t E)
      : source_embedding(register_module("source_embedding", nn::Embedding(source_vocab, E))),
        target_embedding(register_module("target_embedding", nn::Embedding(target_vocab, E))),
        position(register_module("position", nn::PositionalEncoding(E, {.dropout = 0.1, .batch_first = true}))),
        transformer(register_module("transformer", nn::Transformer({.d_model = E,
                                                                    .nhead = 4,
                                                                    .num_encoder_layers = 1,
                                                                    .num_decoder_layers = 1,
                                                                    .dim_feedforward = 2 * E,
                                                                    .batch_first = true,
                                                                    .norm_first = true}))),
        out(register_module("out", nn::Linear(E, target_vocab))) {}

  /// source (B, T), input (B, S): <bos>, then the words so far → logits (B, S, V)
  Tensor operator()(const Array& source, const Tensor& input) const {
    return out(transformer(position(source_embedding(source.tokens)), position(target_embedding(input)),
                           {.tgt_mask = gradus::triu(gradus::ones({input.size(1), input.size(1)}), 1).to(gradus::boolean),
                            .src_key_padding_mask = source.padding,
                            .memory_key_padding_mask = source.padding}));
  }

  nn::TransformerCache read(const Array& source) const {
    const Tensor memory = transformer.encoder(position(source_embedding(source.tokens)), {}, source.padding);  // (B, T, E)
    return transformer.decoder.begin(memory, source.padding);
  }

  std::pair<Tensor, nn::TransformerCache> step(const Tensor& tokens, nn::TransformerCache cache) const {  // (rows)
    const Tensor x = position(target_embedding(tokens.unsqueeze(1)), cache.steps());                      // (rows, 1, E)
    const Tensor y = transformer.decoder.step(x, cache);                                                  // (rows, 1, E)
    return {out(y.squeeze(1)), cache};                                                                    // (rows, V)
  }
};
// [end:model]

// [start:train]
/// What the decoder reads: <bos>, then all but the last. (B, S) → (B, S)
static Tensor shifted(const Tensor& target, int64_t bos) {
  return gradus::cat({gradus::full({target.size(0), 1}, bos), target.slice(1, 0, -1)}, 1);
}

static void train(const Translator& model, const Array& source, const Array& target, int64_t bos, int epochs) {
  gradus::optim::Adam adam(model.parameters(), {.lr = 3e-3});
  gradus::data::DataLoader loader(gradus::data::TensorDataset({source.tokens, source.padding, target.tokens, target.padding}),
                                  {.batch_size = 64, .shuffle = true, .seed = 0});
  model.train();  // dropout on
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    gradus::train::Mean mean;
    for (const auto& batch : loader) {
      const Tensor logits = model({batch[0], batch[1]}, shifted(batch[2], bos));                        // (B, S, V)
      const Tensor labels = batch[2].masked_fill(batch[3], -100).flatten();                             // (B S)
      const Tensor loss = gradus::cross_entropy(logits.flatten(0, 1), labels, {.ignore_index = -100});  // a scalar
      adam.zero_grad();
      loss.backward();
      nn::clip_grad_norm_(model.parameters(), 1.0);
      adam.step();
      mean.update(loss.item(), static_cast<double>(gradus::logical_not(batch[3]).sum().item<int64_t>()));
    }
    if (epoch % 2 == 0) std::printf("epoch %2d: %.2f nats a token\n", epoch, mean.compute());
  }
  model.eval();  // dropout off
}
// [end:train]

// [start:translate]
using NBest = std::vector<std::vector<generate::Hypothesis>>;  // for each sentence, best first

static NBest translate(const Translator& model, const Array& source, const text::Vocab& vocab, int64_t beams, double length_penalty) {
  gradus::NoGradGuard no_grad;
  const auto step = [&](const Tensor& tokens, const nn::TransformerCache& cache) { return model.step(tokens, cache); };
  const Tensor start = gradus::full({source.tokens.size(0)}, vocab["<bos>"]);  // (N)
  return generate::beam_search(
      step, start, model.read(source),
      {.num_beams = beams, .max_length = 14, .end = vocab["<eos>"], .length_penalty = length_penalty, .num_return = beams});
}
// [end:translate]

// [start:lines]
/// The best of each, as a line.
static Words lines(const NBest& found, const text::Vocab& vocab) {
  Words texts;
  for (const std::vector<generate::Hypothesis>& of_sentence : found) texts.push_back(join(vocab.to_tokens(of_sentence[0].tokens)));
  return texts;
}

static double mean_log_probability(const NBest& found) {
  gradus::train::Mean mean;
  for (const std::vector<generate::Hypothesis>& of_sentence : found) mean.update(of_sentence[0].log_probability);
  return mean.compute();
}
// [end:lines]

// [start:answer_1]
/// log p of each row of the target, its <eos> included → N numbers
static std::vector<double> log_probabilities(const Translator& model, const Array& source, const Array& target, int64_t bos) {
  gradus::NoGradGuard no_grad;
  const Tensor log_p = gradus::log_softmax(model(source, shifted(target.tokens, bos)), 2);  // (N, S, V)
  const Tensor of_words = log_p.gather(2, target.tokens.unsqueeze(2)).squeeze(2);           // (N, S)
  return of_words.masked_fill(target.padding, 0).sum(1).to_vector<double>();
}
// [end:answer_1]

// [start:answer_3]
/// The candidate that is most like the others, by chrF.
static std::string consensus(const Words& candidates) {
  double best = -1;
  std::string chosen;
  for (const std::string& candidate : candidates) {
    double sum = 0;
    for (const std::string& other : candidates) sum += text::sentence_chrf(candidate, {other}).score;
    if (sum > best) best = sum, chosen = candidate;
  }
  return chosen;
}
// [end:answer_3]

int main() {
  region("greedy");
  // [start:greedy]
  const Table table = weather();
  search(table, 1);
  // [end:greedy]

  region("two");
  // [start:two]
  search(table, 2);
  // [end:two]

  region("three");
  // [start:three]
  search(table, 3);
  // [end:three]

  region("library");
  // [start:step]
  Words all{"<eos>"};
  for (const auto& [word, next] : table) all.push_back(word);
  const text::Vocab vocab(all);
  const int64_t V = vocab.size();
  const Tensor p = gradus::zeros({V, V});  // (V, V): row = the last word, column = the next
  for (const auto& [word, next] : table)
    for (const auto& [follower, probability] : next) p[vocab[word]][vocab[follower]].fill_(probability);
  const Tensor scores = p.log();                                      // (V, V)
  const auto step = [&](const Tensor& tokens, std::monostate none) {  // (rows)
    return std::pair(scores.index_select(0, tokens), none);           // (rows, V)
  };
  // [end:step]
  // [start:library]
  const Tensor bos = gradus::full({1}, vocab["<bos>"]);  // (1)
  const int64_t eos = vocab["<eos>"];
  const generate::Hypothesis greedy = generate::greedy_search(step, bos, std::monostate(), {.max_length = 6, .end = eos})[0];
  std::printf("greedy: %s, p %.3f\n", join(vocab.to_tokens(greedy.tokens)).c_str(), std::exp(greedy.log_probability));
  for (const double a : {0.0, 1.0})
    for (const int64_t beams : {2, 3}) {
      std::printf("length penalty %.0f, %d beams:", a, static_cast<int>(beams));
      const auto found = generate::beam_search(step, bos, std::monostate(),
                                               {.num_beams = beams, .max_length = 6, .end = eos, .length_penalty = a, .num_return = beams});
      for (const generate::Hypothesis& each : found[0]) std::printf("  %s %.3f", join(vocab.to_tokens(each.tokens)).c_str(), each.score);
      std::printf("\n");
    }
  // [end:library]

  region("clip");
  // [start:clip]
  const Words again = text::tokenize("the the the the the the the"), mat = text::tokenize("the cat is on the mat");
  std::printf("%d of %d\n", static_cast<int>(matches(again, mat, 1)), static_cast<int>(again.size()));
  // [end:clip]

  region("bleu");
  // [start:by_hand]
  const Words hypotheses{"she is not at home today .", "a book is on the table ."};
  const Words references{"today she is not at home .", "there is a book on the table ."};
  std::vector<Words> written, wanted;
  for (const std::string& line : hypotheses) written.push_back(text::tokenize_for_bleu(line));
  for (const std::string& line : references) wanted.push_back(text::tokenize_for_bleu(line));
  std::printf("BLEU %.2f\n", bleu(written, wanted));
  std::cout << text::corpus_bleu(hypotheses, references).str() << "\n";
  // [end:by_hand]

  region("chrf");
  // [start:chrf]
  for (const char* line : {"she is at the market .", "she is at the markets .", "she is at the moon ."})
    std::printf("BLEU %6.2f  chrF %6.2f  %s\n", text::sentence_bleu(line, {"she is at the market ."}).score,
                text::sentence_chrf(line, {"she is at the market ."}).score, line);
  std::cout << text::corpus_chrf(hypotheses, references).str() << "\n";
  // [end:chrf]

  const std::filesystem::path here = std::filesystem::current_path();
  std::filesystem::current_path(std::filesystem::path(GRADUS_PHRASEBOOK).parent_path());
  region("train");
  // [start:training]
  const std::vector<text::Pair> pairs = text::read_pairs("phrasebook.tsv");
  const Sides seen = sides(pairs, false), unseen = sides(pairs, true);
  const text::VocabOptions options{.min_freq = 2, .reserved_tokens = {"<pad>", "<bos>", "<eos>"}};
  const text::Vocab english(seen.source, options), french(seen.target, options);
  const Array source = to_array(seen.source, english), target = to_array(seen.target, french);
  gradus::manual_seed(1);
  const Translator model(english.size(), french.size(), 64);
  model.to(gradus::float64);  // for the page, as in chapter 4
  train(model, source, target, french["<bos>"], 8);
  // [end:training]
  std::filesystem::current_path(here);

  region("beams");
  // [start:beams]
  const Array questions = to_array(unseen.source, english);
  Words answers;
  for (const Words& sentence : unseen.target) answers.push_back(join(sentence));
  for (const double a : {0.0, 1.0})
    for (const int64_t beams : {1, 2, 4, 8}) {
      const NBest found = translate(model, questions, french, beams, a);
      const text::BleuScore score = text::corpus_bleu(lines(found, french), answers);
      std::printf("length penalty %.0f, %d beam%s  log p %.3f  BLEU %.2f  length %.3f\n", a, static_cast<int>(beams),
                  beams == 1 ? ": " : "s:", mean_log_probability(found), score.score,
                  static_cast<double>(score.sys_len) / static_cast<double>(score.ref_len));
    }
  // [end:beams]

  region("nbest");
  // [start:nbest]
  const NBest eight = translate(model, questions, french, 8, 1), one = translate(model, questions, french, 1, 1);
  const Words by_eight = lines(eight, french), by_one = lines(one, french);
  size_t shown = 0;
  while (shown + 1 < answers.size() && (by_eight[shown] == by_one[shown] || by_eight[shown] != answers[shown])) ++shown;
  std::printf("%s\ngreedy: %s\n", join(unseen.source[shown]).c_str(), by_one[shown].c_str());
  for (size_t i = 0; i < 4; ++i)
    std::printf("%d. score %.3f, log p %.3f: %s\n", static_cast<int>(i + 1), eight[shown][i].score, eight[shown][i].log_probability,
                join(french.to_tokens(eight[shown][i].tokens)).c_str());
  // [end:nbest]

  region("report");
  // [start:report]
  std::cout << text::corpus_bleu(by_eight, answers).str() << "\n" << text::corpus_chrf(by_eight, answers).str() << "\n";
  // [end:report]

  region("answer_1");
  // [start:run_1]
  const std::vector<double> of_answers = log_probabilities(model, questions, to_array(unseen.target, french), french["<bos>"]);
  for (const int64_t beams : {1, 8}) {
    const NBest found = translate(model, questions, french, beams, 0);
    int wrong = 0, search_errors = 0;
    for (size_t i = 0; i < answers.size(); ++i) {
      if (found[i][0].tokens == french.to_indices(unseen.target[i])) continue;  // equal, but for words that the vocabulary lacks
      ++wrong;
      search_errors += found[i][0].log_probability < of_answers[i] - 1e-9;  // the model likes the answer better, and it was not found
    }
    std::printf("%d beam%s: %d of %d differ, in %d of them the answer is likelier than what was found\n", static_cast<int>(beams),
                beams == 1 ? "" : "s", wrong, static_cast<int>(answers.size()), search_errors);
  }
  // [end:run_1]

  region("answer_2");
  // [start:run_2]
  Words chosen;
  for (size_t i = 0; i < answers.size(); ++i) {
    double best = -1;
    chosen.emplace_back();
    for (const generate::Hypothesis& found : eight[i]) {
      const std::string line = join(french.to_tokens(found.tokens));
      const double score = text::sentence_bleu(line, {answers[i]}).score;
      if (score > best) best = score, chosen.back() = line;
    }
  }
  std::printf("the first of eight %.2f, the best of eight %.2f\n", text::corpus_bleu(by_eight, answers).score,
              text::corpus_bleu(chosen, answers).score);
  // [end:run_2]

  region("answer_3");
  // [start:run_3]
  const auto write = [&](const Tensor& tokens, const nn::TransformerCache& cache) { return model.step(tokens, cache); };
  std::vector<Words> drawn(answers.size());
  for (uint64_t seed = 0; seed < 12; ++seed) {
    gradus::NoGradGuard no_grad;
    const auto samples = generate::sample(write, gradus::full({questions.tokens.size(0)}, french["<bos>"]), model.read(questions),
                                          {.max_length = 14, .end = french["<eos>"], .seed = seed});
    for (size_t i = 0; i < samples.size(); ++i) drawn[i].push_back(join(french.to_tokens(samples[i].tokens)));
  }
  Words first, agreed;
  for (const Words& candidates : drawn) first.push_back(candidates[0]), agreed.push_back(consensus(candidates));
  std::printf("one drawn: BLEU %.2f, chrF %.2f\n", text::corpus_bleu(first, answers).score, text::corpus_chrf(first, answers).score);
  std::printf("consensus: BLEU %.2f, chrF %.2f\n", text::corpus_bleu(agreed, answers).score, text::corpus_chrf(agreed, answers).score);
  // [end:run_3]
}
