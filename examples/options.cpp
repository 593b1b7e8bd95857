#include "options.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "gradus/error.h"
#include "recipes/command.h"
#include "recipes/validators.h"

namespace {

namespace fs = std::filesystem;

/// What d2l.ai's chapter uses for its 601 shortest pairs.
void use_d2l_preset(Settings& s) {
  s.min_freq = 2, s.steps = 10, s.embed = 32, s.hidden = 32, s.layers = 2, s.batch = 64, s.epochs = 300;
  s.dropout = 0.1, s.lr = 5e-3, s.held_out = 0;
}

void add_options(CLI::App& app, Flags& f) {
  Settings& s = f.settings;
  const CLI::Validator positive = recipe::whole(1);
  const CLI::Validator share = recipe::real(0, 0.9);
  app.add_option("--data", s.data, "tab-separated pairs, source and target (default: the built-in phrase book)");
  app.add_option("--preset", f.preset, "'d2l': the settings of d2l.ai's chapter on sequence to sequence learning")
      ->check(CLI::IsMember({"d2l"}));
  recipe::option(app, "--num-examples", s.num_examples, "read at most this many pairs (-1: all)", recipe::whole(-1));
  recipe::option(app, "--min-freq", s.min_freq, "words that occur less often are <unk>", positive);
  recipe::option(app, "--steps", s.steps, "tokens a sentence is cut or padded to", recipe::whole(1, kMostSteps));
  recipe::option(app, "--embed", s.embed, "embedding size", recipe::whole(1, kMostSize));
  recipe::option(app, "--hidden", s.hidden, "hidden size", recipe::whole(1, kMostSize));
  recipe::option(app, "--layers", s.layers, "layers of the encoder and of the decoder", recipe::whole(1, kMostLayers));
  recipe::option(app, "--dropout", s.dropout, "dropout between layers", share);
  recipe::option(app, "--batch", s.batch, "sentences in a batch", positive);
  recipe::option(app, "--epochs", s.epochs, "passes over the pairs", positive);
  recipe::option(app, "--lr", s.lr, "Adam's learning rate", recipe::real(0, 1));
  recipe::option(app, "--held-out", s.held_out, "share of the pairs kept apart to test on", share);
  recipe::option(app, "--seed", s.seed, "of weights, order and dropout", recipe::not_negative());
  app.add_option("--threads", f.threads, "threads to use (default: all processors)")->check(recipe::whole(1, 256));
  recipe::option(app, "--precision", f.precision, recipe::kPrecisionHelp, CLI::IsMember(recipe::kPrecisions));
  app.add_option("--model", "gru, attention or transformer: other models than this one, with options of their own; see --model gru --help");
  app.add_option("--save", f.save, "write the trained model here (safetensors); also when SIGINT, SIGTERM or SIGHUP ends the training");
  app.add_option("--load", f.load, "start from this model; trains further only with --epochs")->check(CLI::ExistingFile);
  app.add_option("--checkpoint", f.checkpoint, "keep checkpoints of the training in this folder, also when a signal ends it");
  recipe::option(app, "--checkpoint-every", f.checkpoint_every, "steps from one checkpoint to the next (0: one after each epoch)",
                 recipe::whole(0));
  app.add_flag("--resume", f.resume, "go on from the newest checkpoint of the folder, as if the training had not been interrupted");
  recipe::option(app, "--shards", f.shards, recipe::kShardsHelp, recipe::whole(0));
  app.add_option("--translate", f.translate, "translate this sentence (may be given more than once)");
  app.add_option("--profile", f.profile, "write a Chrome trace of the training here, and print the costliest operations");
  app.add_flag("--json", f.json, "end with one line of JSON");
}

/// A preset goes under the options that were given.
void apply_preset(const CLI::App& app, Settings& s) {
  const Settings given = s;
  use_d2l_preset(s);
  const auto keep = [&](const char* name, auto& value, const auto& from) {
    if (app.count(name)) value = from;
  };
  keep("--min-freq", s.min_freq, given.min_freq), keep("--steps", s.steps, given.steps), keep("--embed", s.embed, given.embed);
  keep("--hidden", s.hidden, given.hidden), keep("--layers", s.layers, given.layers), keep("--dropout", s.dropout, given.dropout);
  keep("--batch", s.batch, given.batch), keep("--epochs", s.epochs, given.epochs), keep("--lr", s.lr, given.lr);
  keep("--held-out", s.held_out, given.held_out);
}

[[noreturn]] void refuse(const std::string& text) { throw gradus::ValueError("translate: " + text); }

void refuse_what_load_ignores(const CLI::App& app) {
  for (const char* name : {"--preset", "--min-freq", "--steps", "--embed", "--hidden", "--layers", "--dropout"})
    if (app.count(name)) refuse(std::string(name) + " cannot be given with --load, whose model brings its own; leave out one of the two");
  if (app.count("--epochs")) return;
  for (const char* name : {"--data", "--num-examples", "--batch", "--lr", "--held-out", "--seed", "--save", "--profile", "--json",
                           "--checkpoint", "--checkpoint-every", "--resume", "--shards"})
    if (app.count(name)) refuse(std::string(name) + " is for training, and --load trains further only with --epochs; give that too");
}

/// Whether both name one file, be it there or not.
bool same_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  return !a.empty() && !b.empty() &&
         (fs::equivalent(a, b, ignored) || fs::weakly_canonical(a, ignored) == fs::weakly_canonical(b, ignored));
}

void refuse_contradictions(const CLI::App& app, const Flags& f) {
  const Settings& s = f.settings;
  if (!f.load.empty()) refuse_what_load_ignores(app);
  if (app.count("--dropout") && s.dropout > 0 && s.layers == 1)
    refuse("--dropout acts between layers, and --layers 1 has nothing between them; leave --dropout out, or give two layers");
  for (const char* name : {"--checkpoint-every", "--resume"})
    if (app.count(name) && f.checkpoint.empty()) refuse(std::string(name) + " needs the folder of the checkpoints; give --checkpoint");
  if (app.count("--checkpoint") && f.checkpoint.empty()) refuse("--checkpoint needs the name of a folder");
  if (s.num_examples == 0) refuse("--num-examples 0 leaves nothing to train on; give at least 1, or -1 for all");
  for (const char* name : {"--save", "--profile", "--load", "--data"})
    if (app.count(name) && app.get_option(name)->as<std::string>().empty()) refuse(std::string(name) + " needs the name of a file");
  if (same_file(f.save, f.profile)) refuse("--save and --profile both write " + f.save + "; give two files");
  if (same_file(f.save, s.data)) refuse("--save would overwrite the pairs in " + s.data + "; give another file");
  if (same_file(f.profile, s.data)) refuse("--profile would overwrite the pairs in " + s.data + "; give another file");
  if (same_file(f.profile, f.load)) refuse("--profile would overwrite the model in " + f.load + "; give another file");
}

}  // namespace

std::optional<Flags> parse(int argc, char** argv) {
  CLI::App app("Trains a GRU encoder and decoder to translate, and translates with it.", "translate");
  Flags flags;
  add_options(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return {};
  } catch (const CLI::ParseError& error) {
    refuse(error.what() + std::string("; translate --help lists the options"));
  }
  Settings& s = flags.settings;
  if (flags.preset == "d2l") apply_preset(app, s);
  if (s.data.empty() && app.count("--data") == 0) s.data = GRADUS_PHRASEBOOK;
  refuse_contradictions(app, flags);
  flags.train = flags.load.empty() || app.count("--epochs") > 0;
  return flags;
}
