// Letters to sounds: learns from a list of words with their pronunciations to pronounce words that are not in it.
//
//   g2p --train fre_train.tsv --dev fre_dev.tsv --preset sigmorphon              a language of SIGMORPHON 2020, task 1
//   g2p --train g014b2b.train --test g014b2b.ref --preset cmudict --save en.st   CMUdict, 2 % of whose training words are kept apart
//   g2p --load en.st --pronounce gradus --beam 5                                 pronounces words; without any, lines of standard input
//   g2p --load fre1.st --and fre2.st --and fre3.st --test fre_test.tsv           asks three models together
//
// Files have a word and its pronunciation on a line, a tab between them. A word that is there more than once may be said in as many ways,
// and so may one with more pronunciations behind further tabs.

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gradus/data/split.h"
#include "gradus/error.h"
#include "gradus/random.h"
#include "sequences.h"
#include "training.h"

namespace {

using recipe::Sequences;
using Strings = std::vector<std::string>;
namespace text = gradus::text;

constexpr recipe::Program program{"g2p", "Learns to pronounce words from their letters, and pronounces them."};

struct Settings : recipe::Common {
  std::string train, dev, test;
  double held_out = 0.05;
  int64_t beam = 5;
  Strings together, pronounce;
  recipe::ModelOptions model{.embed = 64, .hidden = 128, .layers = 1, .dropout = 0.3};
  recipe::TrainingOptions training;
};

void add_options(recipe::Options& options, Settings& s) {
  options.file("--test", s.test, "words and pronunciations to test on, looked at once, at the end");
  options.whole("--beam", s.beam, "beams of the search; 1 is greedy", 1, 1000);
  options.texts("--and", s.together,
                "ask the model of this file too: the mean of their probabilities counts (may be given more than once)");
  options.texts("--pronounce", s.pronounce, "pronounce this word (may be given more than once)");
  options.tests_loaded_models();
  options.training();
  options.file("--train", s.train, "words and pronunciations to learn from");
  options.file("--dev", s.dev, "those that say which epoch was best (default: a share of the words of --train)");
  options.real("--held-out", s.held_out, "share of the words of --train that is kept apart where there is no --dev, whatever the seed", 0,
               0.9);
  recipe::add_options(options, s.model);
  recipe::add_options(options, s.training);
}

const std::vector<recipe::Preset<Settings>> presets = {
    {"sigmorphon", "a language of SIGMORPHON 2020, task 1: 3 600 words",
     [](Settings& s) {
       s.model = {.embed = 128, .hidden = 512, .layers = 1, .dropout = 0.4};
       s.training = {.epochs = 80, .max_tokens = 1024, .lr = 1e-3, .warmup = 300};
       s.beam = 3;
     }},
    {"cmudict", "CMUdict: 113 438 pronunciations",
     [](Settings& s) {
       s.model = {.embed = 128, .hidden = 512, .layers = 1, .dropout = 0.3};
       s.training = {.epochs = 24, .max_tokens = 1024, .lr = 1e-3, .warmup = 1000};
       s.held_out = 0.02;
       s.beam = 3;
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
    std::vector<Strings>& ways = entries[place->second].sounds;
    ways.push_back(text::tokenize(pair.target));
    for (const std::string& way : pair.more) ways.push_back(text::tokenize(way));
  }
  if (entries.empty()) throw gradus::ValueError(path + " holds no words; put one on a line: word, a tab, its sounds");
  return entries;
}

/// Takes a share of the words away, at random, but the same for every --seed: models of several seeds can be compared and asked together.
std::vector<Entry> hold_out(std::vector<Entry>& entries, double share) {
  auto parts = gradus::data::random_split(gradus::data::ListDataset(std::move(entries)), std::vector<double>{1 - share, share}, 0);
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

/// A word is said in at most so many sounds.
int64_t most_sounds(size_t letters) { return 3 * static_cast<int64_t>(letters) + 5; }

/// Models that are asked together: of the same letters and sounds.
using Models = std::vector<recipe::SavedModel>;

/// The sounds of each word, given as letters.
std::vector<Strings> say(const Models& models, const std::vector<Strings>& words, int64_t beam) {
  const recipe::SavedModel& model = models.front();
  recipe::Ensemble ensemble;
  for (const recipe::SavedModel& one : models) ensemble.push_back(&one.model);
  std::vector<std::vector<int64_t>> sources;
  size_t longest = 0;
  for (const Strings& letters : words) {
    sources.push_back(model.source.to_indices(letters));
    longest = std::max(longest, letters.size());
  }
  auto found =
      recipe::decode(ensemble, sources, {.num_beams = beam, .max_length = most_sounds(longest), .end = recipe::kEos, .length_penalty = 0});
  std::vector<Strings> said;
  for (size_t i = 0; i < words.size(); ++i) {
    // Not longer than it would be by itself.
    found[i].resize(std::min(found[i].size(), static_cast<size_t>(most_sounds(words[i].size()))));
    said.push_back(model.target.to_tokens(found[i]));
  }
  return said;
}

/// sequence_rate() of it is the WER, rate() the PER.
text::ErrorRate evaluate(const Models& models, const std::vector<Entry>& entries, int64_t beam) {
  std::vector<Strings> words;
  std::vector<std::vector<Strings>> references;
  for (const Entry& entry : entries) words.push_back(entry.letters), references.push_back(entry.sounds);
  return text::error_rate(say(models, words, beam), references);
}

text::ErrorRate evaluate_and_print(const char* what, const Models& models, const std::vector<Entry>& entries, int64_t beam) {
  const text::ErrorRate errors = evaluate(models, entries, beam);
  std::printf("%s  WER %.2f %%, PER %.2f %%\n", what, 100 * errors.sequence_rate(), 100 * errors.rate());
  return errors;
}

void pronounce(const Models& models, const std::string& word, int64_t beam) {
  recipe::note_unknown(models.front().source, letters_of(word));
  std::printf("%s\t%s\n", word.c_str(), recipe::joined(say(models, {letters_of(word)}, beam)[0]).c_str());
  recipe::flush_output(program);
}

int train_and_report(Settings s) {
  if (!s.save.empty()) recipe::check_writable(program, "--save", s.save);
  std::vector<Entry> words = read_dictionary(s.train);
  const std::vector<Entry> test = s.test.empty() ? std::vector<Entry>() : read_dictionary(s.test);
  const std::vector<Entry> dev = s.dev.empty() ? hold_out(words, s.held_out) : read_dictionary(s.dev);
  if (words.empty() || dev.empty()) throw gradus::ValueError("nothing is left to train or to choose the best epoch by; change --held-out");
  std::vector<Strings> letters, sounds;
  for (const Entry& word : words) {
    letters.push_back(word.letters);
    sounds.insert(sounds.end(), word.sounds.begin(), word.sounds.end());
  }
  gradus::manual_seed(s.seed);
  text::Vocab source = recipe::make_vocab(letters), target = recipe::make_vocab(sounds);
  s.model.source_vocab = source.size(), s.model.target_vocab = target.size();
  Models models;
  models.push_back({recipe::EncoderDecoder(s.model), std::move(source), std::move(target)});
  recipe::SavedModel& model = models.front();
  std::fprintf(stderr, "%zu words to train on, %zu to choose by; %lld letters and %lld sounds\n", words.size(), dev.size(),
               static_cast<long long>(model.source.size() - 4), static_cast<long long>(model.target.size() - 4));

  recipe::TrainingReport report;
  {
    const recipe::Interruptible until_saved;
    report = recipe::train(model.model, encode(words, model.source, model.target), s.training, program, s,
                           [&] { return evaluate(models, dev, s.beam).sequence_rate(); });
    if (report.steps > 0 && !s.save.empty()) model.save(program, s.save);
  }
  if (report.steps == 0) return recipe::Interruptible::status();
  std::printf("loss %.4f, %.0f sounds/s, %.1f s of training\n", report.loss, report.tokens_per_s, report.seconds);
  const text::ErrorRate on_dev = evaluate_and_print("dev: ", models, dev, s.beam), none;
  const text::ErrorRate on_test = test.empty() ? none : evaluate_and_print("test:", models, test, s.beam);
  for (const std::string& word : s.pronounce) pronounce(models, word, s.beam);
  if (s.json)
    recipe::print_json({{"loss", report.loss},
                        {"dev_wer", on_dev.sequence_rate()},
                        {"dev_per", on_dev.rate()},
                        {"test_wer", on_test.sequence_rate()},
                        {"test_per", on_test.rate()},
                        {"epochs", report.epochs},
                        {"steps", report.steps},
                        {"seconds", report.seconds},
                        {"tokens_per_s", report.tokens_per_s}});
  recipe::flush_output(program);
  return recipe::Interruptible::status();
}

int pronounce_only(const Settings& s) {
  Models models;
  models.push_back(recipe::SavedModel::load(program, s.load));
  for (const std::string& path : s.together) {
    models.push_back(recipe::SavedModel::load(program, path));
    if (models.back().source.tokens() != models.front().source.tokens() || models.back().target.tokens() != models.front().target.tokens())
      throw gradus::ValueError(path + " and " + s.load + " were trained on other letters or sounds; give models of the same words");
  }
  if (s.json && s.test.empty()) throw gradus::ValueError("--json gives figures, which --load has of a --test; give one, or leave it out");
  text::ErrorRate on_test;
  if (!s.test.empty()) on_test = evaluate_and_print("test:", models, read_dictionary(s.test), s.beam);
  for (const std::string& word : s.pronounce) pronounce(models, word, s.beam);
  if (s.pronounce.empty() && s.test.empty())
    for (std::string line; std::getline(std::cin, line);) pronounce(models, line, s.beam);
  if (s.json) recipe::print_json({{"test_wer", on_test.sequence_rate()}, {"test_per", on_test.rate()}});
  recipe::flush_output(program);
  return 0;
}

int run(int argc, char** argv) {
  const std::optional<Settings> s = recipe::parse<Settings>(program, argc, argv, add_options, presets);
  if (!s) return 0;
  if (!s->load.empty()) return pronounce_only(*s);
  if (!s->together.empty()) throw gradus::ValueError("--and is for trained models; give the first one by --load");
  if (s->train.empty())
    throw gradus::ValueError("give words to learn from by --train, or a trained model by --load; g2p --help lists the options");
  return train_and_report(*s);
}

}  // namespace

int main(int argc, char** argv) {
  return recipe::main_of(program, [&] { return run(argc, argv); });
}
