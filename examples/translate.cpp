// Trains a GRU encoder and decoder to translate, and translates with it: the main job of the framework.
//
//   translate                                             train on the built-in phrase book
//   translate --data PAIRS.tsv --epochs 50 --save m.st    train on tab-separated pairs, keep the model
//   translate --data PAIRS.tsv --checkpoint run --resume  train with checkpoints in a folder, and go on from the newest
//   translate --load m.st --translate "I am at home ."    translate; without --translate, lines from standard input
//   translate --model attention --beam 4 --bpe 2000       other models, in batches by length: recipes/translation.cpp

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "options.h"
#include "recipes/command.h"
#include "recipes/ranks.h"
#include "recipes/training.h"
#include "recipes/translation.h"
#include "translator.h"

namespace {

using gradus::Tensor;
namespace fs = std::filesystem;
namespace text = gradus::text;

const std::vector<std::string> d2l_sentences = {"go .", "i lost .", "he's calm .", "i'm home ."};
const std::vector<std::string> phrasebook_sentences = {"I am hungry.", "She is not at home.", "We want to buy a car.",
                                                       "Where is your sister?"};

constexpr recipe::Program program{"translate", ""};

/// The signal that asked the training to end, or 0.
int interrupted() { return recipe::Interruptible::signal(); }

/// Throws ValueError when a training would take more memory than the machine has, with what could be smaller.
void check_memory(const seq2seq::ModelOptions& o, int64_t steps, int64_t pairs, int64_t batch) {
  const auto of = [](int64_t n) { return static_cast<double>(n); };
  const double H = of(o.hidden), E = of(o.embed), L = of(o.layers), V = of(o.target_vocab), B = of(std::min(batch, pairs));
  const double weights = (of(o.source_vocab) + V) * E + 3 * H * (2 * E + 3 * H) + (L - 1) * 12 * H * H + H * V;
  // Weights, gradients and two moments; what a batch leaves for backward; the pairs as arrays of indices.
  const double bytes = 16 * weights + 4 * B * of(steps) * (16 * L * H + 4 * E + 3 * V) + 16 * of(pairs) * of(steps);
  const double there = of(::sysconf(_SC_PHYS_PAGES)) * of(::sysconf(_SC_PAGESIZE));
  if (bytes <= there) return;
  throw gradus::ValueError("translate: this training would take about " + std::to_string(std::llround(bytes / 1e9)) +
                           " GB of memory, and the machine has " + std::to_string(std::llround(there / 1e9)) +
                           "; choose a smaller --hidden, --embed, --layers, --batch or --steps");
}

struct Arrays {
  Tensor source, target, lengths;
  std::vector<std::vector<std::string>> source_words, target_words;
  int64_t size() const { return static_cast<int64_t>(source_words.size()); }
};

Arrays encode(const seq2seq::Corpus& corpus, const std::vector<text::Pair>& pairs, int64_t steps) {
  Arrays a;
  for (const text::Pair& pair : pairs) {
    a.source_words.push_back(seq2seq::words(pair.source));
    a.target_words.push_back(seq2seq::words(pair.target));
  }
  if (pairs.empty()) return a;
  a.source = corpus.encode_source(a.source_words, steps).tokens;
  const seq2seq::Encoded target = corpus.encode_target(a.target_words, steps);
  a.target = target.tokens;
  a.lengths = target.lengths;
  return a;
}

/// What the batches of an epoch add up to.
struct Sums {
  double chapter = 0, nats = 0;
  int64_t tokens = 0;

  /// Adds up what the ranks have each of their own parts: all but `chapter`, which they have of all.
  void gather() {
    if (recipe::Ranks::all().size() == 1) return;
    const Tensor all = recipe::Ranks::all().sum(gradus::from_vector(std::vector<double>{nats, static_cast<double>(tokens)}, {2}));
    nats = all[0].item(), tokens = std::llround(all[1].item());
  }
};

/// How a training ended.
struct Report {
  double loss = 0;  // the chapter's: sum over the batch of the mean over the steps, by token
  double nats_per_token = 0;
  int64_t steps = 0, epochs = 0;  // that were done
  Sums epoch;                     // so far
  // Of this run alone:
  double seconds = 0;
  int64_t tokens = 0;

  void settle() {
    loss = epoch.chapter / static_cast<double>(epoch.tokens);
    nats_per_token = epoch.nats / static_cast<double>(epoch.tokens);
  }
  gradus::io::StateValues state_dict() const {
    return {{"loss", loss},
            {"nats_per_token", nats_per_token},
            {"steps", steps},
            {"epochs", epochs},
            {"epoch.chapter", epoch.chapter},
            {"epoch.nats", epoch.nats},
            {"epoch.tokens", epoch.tokens}};
  }
  void load_state_dict(const gradus::io::StateValues& state) {
    loss = state.get<double>("loss");
    nats_per_token = state.get<double>("nats_per_token");
    steps = state.get<int64_t>("steps");
    epochs = state.get<int64_t>("epochs");
    epoch = {state.get<double>("epoch.chapter"), state.get<double>("epoch.nats"), state.get<int64_t>("epoch.tokens")};
  }
};

Report train(Translator& t, const Arrays& data, const Flags& f) {
  const Settings& s = f.settings;
  const std::vector<Tensor> parameters = t.model.parameters();
  gradus::optim::Adam adam(parameters, {.lr = s.lr});
  gradus::data::DataLoader loader(gradus::data::TensorDataset({data.source, data.target, data.lengths}),
                                  {.batch_size = s.batch, .shuffle = true, .seed = s.seed});
  const int64_t bos = t.corpus.target["<bos>"];
  t.model.train();
  Report report;
  recipe::Common common;
  common.checkpoint = f.checkpoint, common.checkpoint_every = f.checkpoint_every, common.resume = f.resume;
  const recipe::Backward backward(t.model, f.shards);
  recipe::Checkpoints checkpoints(program, common,
                                  backward.with_state({{"model", t.model}, {"optimizer", adam}, {"loader", loader}, {"report", report}}));
  gradus::train::Progress progress(std::max(s.epochs, report.epochs), {.step_name = "epoch", .unit = "tokens", .done = report.epochs});
  int64_t shown = 0;  // tokens
  while (loader.epoch() < s.epochs && !interrupted()) {
    for (const auto& batch : loader) {
      const Tensor &source = batch[0], &target = batch[1], &lengths = batch[2];
      const int64_t rows = source.size(0);
      Sums sums;
      adam.zero_grad();
      // The chapter's loss is a sum over rows, where Backward takes means over them.
      sums.chapter = backward(rows, [&](int64_t begin, int64_t end) {
        const auto cut = [&](const Tensor& x) { return x.slice(0, begin, end); };
        const seq2seq::BatchLoss loss =
            seq2seq::masked_loss(t.model(cut(source), seq2seq::shift_right(cut(target), bos)), cut(target), cut(lengths));
        sums.nats += loss.nats, sums.tokens += loss.tokens;
        const double share = static_cast<double>(end - begin) / static_cast<double>(rows);
        return std::pair(share == 1 ? loss.chapter : loss.chapter / share, static_cast<double>(end - begin));
      });
      gradus::nn::clip_grad_norm_(parameters, 1.0);
      adam.step();
      sums.gather();
      report.epoch.chapter += sums.chapter;
      report.epoch.nats += sums.nats;
      report.epoch.tokens += sums.tokens;
      report.tokens += sums.tokens;
      ++report.steps;
      checkpoints.after_step(report.steps);
      if (recipe::Interruptible::asked()) break;
    }
    report.settle();
    if (interrupted()) break;
    ++report.epochs;
    report.epoch = {};
    progress.update(report.epochs, report.tokens - std::exchange(shown, report.tokens), {{"loss", report.loss}});
    checkpoints.after_epoch(report.steps);
  }
  checkpoints.save(report.steps);
  report.seconds = progress.seconds();
  progress.finish();
  if (interrupted()) std::fprintf(stderr, "interrupted by signal %d\n", interrupted());
  t.model.eval();
  return report;
}

/// Greedy translations of the pairs against their targets: the share that is equal, and the mean BLEU of up to pairs of words.
struct Quality {
  double exact_match = 0;
  double bleu = 0;
};

Quality evaluate(const Translator& t, const Arrays& data) {
  Quality q;
  if (data.size() == 0) return q;
  const std::vector<std::string> translations = t.translate(data.source_words);
  for (size_t i = 0; i < translations.size(); ++i) {
    // Compared as the model sees them: words that the vocabulary does not hold are <unk> on both sides.
    std::vector<std::string> expected = t.corpus.target.to_tokens(t.corpus.target.to_indices(data.target_words[i]));
    if (static_cast<int64_t>(expected.size()) > t.steps) expected.resize(static_cast<size_t>(t.steps));
    q.exact_match += translations[i] == recipe::joined(expected);
    q.bleu += text::bleu(translations[i], recipe::joined(data.target_words[i]), 2);
  }
  q.exact_match /= static_cast<double>(data.size());
  q.bleu /= static_cast<double>(data.size());
  return q;
}

/// A share of the pairs is kept apart, evenly, so that both parts are of the same kind.
void hold_out(std::vector<text::Pair>& pairs, std::vector<text::Pair>& held_out, double share) {
  constexpr double slack = 1e-9;  // 10 times 0.1 may be a little less than 1
  std::vector<text::Pair> rest;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto held = [&](size_t n) { return std::floor(static_cast<double>(n) * share + slack); };
    (held(i + 1) > held(i) ? held_out : rest).push_back(pairs[i]);
  }
  pairs = std::move(rest);
}

/// Saves the model, unless the training was interrupted so early that another one in the file is likely better.
void save(const Translator& t, const Report& report, const std::string& path) {
  if (report.epochs == 0 && (report.steps == 0 || fs::exists(path))) {
    std::fprintf(stderr, "not saved: the first epoch was not finished; %s is as it was\n", path.c_str());
    return;
  }
  if (recipe::Ranks::all().is_first()) t.save(path);
  std::fprintf(stderr, "saved to %s\n", path.c_str());
}

int train_and_report(const Flags& f) {
  const Settings& s = f.settings;
  for (const std::string& sentence : f.translate) seq2seq::words(sentence);  // refuses what is not UTF-8
  if (!f.save.empty()) recipe::check_writable(program, "--save", f.save);
  if (!f.profile.empty()) recipe::check_writable(program, "--profile", f.profile, false);
  std::vector<text::Pair> pairs = text::read_pairs(s.data, s.num_examples), held_out;
  if (pairs.empty()) throw gradus::ValueError("translate: " + s.data + " holds no pairs; put one on a line: source, a tab, target");
  hold_out(pairs, held_out, s.held_out);

  gradus::manual_seed(s.seed);
  Translator t = [&] {
    if (!f.load.empty()) return Translator::load(f.load);
    seq2seq::Corpus corpus(pairs, s.min_freq);
    const seq2seq::ModelOptions options{.source_vocab = corpus.source.size(),
                                        .target_vocab = corpus.target.size(),
                                        .embed = s.embed,
                                        .hidden = s.hidden,
                                        .layers = s.layers,
                                        .dropout = s.layers > 1 ? s.dropout : 0};
    check_memory(options, s.steps, static_cast<int64_t>(pairs.size() + held_out.size()), s.batch);
    Translator fresh(std::move(corpus), options, s.steps);
    seq2seq::init_xavier(fresh.model);
    return fresh;
  }();
  const Arrays data = encode(t.corpus, pairs, t.steps), unseen = encode(t.corpus, held_out, t.steps);

  std::optional<gradus::Profiler> profiler;
  if (!f.profile.empty()) profiler.emplace();
  Report report;
  {
    const recipe::Interruptible until_saved;
    std::fprintf(stderr, "%lld pairs to train on, %lld held out; %lld source and %lld target words\n", static_cast<long long>(data.size()),
                 static_cast<long long>(unseen.size()), static_cast<long long>(t.corpus.source.size()),
                 static_cast<long long>(t.corpus.target.size()));
    report = train(t, data, f);
    if (profiler) profiler->stop();
    if (!f.save.empty()) save(t, report, f.save);
  }
  if (profiler) {
    if (recipe::Ranks::all().is_first()) profiler->write_chrome_trace(f.profile);
    std::fprintf(stderr, "%strace in %s\n", profiler->table().c_str(), f.profile.c_str());
  }
  if (report.steps == 0) return recipe::Interruptible::status();
  const Quality seen = evaluate(t, data), fresh = evaluate(t, unseen);
  const double speed = report.seconds > 0 ? static_cast<double>(report.tokens) / report.seconds : 0;
  std::printf("loss %.4f (%.3f nats a token), %.0f tokens/s, %.1f s of training\n", report.loss, report.nats_per_token, speed,
              report.seconds);
  std::printf("training pairs:  BLEU %.3f, exact %.3f\n", seen.bleu, seen.exact_match);
  if (unseen.size() > 0) std::printf("held-out pairs:  BLEU %.3f, exact %.3f\n", fresh.bleu, fresh.exact_match);

  std::vector<std::string> sentences = f.translate;
  if (sentences.empty()) sentences = f.preset == "d2l" ? d2l_sentences : phrasebook_sentences;
  nlohmann::json bleu = nlohmann::json::array();
  for (const std::string& sentence : sentences) {
    const std::string translation = t.translate({seq2seq::words(sentence)})[0];
    std::printf("%s => %s\n", sentence.c_str(), translation.c_str());
    // The best over the references that the data has for the sentence.
    double best = 0;
    for (const Arrays* part : {&data, &unseen})
      for (size_t i = 0; i < part->source_words.size(); ++i)
        if (part->source_words[i] == seq2seq::words(sentence))
          best = std::max(best, text::bleu(translation, recipe::joined(part->target_words[i]), 2));
    bleu.push_back(best);
  }
  if (f.json) {
    nlohmann::ordered_json line = {{"loss", report.loss},
                                   {"nats_per_token", report.nats_per_token},
                                   {"exact_match", seen.exact_match},
                                   {"bleu", bleu},
                                   {"bleu_train", seen.bleu},
                                   {"bleu_held_out", nullptr},
                                   {"tokens_per_s", speed},
                                   {"seconds", report.seconds}};
    if (unseen.size() > 0) line["bleu_held_out"] = fresh.bleu;
    std::printf("%s\n", line.dump().c_str());
  }
  recipe::flush_output(program);
  return recipe::Interruptible::status();
}

int translate_only(const Flags& f) {
  const Translator t = [&] {
    Translator loaded = Translator::load(f.load);
    loaded.model.eval();
    return loaded;
  }();
  const auto say = [&](const std::string& sentence) {
    std::printf("%s\n", t.translate({seq2seq::words(sentence)})[0].c_str());
    recipe::flush_output(program);
  };
  for (const std::string& sentence : f.translate) say(sentence);
  if (!f.translate.empty()) return 0;
  for (std::string line; std::getline(std::cin, line);) say(line);
  if (std::cin.bad()) throw gradus::IoError("translate: standard input cannot be read");
  return 0;
}

int run(int argc, char** argv) {
  const std::optional<Flags> flags = parse(argc, argv);
  if (!flags) return recipe::flush_output(program), 0;
  if (flags->threads > 0) gradus::set_num_threads(flags->threads);
  gradus::set_float32_matmul_precision(flags->precision);
  return flags->train ? train_and_report(*flags) : translate_only(*flags);
}

}  // namespace

int main(int argc, char** argv) {
  return recipe::main_of(program,
                         [&] { return recipe::asks_for_translation(argc, argv) ? recipe::run_translation(argc, argv) : run(argc, argv); });
}
