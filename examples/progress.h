#pragma once

#include <chrono>
#include <cstdint>

/// Shows how a training goes: a bar that is drawn again in place on a terminal, a plain line every tenth of the way otherwise.
/// Writes to standard error, so that standard output holds results alone.
class Progress {
 public:
  /// `done` of the epochs were done before the start.
  explicit Progress(int64_t epochs, int64_t done = 0);

  /// After an epoch (from 1): its loss and the tokens trained on since the start.
  void update(int64_t epoch, double loss, int64_t tokens);
  /// Ends the bar's line.
  void finish();

  /// Seconds since the start.
  double seconds() const;

 private:
  void draw(int64_t epoch, double loss, int64_t tokens) const;

  int64_t epochs_, done_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_{};
};
