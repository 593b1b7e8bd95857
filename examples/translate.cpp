// Trains a GRU encoder and decoder to translate, and translates with it: the main job of the framework.
//
//   translate                                             train on the built-in phrase book
//   translate --data PAIRS.tsv --epochs 50 --save m.st    train on tab-separated pairs, keep the model
//   translate --load m.st --translate "I am at home ."    translate; without --translate, lines from standard input

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "progress.h"
#include "seq2seq.h"

namespace {

using gradus::Tensor;
namespace text = gradus::text;

struct Settings {
  std::string data;
  int64_t num_examples = -1, min_freq = 2, steps = 14, embed = 96, hidden = 192, layers = 2, batch = 64, epochs = 40;
  double dropout = 0.4, lr = 3e-3, held_out = 0.1;
  uint64_t seed = 0;
};

struct Flags {
  Settings settings;
  std::string preset, save, load;
  std::vector<std::string> translate;
  int threads = 0;
  std::string profile;
  bool json = false;
  bool train = true;
};

/// What d2l.ai's chapter uses for its 601 shortest pairs.
constexpr auto d2l_preset = [](Settings& s) {
  s.min_freq = 2, s.steps = 10, s.embed = 32, s.hidden = 32, s.layers = 2, s.batch = 64, s.epochs = 300;
  s.dropout = 0.1, s.lr = 5e-3, s.held_out = 0;
};
const std::vector<std::string> d2l_sentences = {"go .", "i lost .", "he's calm .", "i'm home ."};
const std::vector<std::string> phrasebook_sentences = {"I am hungry.", "She is not at home.", "We want to buy a car.",
                                                       "Where is your sister?"};

volatile std::sig_atomic_t interrupted = 0;

/// Adds an option that overrides a preset's value only where it is given.
template <class T>
void option(CLI::App& app, const std::string& name, T& value, const std::string& help, const CLI::Validator& check) {
  app.add_option(name, value, help)->check(check)->capture_default_str();
}

void add_options(CLI::App& app, Flags& f) {
  Settings& s = f.settings;
  const CLI::Validator positive = CLI::Range(int64_t{1}, int64_t{1} << 40).description("at least 1");
  const CLI::Validator share = CLI::Range(0.0, 0.9).description("0 to 0.9");
  app.add_option("--data", s.data, "tab-separated pairs, source and target (default: the built-in phrase book)");
  app.add_option("--preset", f.preset, "'d2l': the settings of d2l.ai's chapter on sequence to sequence learning")
      ->check(CLI::IsMember({"d2l"}));
  option(app, "--num-examples", s.num_examples, "read at most this many pairs (-1: all)",
         CLI::Range(int64_t{-1}, int64_t{1} << 40).description("at least -1"));
  option(app, "--min-freq", s.min_freq, "words that occur less often are <unk>", positive);
  option(app, "--steps", s.steps, "tokens a sentence is cut or padded to", positive);
  option(app, "--embed", s.embed, "embedding size", positive);
  option(app, "--hidden", s.hidden, "hidden size", positive);
  option(app, "--layers", s.layers, "layers of the encoder and of the decoder", positive);
  option(app, "--dropout", s.dropout, "dropout between layers", share);
  option(app, "--batch", s.batch, "sentences in a batch", positive);
  option(app, "--epochs", s.epochs, "passes over the pairs", positive);
  option(app, "--lr", s.lr, "Adam's learning rate", CLI::Range(0.0, 1.0).description("0 to 1"));
  option(app, "--held-out", s.held_out, "share of the pairs kept apart to test on", share);
  app.add_option("--seed", s.seed, "of weights, order and dropout")->capture_default_str();
  app.add_option("--threads", f.threads, "threads to use (default: all processors)")->check(CLI::Range(1, 256).description("1 to 256"));
  app.add_option("--save", f.save, "write the trained model here (safetensors)");
  app.add_option("--load", f.load, "start from this model; trains further only with --epochs")->check(CLI::ExistingFile);
  app.add_option("--translate", f.translate, "translate this sentence (may be given more than once)");
  app.add_option("--profile", f.profile, "write a Chrome trace of the training here, and print the costliest operations");
  app.add_flag("--json", f.json, "end with one line of JSON");
}

/// Parses the command line; a preset goes under the options that were given.
Flags parse(CLI::App& app, int argc, char** argv) {
  Flags flags;
  add_options(app, flags);
  app.parse(argc, argv);
  if (flags.preset == "d2l") {
    const Flags given = flags;
    d2l_preset(flags.settings);
    const auto keep = [&](const char* name, auto& value, const auto& from) {
      if (app.count(name)) value = from;
    };
    Settings& s = flags.settings;
    const Settings& g = given.settings;
    keep("--min-freq", s.min_freq, g.min_freq), keep("--steps", s.steps, g.steps), keep("--embed", s.embed, g.embed);
    keep("--hidden", s.hidden, g.hidden), keep("--layers", s.layers, g.layers), keep("--dropout", s.dropout, g.dropout);
    keep("--batch", s.batch, g.batch), keep("--epochs", s.epochs, g.epochs), keep("--lr", s.lr, g.lr);
    keep("--held-out", s.held_out, g.held_out);
  }
  flags.train = flags.load.empty() || app.count("--epochs") > 0;
  if (flags.settings.data.empty()) flags.settings.data = GRADUS_PHRASEBOOK;
  return flags;
}

/// Everything that makes a translator: the model, its vocabularies and sizes.
struct Translator {
  seq2seq::Corpus corpus;
  seq2seq::ModelOptions options;
  int64_t steps;
  seq2seq::Seq2Seq model;

  Translator(seq2seq::Corpus c, const seq2seq::ModelOptions& o, int64_t s) : corpus(std::move(c)), options(o), steps(s), model(o) {}

  std::vector<std::string> translate(const std::vector<std::vector<std::string>>& sentences) const {
    std::vector<std::string> translations;
    const text::Vocab& target = corpus.target;
    for (size_t begin = 0; begin < sentences.size(); begin += 256) {
      const size_t end = std::min(begin + 256, sentences.size());
      const std::vector<std::vector<std::string>> some(sentences.begin() + static_cast<int64_t>(begin),
                                                       sentences.begin() + static_cast<int64_t>(end));
      const Tensor decoded = decode(corpus.encode_source(some, steps).tokens);
      for (int64_t row = 0; row < decoded.size(0); ++row) {
        std::string sentence;
        for (int64_t token : decoded[row].to_vector<int64_t>())
          if (token != target["<pad>"]) sentence += (sentence.empty() ? "" : " ") + target.token(token);
        translations.push_back(sentence);
      }
    }
    return translations;
  }

  Tensor decode(const Tensor& source) const {
    const text::Vocab& t = corpus.target;
    return seq2seq::greedy_decode(model, source, steps, t["<bos>"], t["<eos>"], t["<pad>"]);
  }
};

std::string join(const std::vector<std::string>& tokens) {
  std::string joined;
  for (const std::string& token : tokens) joined += (joined.empty() ? "" : " ") + token;
  return joined;
}

void save(const Translator& t, const std::string& path) {
  const nlohmann::json config = {{"source_vocab", t.corpus.source.tokens()},
                                 {"target_vocab", t.corpus.target.tokens()},
                                 {"embed", t.options.embed},
                                 {"hidden", t.options.hidden},
                                 {"layers", t.options.layers},
                                 {"dropout", t.options.dropout},
                                 {"steps", t.steps}};
  gradus::io::save_safetensors(path, t.model.state_dict(), {{"format", "gradus-translate-1"}, {"config", config.dump()}});
}

Translator load(const std::string& path) {
  const gradus::io::SafeTensors file = gradus::io::load_safetensors(path);
  const auto config_text = file.metadata.find("config");
  if (config_text == file.metadata.end())
    throw gradus::IoError("translate: " + path + " was not written by translate --save: it holds no config");
  try {
    const auto config = nlohmann::json::parse(config_text->second);
    seq2seq::Corpus corpus(text::Vocab::from_tokens(config.at("source_vocab")), text::Vocab::from_tokens(config.at("target_vocab")));
    seq2seq::ModelOptions options{.source_vocab = corpus.source.size(), .target_vocab = corpus.target.size()};
    options.embed = config.at("embed");
    options.hidden = config.at("hidden");
    options.layers = config.at("layers");
    options.dropout = config.at("dropout");
    Translator translator(std::move(corpus), options, config.at("steps"));
    translator.model.load_state_dict(file.tensors);
    return translator;
  } catch (const nlohmann::json::exception& error) {
    throw gradus::IoError("translate: the config in " + path + " is damaged: " + error.what());
  }
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

/// How a training ended.
struct Report {
  double loss = 0;  // the chapter's: sum over the batch of the mean over the steps, by token
  double nats_per_token = 0;
  double seconds = 0;
  int64_t tokens = 0;
};

Report train(Translator& t, const Arrays& data, const Settings& s) {
  const std::vector<Tensor> parameters = t.model.parameters();
  gradus::optim::Adam adam(parameters, {.lr = s.lr});
  gradus::data::DataLoader loader(gradus::data::TensorDataset({data.source, data.target, data.lengths}),
                                  {.batch_size = s.batch, .shuffle = true, .seed = s.seed});
  const int64_t bos = t.corpus.target["<bos>"];
  t.model.train();
  Progress progress(s.epochs);
  Report report;
  for (int64_t epoch = 1; epoch <= s.epochs && !interrupted; ++epoch) {
    double chapter = 0, nats = 0;
    int64_t tokens = 0;
    for (const auto& batch : loader) {
      const Tensor &source = batch[0], &target = batch[1], &lengths = batch[2];
      const seq2seq::BatchLoss loss = seq2seq::masked_loss(t.model(source, seq2seq::shift_right(target, bos)), target, lengths);
      adam.zero_grad();
      loss.chapter.backward();
      gradus::nn::clip_grad_norm_(parameters, 1.0);
      adam.step();
      chapter += loss.chapter.item();
      nats += loss.nats;
      tokens += loss.tokens;
      if (interrupted) break;
    }
    report.tokens += tokens;
    report.loss = chapter / static_cast<double>(tokens);
    report.nats_per_token = nats / static_cast<double>(tokens);
    progress.update(epoch, report.loss, report.tokens);
  }
  report.seconds = progress.seconds();
  progress.finish();
  if (interrupted) std::fprintf(stderr, "interrupted: the step was finished\n");
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
    q.exact_match += translations[i] == join(expected);
    q.bleu += text::bleu(translations[i], join(data.target_words[i]), 2);
  }
  q.exact_match /= static_cast<double>(data.size());
  q.bleu /= static_cast<double>(data.size());
  return q;
}

/// Every n-th pair is kept apart, so that both parts are of the same kind.
void hold_out(std::vector<text::Pair>& pairs, std::vector<text::Pair>& held_out, double share) {
  if (share <= 0) return;
  const auto every = static_cast<size_t>(std::max(1.0 / share + 0.5, 2.0));
  std::vector<text::Pair> rest;
  for (size_t i = 0; i < pairs.size(); ++i) (i % every == every - 1 ? held_out : rest).push_back(pairs[i]);
  pairs = std::move(rest);
}

int train_and_report(const Flags& f) {
  const Settings& s = f.settings;
  std::vector<text::Pair> pairs = text::read_pairs(s.data, s.num_examples), held_out;
  if (pairs.empty()) throw gradus::ValueError("translate: " + s.data + " holds no pairs; put one on a line: source, a tab, target");
  hold_out(pairs, held_out, s.held_out);

  gradus::manual_seed(s.seed);
  Translator t = [&] {
    if (!f.load.empty()) return load(f.load);
    seq2seq::Corpus corpus(pairs, s.min_freq);
    const seq2seq::ModelOptions options{.source_vocab = corpus.source.size(),
                                        .target_vocab = corpus.target.size(),
                                        .embed = s.embed,
                                        .hidden = s.hidden,
                                        .layers = s.layers,
                                        .dropout = s.layers > 1 ? s.dropout : 0};
    Translator fresh(std::move(corpus), options, s.steps);
    seq2seq::init_xavier(fresh.model);
    return fresh;
  }();
  const Arrays data = encode(t.corpus, pairs, t.steps), unseen = encode(t.corpus, held_out, t.steps);
  std::fprintf(stderr, "%lld pairs to train on, %lld held out; %lld source and %lld target words\n", static_cast<long long>(data.size()),
               static_cast<long long>(unseen.size()), static_cast<long long>(t.corpus.source.size()),
               static_cast<long long>(t.corpus.target.size()));

  std::optional<gradus::Profiler> profiler;
  if (!f.profile.empty()) profiler.emplace();
  const Report report = train(t, data, s);
  if (profiler) {
    profiler->stop();
    profiler->write_chrome_trace(f.profile);
    std::fprintf(stderr, "%strace in %s\n", profiler->table().c_str(), f.profile.c_str());
  }
  if (!f.save.empty()) {
    save(t, f.save);
    std::fprintf(stderr, "saved to %s\n", f.save.c_str());
  }
  const Quality seen = evaluate(t, data), fresh = evaluate(t, unseen);
  const double speed = static_cast<double>(report.tokens) / report.seconds;
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
          best = std::max(best, text::bleu(translation, join(part->target_words[i]), 2));
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
  return interrupted ? 130 : 0;
}

int translate_only(const Flags& f) {
  Translator t = load(f.load);
  t.model.eval();
  const auto say = [&](const std::string& sentence) { std::printf("%s\n", t.translate({seq2seq::words(sentence)})[0].c_str()); };
  for (const std::string& sentence : f.translate) say(sentence);
  if (!f.translate.empty()) return 0;
  for (std::string line; !interrupted && std::getline(std::cin, line);) {
    say(line);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Trains a GRU encoder and decoder to translate, and translates with it.", "translate");
  Flags flags;
  try {
    flags = parse(app, argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  std::signal(SIGINT, [](int) { interrupted = 1; });
  try {
    if (flags.threads > 0) gradus::set_num_threads(flags.threads);
    return flags.train ? train_and_report(flags) : translate_only(flags);
  } catch (const gradus::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
