#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// The command line of `translate`.

/// What it takes, here and in a model's file. Beyond lie mistakes.
inline constexpr int64_t kMostSteps = 10'000, kMostSize = 65'536, kMostLayers = 1'000;

struct Settings {
  std::string data;
  int64_t num_examples = -1, min_freq = 2, steps = 14, embed = 96, hidden = 192, layers = 2, batch = 64, epochs = 40;
  double dropout = 0.4, lr = 3e-3, held_out = 0.1;
  uint64_t seed = 0;
};

struct Flags {
  Settings settings;
  std::string preset, save, load, checkpoint;
  int64_t checkpoint_every = 0;  // steps; 0: an epoch
  int64_t shards = 0;            // 0: as recipe::Backward has it
  bool resume = false;
  std::vector<std::string> translate;
  int threads = 0;
  std::string precision = "highest";
  std::string profile;
  bool json = false;
  bool train = true;  // false: the loaded model only translates
};

/// Nothing when help was asked for, which is then on standard output. Throws ValueError on a flag that is wrong, or contradicts another.
std::optional<Flags> parse(int argc, char** argv);
