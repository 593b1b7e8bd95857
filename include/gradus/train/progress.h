#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gradus/export.h"

namespace gradus::train {

/// What a Progress counts.
struct ProgressOptions {
  std::string step_name = "step";  ///< what is counted up to the total: "epoch"
  std::string unit = "examples";   ///< what a step has many of, whose rate is shown: "tokens"
  int64_t done = 0;                ///< steps that were done before, by a training that is resumed
};

/// Shows on standard error how far a training is, how fast, how long it will still take, and figures of the user's:
///
///     train::Progress progress(steps, {.unit = "tokens"});
///     …
///     progress.update(step, batch_tokens, {{"loss", loss.compute()}});
///
///     ███████████████░░░░░░░░░ step 640/1000  loss 1.234  5210 tokens/s  0:42 left
///
/// On a terminal the line is drawn again in its place, at most ten times a second, and cut where the terminal ends. Elsewhere a plain line
/// is written after each tenth of the way. What cannot be written is passed over: a training does not end for it.
class GRADUS_API Progress {
 public:
  /// The clock starts now. Throws ValueError on a negative total, and unless `done` is from 0 to it.
  explicit Progress(int64_t total, ProgressOptions options = {});
  /// finish()
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// After step `step` (from 1) of the total: how many examples or tokens were worked on since the last call, none to show no rate, and
  /// figures by name, shown with four digits.
  void update(int64_t step, int64_t amount = 0, std::vector<std::pair<std::string, double>> values = {});
  /// Draws what was not drawn yet, and ends the line on the terminal.
  void finish() noexcept;
  /// Seconds since the start.
  double seconds() const noexcept;

 private:
  std::string text(int64_t columns) const;
  void draw() noexcept;
  int64_t tenth() const noexcept;

  int64_t total_;
  ProgressOptions options_;
  bool is_terminal_;
  bool is_drawn_ = false, is_behind_ = false;  // there is a line; there is more to show than it does
  int64_t step_, amount_ = 0, last_tenth_;
  std::vector<std::pair<std::string, double>> values_ = {};
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now(), last_drawn_ = {};
};

}  // namespace gradus::train
