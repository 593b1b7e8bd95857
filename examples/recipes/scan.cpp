// SCAN (Lake and Baroni 2018): commands such as "jump twice after walk around left" to actions, to see what a model makes of combinations
// that it has not met. The commands are made here, from the grammar that is published with the paper.
//
//   scan --preset simple           a random fifth of the commands is kept apart
//   scan --preset length           trained on up to 22 actions, tested on 24 to 48
//   scan --print                   all commands with their actions, a tab between them
//   scan --load scan.st --command "run opposite right thrice"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
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

constexpr recipe::Program program{"scan", "Learns to carry out the commands of SCAN, and tests it on others."};

struct Settings : recipe::Common {
  std::string split = "simple";
  bool print = false;
  Strings commands;
  int64_t limit = -1;
  recipe::ModelOptions model{.embed = 64, .hidden = 192, .layers = 1, .dropout = 0.1};
  recipe::TrainingOptions training{.epochs = 12, .max_tokens = 1024, .lr = 2e-3, .warmup = 200, .label_smoothing = 0};
};

void add_options(recipe::Options& options, Settings& s) {
  options.texts("--command", s.commands, "carry this command out (may be given more than once)");
  options.flag("--print", s.print, "print all commands with their actions, and do nothing else");
  options.training();
  options.one_of("--split", s.split, "simple: a random fifth is the test; length: the commands of more than 22 actions are",
                 {"simple", "length"});
  options.whole("--limit", s.limit, "train on so many commands at most (-1: all)", -1);
  recipe::add_options(options, s.model);
  recipe::add_options(options, s.training);
}

const std::vector<recipe::Preset<Settings>> presets = {
    {"simple", "the random split", [](Settings& s) { s.split = "simple"; }},
    {"length", "the split by length", [](Settings& s) { s.split = "length"; }},
    {"quick", "a short try, on 6 000 of the commands",
     [](Settings& s) {
       s.model = {.embed = 48, .hidden = 96, .layers = 1, .dropout = 0};
       s.training = {.epochs = 8, .max_tokens = 1024, .lr = 6e-3, .warmup = 50, .label_smoothing = 0};
       s.limit = 6000;
     }},
};

/// A command or a part of one, with what it means.
struct Phrase {
  Strings words, actions;
};

Strings operator+(Strings a, const Strings& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Strings times(const Strings& actions, int count) {
  Strings all;
  for (int i = 0; i < count; ++i) all = all + actions;
  return all;
}

/// V of the grammar: an action, perhaps in a direction, opposite to it or around. (34)
std::vector<Phrase> verbs() {
  const std::vector<Phrase> plain = {{{"walk"}, {"I_WALK"}}, {{"look"}, {"I_LOOK"}}, {{"run"}, {"I_RUN"}}, {{"jump"}, {"I_JUMP"}}};
  std::vector<Phrase> all = plain, turning = plain;
  turning.push_back({{"turn"}, {}});
  for (const Phrase& verb : turning)
    for (const auto& [direction, turn] : {std::pair{"left", "I_TURN_LEFT"}, {"right", "I_TURN_RIGHT"}}) {
      const Strings once = Strings{turn} + verb.actions;
      all.push_back({verb.words + Strings{direction}, once});
      all.push_back({verb.words + Strings{"opposite", direction}, Strings{turn} + once});
      all.push_back({verb.words + Strings{"around", direction}, times(once, 4)});
    }
  return all;
}

/// S: a verb once, twice or thrice. (102)
std::vector<Phrase> sentences() {
  std::vector<Phrase> all;
  for (const Phrase& verb : verbs()) {
    all.push_back(verb);
    all.push_back({verb.words + Strings{"twice"}, times(verb.actions, 2)});
    all.push_back({verb.words + Strings{"thrice"}, times(verb.actions, 3)});
  }
  return all;
}

/// C: all 20 910 commands.
std::vector<Phrase> commands() {
  const std::vector<Phrase> parts = sentences();
  std::vector<Phrase> all = parts;
  for (const Phrase& a : parts)
    for (const Phrase& b : parts) {
      all.push_back({a.words + Strings{"and"} + b.words, a.actions + b.actions});
      all.push_back({a.words + Strings{"after"} + b.words, b.actions + a.actions});
    }
  return all;
}

struct Split {
  std::vector<Phrase> train, test;
};

Split split(const Settings& s) {
  constexpr size_t longest = 22;  // actions of a command that is trained on
  const std::vector<Phrase> all = commands();
  Split parts;
  if (s.split == "length") {
    for (const Phrase& command : all) (command.actions.size() <= longest ? parts.train : parts.test).push_back(command);
  } else {
    const auto random = gradus::data::random_split(gradus::data::ListDataset(all), std::vector<double>{0.8, 0.2}, s.seed);
    for (const int64_t i : random[0].indices()) parts.train.push_back(all[static_cast<size_t>(i)]);
    for (const int64_t i : random[1].indices()) parts.test.push_back(all[static_cast<size_t>(i)]);
  }
  if (s.limit >= 0 && static_cast<size_t>(s.limit) < parts.train.size()) parts.train.resize(static_cast<size_t>(s.limit));
  return parts;
}

Sequences encode(const recipe::SavedModel& model, const std::vector<Phrase>& phrases) {
  std::vector<recipe::SequencePair> all;
  for (const Phrase& phrase : phrases) all.push_back({model.source.to_indices(phrase.words), model.target.to_indices(phrase.actions)});
  return Sequences(std::move(all));
}

const gradus::generate::BeamOptions greedy{.num_beams = 1, .max_length = 64, .end = recipe::kEos};

/// The share of commands that are carried out without a fault.
double accuracy(const recipe::SavedModel& model, const std::vector<Phrase>& phrases) {
  const Sequences all = encode(model, phrases);
  std::vector<std::vector<int64_t>> sources;
  for (const recipe::SequencePair& pair : all.examples()) sources.push_back(pair.source);
  const auto found = recipe::decode({&model.model}, sources, greedy);
  int64_t right = 0;
  for (size_t i = 0; i < found.size(); ++i) right += found[i] == all.examples()[i].target;
  return static_cast<double>(right) / static_cast<double>(std::max<size_t>(found.size(), 1));
}

void carry_out(const recipe::SavedModel& model, const Strings& lines) {
  for (const std::string& line : lines) {
    for (const std::string& word : text::tokenize(line))
      if (!model.source.contains(word))
        throw gradus::ValueError("--command: \"" + word + "\" is no word of SCAN; --print shows all commands");
    const auto found = recipe::decode({&model.model}, {model.source.to_indices(text::tokenize(line))}, greedy);
    std::printf("%s\t%s\n", line.c_str(), recipe::joined(model.target.to_tokens(found[0])).c_str());
  }
}

int train_and_report(Settings s) {
  if (!s.save.empty()) recipe::check_writable(program, "--save", s.save);
  const Split parts = split(s);
  std::vector<Strings> words, actions;
  for (const Phrase& command : sentences()) words.push_back(command.words), actions.push_back(command.actions);
  words.push_back({"and", "after"});
  gradus::manual_seed(s.seed);
  text::Vocab source = recipe::make_vocab(words), target = recipe::make_vocab(actions);
  s.model.source_vocab = source.size(), s.model.target_vocab = target.size();
  recipe::SavedModel model{recipe::EncoderDecoder(s.model), std::move(source), std::move(target)};
  std::fprintf(stderr, "%zu commands to train on, %zu to test on\n", parts.train.size(), parts.test.size());

  // The test part chooses nothing: the last weights are taken.
  recipe::TrainingReport report;
  {
    const recipe::Interruptible until_saved;
    report = recipe::train(model.model, encode(model, parts.train), s.training, program, s, {});
    if (report.steps > 0 && !s.save.empty()) model.save(program, s.save);
  }
  if (report.steps == 0) return recipe::Interruptible::status();  // interrupted at once
  const double right = accuracy(model, parts.test);
  std::printf("loss %.4f, %.0f actions/s, %.1f s of training\n", report.loss, report.tokens_per_s, report.seconds);
  std::printf("%s split: %.2f %% of %zu commands right\n", s.split.c_str(), 100 * right, parts.test.size());
  carry_out(model, s.commands);
  if (s.json)
    recipe::print_json({{"loss", report.loss},
                        {"accuracy", right},
                        {"epochs", report.epochs},
                        {"steps", report.steps},
                        {"seconds", report.seconds},
                        {"tokens_per_s", report.tokens_per_s}});
  recipe::flush_output(program);
  return recipe::Interruptible::status();
}

int run(int argc, char** argv) {
  const std::optional<Settings> s = recipe::parse<Settings>(program, argc, argv, add_options, presets);
  if (!s) return 0;
  if (s->print) {
    for (const Phrase& command : commands())
      std::printf("%s\t%s\n", recipe::joined(command.words).c_str(), recipe::joined(command.actions).c_str());
    recipe::flush_output(program);
    return 0;
  }
  if (s->load.empty()) return train_and_report(*s);
  const recipe::SavedModel model = recipe::SavedModel::load(program, s->load);
  if (s->commands.empty()) throw gradus::ValueError("give commands to carry out by --command");
  carry_out(model, s->commands);
  recipe::flush_output(program);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return recipe::main_of(program, [&] { return run(argc, argv); });
}
