// Letters to sounds: learns from a list of words with their pronunciations to pronounce words that are not in it.
//
//   g2p --train fre_train.tsv --dev fre_dev.tsv --preset sigmorphon              a language of SIGMORPHON 2020, task 1
//   g2p --train g014b2b.train --test g014b2b.ref --preset cmudict --save en.st   CMUdict, 5 % of whose training words are kept apart
//   g2p --load en.st --pronounce gradus --beam 5                                 pronounces words; without any, lines of standard input
//
// Files have a word and its pronunciation on a line, a tab between them; a word that is there more than once may be said in as many ways.

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gradus/data/split.h"
#include "gradus/error.h"
#include "gradus/parallel.h"
#include "gradus/random.h"
#include "sequences.h"

namespace {

using recipe::Sequences;
using Strings = std::vector<std::string>;
namespace text = gradus::text;

constexpr recipe::Program program{"g2p", "Learns to pronounce words from their letters, and pronounces them."};

struct Settings : recipe::Common {
  std::string train, dev, test;
  double held_out = 0.05;
  int64_t beam = 5;
  Strings pronounce;
  recipe::ModelOptions model{.embed = 64, .hidden = 128, .layers = 1, .dropout = 0.3};
  recipe::TrainingOptions training;
};

void add_options(recipe::Options& options, Settings& s) {
  options.file("--train", s.train, "words and pronunciations to learn from");
  options.file("--dev", s.dev, "those that say which epoch was best (default: a share of the words of --train)");
  options.file("--test", s.test, "those that are looked at once, at the end");
  options.real("--held-out", s.held_out, "share of the words of --train that is kept apart where there is no --dev", 0, 0.9);
  options.whole("--beam", s.beam, "beams of the search; 1 is greedy", 1, 1000);
  options.texts("--pronounce", s.pronounce, "pronounce this word (may be given more than once)");
  recipe::add_options(options, s.model);
  recipe::add_options(options, s.training);
}

const std::vector<recipe::Preset<Settings>> presets = {
    {"sigmorphon", "a language of SIGMORPHON 2020, task 1: 3 600 words",
     [](Settings& s) {
       s.model = {.embed = 128, .hidden = 256, .layers = 1, .dropout = 0.4};
       s.training = {.epochs = 60, .max_tokens = 512, .lr = 2e-3, .warmup = 300};
     }},
    {"cmudict", "CMUdict: 113 438 pronunciations",
     [](Settings& s) {
       s.model = {.embed = 128, .hidden = 512, .layers = 2, .dropout = 0.3};
       s.training = {.epochs = 16, .max_tokens = 2048, .lr = 1e-3, .warmup = 1000};
     }},
    {"quick", "a short try, for any of them",
     [](Settings& s) {
       s.model = {.embed = 64, .hidden = 96, .layers = 1, .dropout = 0.3};
       s.training = {.epochs = 8, .max_tokens = 512, .lr = 4e-3, .warmup = 100};
     }},
};

/// A word's letters, and the ways to say it.
struct Entry {
  Strings letters;
  std::vector<Strings> sounds;
};

Strings letters_of(const std::string& word) { return text::tokenize_characters(word); }

/// The words of a file in their order, each once.
std::vector<Entry> read_dictionary(const std::string& path) {
  std::vector<Entry> entries;
  std::map<std::string, size_t> places;
  for (const text::Pair& pair : text::read_pairs(path)) {
    const auto [place, is_new] = places.try_emplace(pair.source, entries.size());
    if (is_new) entries.push_back({letters_of(pair.source), {}});
    entries[place->second].sounds.push_back(text::tokenize(pair.target));
  }
  if (entries.empty()) throw gradus::ValueError(path + " holds no words; put one on a line: word, a tab, its sounds");
  return entries;
}

/// Takes a share of the words away, at random.
std::vector<Entry> hold_out(std::vector<Entry>& entries, double share, uint64_t seed) {
  auto parts = gradus::data::random_split(gradus::data::ListDataset(std::move(entries)), std::vector<double>{1 - share, share}, seed);
  std::vector<Entry> rest, held;
  for (int64_t i = 0; i < parts[0].size(); ++i) rest.push_back(parts[0].get(i));
  for (int64_t i = 0; i < parts[1].size(); ++i) held.push_back(parts[1].get(i));
  entries = std::move(rest);
  return held;
}

Sequences encode(const std::vector<Entry>& entries, const text::Vocab& letters, const text::Vocab& sounds) {
  std::vector<recipe::SequencePair> all;
  for (const Entry& entry : entries)
    for (const Strings& way : entry.sounds) all.push_back({letters.to_indices(entry.letters), sounds.to_indices(way)});
  return Sequences(std::move(all));
}

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// How many words were said in none of their ways, and how many sounds were wrong, by the way that is closest.
struct Errors {
  double wer = 0, per = 0;
};

/// For words of up to so many letters.
gradus::generate::BeamOptions search(int64_t beam, size_t letters) {
  return {.num_beams = beam, .max_length = 3 * static_cast<int64_t>(letters) + 5, .end = recipe::kEos, .early_stopping = true};
}

Strings say(const recipe::SavedModel& model, const std::vector<int64_t>& sounds) { return model.target.to_tokens(sounds); }

Errors evaluate(const recipe::SavedModel& model, const std::vector<Entry>& entries, int64_t beam) {
  std::vector<std::vector<int64_t>> sources;
  size_t longest = 1;
  for (const Entry& entry : entries) {
    sources.push_back(model.source.to_indices(entry.letters));
    longest = std::max(longest, entry.letters.size());
  }
  const auto found = recipe::decode(model.model, sources, search(beam, longest));
  int64_t wrong = 0, edits = 0, sounds = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Strings said = say(model, found[i]);
    const Strings* closest = nullptr;
    for (const Strings& way : entries[i].sounds)
      if (!closest || text::edit_distance(said, way) < text::edit_distance(said, *closest)) closest = &way;
    const int64_t distance = text::edit_distance(said, *closest);
    wrong += distance > 0, edits += distance, sounds += static_cast<int64_t>(closest->size());
  }
  return {static_cast<double>(wrong) / static_cast<double>(entries.size()), static_cast<double>(edits) / static_cast<double>(sounds)};
}

int train_and_report(Settings s) {
  if (!s.save.empty()) recipe::check_writable(program, "--save", s.save);
  std::vector<Entry> words = read_dictionary(s.train);
  const std::vector<Entry> dev = s.dev.empty() ? hold_out(words, s.held_out, s.seed) : read_dictionary(s.dev);
  if (words.empty() || dev.empty()) throw gradus::ValueError("nothing is left to train or to choose the best epoch by; change --held-out");
  std::vector<Strings> letters, sounds;
  for (const Entry& word : words) {
    letters.push_back(word.letters);
    sounds.insert(sounds.end(), word.sounds.begin(), word.sounds.end());
  }
  gradus::manual_seed(s.seed);
  text::Vocab source = recipe::make_vocab(letters), target = recipe::make_vocab(sounds);
  s.model.source_vocab = source.size(), s.model.target_vocab = target.size();
  recipe::SavedModel model{recipe::EncoderDecoder(s.model), std::move(source), std::move(target)};
  std::fprintf(stderr, "%zu words to train on, %zu to choose by; %lld letters and %lld sounds\n", words.size(), dev.size(),
               static_cast<long long>(model.source.size() - 4), static_cast<long long>(model.target.size() - 4));

  const recipe::TrainingReport report = recipe::train(model.model, encode(words, model.source, model.target), s.training, program, s,
                                                      [&] { return evaluate(model, dev, 1).wer; });
  if (report.steps == 0) return 128 + report.signal;
  if (!s.save.empty()) model.save(program, s.save);
  const Errors on_dev = evaluate(model, dev, s.beam);
  std::printf("loss %.4f, %.0f sounds/s, %.1f s of training\n", report.loss, report.tokens_per_s, report.seconds);
  std::printf("dev:   WER %.2f %%, PER %.2f %%\n", 100 * on_dev.wer, 100 * on_dev.per);
  Errors on_test{kNone, kNone};
  if (!s.test.empty()) {
    on_test = evaluate(model, read_dictionary(s.test), s.beam);
    std::printf("test:  WER %.2f %%, PER %.2f %%\n", 100 * on_test.wer, 100 * on_test.per);
  }
  if (s.json)
    recipe::print_json({{"loss", report.loss},
                        {"dev_wer", on_dev.wer},
                        {"dev_per", on_dev.per},
                        {"test_wer", on_test.wer},
                        {"test_per", on_test.per},
                        {"epochs", report.epochs},
                        {"steps", report.steps},
                        {"seconds", report.seconds},
                        {"tokens_per_s", report.tokens_per_s}});
  recipe::flush_output(program);
  return report.signal ? 128 + report.signal : 0;
}

void pronounce(const recipe::SavedModel& model, const std::string& word, int64_t beam) {
  const Strings letters = letters_of(word);
  const auto found = recipe::decode(model.model, {model.source.to_indices(letters)}, search(beam, letters.size()));
  std::string line = word + "\t";
  for (const std::string& sound : say(model, found[0])) line += (line.back() == '\t' ? "" : " ") + sound;
  std::printf("%s\n", line.c_str());
  recipe::flush_output(program);
}

int pronounce_only(const Settings& s) {
  const recipe::SavedModel model = recipe::SavedModel::load(program, s.load);
  if (!s.test.empty()) {
    const Errors errors = evaluate(model, read_dictionary(s.test), s.beam);
    std::printf("test:  WER %.2f %%, PER %.2f %%\n", 100 * errors.wer, 100 * errors.per);
  }
  for (const std::string& word : s.pronounce) pronounce(model, word, s.beam);
  if (!s.pronounce.empty() || !s.test.empty()) return recipe::flush_output(program), 0;
  for (std::string line; std::getline(std::cin, line);) pronounce(model, line, s.beam);
  return 0;
}

int run(int argc, char** argv) {
  const std::optional<Settings> s = recipe::parse<Settings>(program, argc, argv, add_options, presets);
  if (!s) return 0;
  if (s->threads > 0) gradus::set_num_threads(static_cast<int>(s->threads));
  if (!s->load.empty()) return pronounce_only(*s);
  if (s->train.empty())
    throw gradus::ValueError("give words to learn from by --train, or a trained model by --load; g2p --help lists the options");
  return train_and_report(*s);
}

}  // namespace

int main(int argc, char** argv) {
  return recipe::main_of(program, [&] { return run(argc, argv); });
}
