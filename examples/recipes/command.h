#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gradus/io/checkpoint.h"

namespace CLI {
class App;
}

/// What the recipes share around a training: the command line, and how a program ends.
namespace recipe {

/// What every recipe takes; its settings derive from it.
struct Common {
  std::string preset, save, load, checkpoint;
  int64_t checkpoint_every = 0;  // steps; 0: after each epoch
  bool resume = false, json = false;
  int64_t threads = 0;  // 0: all processors
  std::string precision = "highest";
  int64_t shards = 0;  // 0: as Backward has it
  uint64_t seed = 0;
  std::string settings;  // what the training depends on, as lines of option and value
};

/// A recipe's name, and a sentence on what it does.
struct Program {
  const char* name;
  const char* about;
};

/// The options of a command line. --help shows them with their limits and defaults. CLI11 reads them.
class Options {
 public:
  explicit Options(CLI::App& app) : app_(app) {}
  /// Whether what is added from here on is about a training, and refused beside --load.
  void training(bool is = true) noexcept { is_training_ = is; }
  /// A model that is loaded has figures, too: --json is not refused beside --load.
  void tests_loaded_models() noexcept { tests_loaded_ = true; }
  bool tests_loaded() const noexcept { return tests_loaded_; }
  void whole(const std::string& name, int64_t& value, const std::string& help, int64_t least, int64_t most = int64_t{1} << 40);
  void real(const std::string& name, double& value, const std::string& help, double least, double most);
  void one_of(const std::string& name, std::string& value, const std::string& help, const std::vector<std::string>& choices);
  void flag(const std::string& name, bool& value, const std::string& help);
  void text(const std::string& name, std::string& value, const std::string& help);
  /// May be given more than once.
  void texts(const std::string& name, std::vector<std::string>& values, const std::string& help);
  /// Of a file that is there. No output may be the same file.
  void file(const std::string& name, std::string& path, const std::string& help);
  /// Of a file to be written.
  void output(const std::string& name, std::string& path, const std::string& help);

  const std::vector<std::string>& inputs() const noexcept { return inputs_; }
  const std::vector<std::string>& outputs() const noexcept { return outputs_; }

 private:
  void group(const std::string& name);

  CLI::App& app_;
  bool is_training_ = false, tests_loaded_ = false;
  std::vector<std::string> inputs_, outputs_;  // names of options
};

/// Settings under a name, which options that are given go over.
template <class Settings>
struct Preset {
  const char* name;
  const char* help;
  void (*apply)(Settings&);
};

namespace detail {

using PresetHelp = std::vector<std::pair<std::string, std::string>>;

/// Sets the number of threads and the precision, too. False when help was asked for, and printed.
bool read(const Program& program, int argc, char** argv, Common& common, const PresetHelp& presets,
          const std::function<void(Options&)>& add_options);

}  // namespace detail

/// The settings of a command line; nothing when --help was asked for, which is then on standard output. Throws ValueError on a flag that is
/// wrong. `add_options` adds the recipe's own to those of Common.
template <class Settings>
std::optional<Settings> parse(const Program& program, int argc, char** argv, void (*add_options)(Options&, Settings&),
                              const std::vector<Preset<Settings>>& presets) {
  detail::PresetHelp help;
  for (const Preset<Settings>& preset : presets) help.emplace_back(preset.name, preset.help);
  const auto read_into = [&](Settings& settings) {
    return detail::read(program, argc, argv, settings, help, [&](Options& options) { add_options(options, settings); });
  };
  Settings given;
  if (!read_into(given)) return {};
  Settings settings;
  for (const Preset<Settings>& preset : presets)
    if (given.preset == preset.name) preset.apply(settings);
  read_into(settings);
  return settings;
}

/// What --help says of --shards, and of --precision; what the latter may be.
extern const char *const kShardsHelp, *const kPrecisionHelp;
extern const std::vector<std::string> kPrecisions;

/// The exit status of a recipe's `run`. An error becomes one line on standard error, which begins with the program's name.
int main_of(const Program& program, const std::function<int()>& run);

/// Throws IoError, naming the flag, unless its file can be written, before hours of training are spent. What is there stays as it is.
/// `whole`: a new file will be put in its place, so that it has to be a regular one in a folder that can be written.
void check_writable(const Program& program, const char* flag, const std::string& path, bool whole = true);

/// Throws ValueError or IoError unless a picture can be drawn to this file, which has to end in .svg or .png: before hours of training.
void check_picture(const Program& program, const std::string& path);

/// The tokens with spaces between them.
std::string joined(const std::vector<std::string>& tokens);

/// Prints figures as a line of JSON; what is NaN, as null.
void print_json(const gradus::io::StateValues& figures);

/// Throws IoError when standard output did not take all that was printed.
void flush_output(const Program& program);

}  // namespace recipe
