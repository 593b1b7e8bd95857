#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gradus::train {

/// What a line of progress shows.
struct ProgressView {
  std::string_view step_name, unit;
  int64_t done = 0, step = 0, total = 0;
  double amount = 0, seconds = 0;
  const std::vector<std::pair<std::string, double>>& values;
};

/// "0:42", "1:02:03"
std::string duration_text(double seconds);
/// "step 640/1000  loss 1.234  5210 tokens/s  0:42 left"
std::string progress_text(const ProgressView& view);
/// The same behind a bar, cut to that many columns, a character each.
std::string progress_bar(const ProgressView& view, int64_t columns);

}  // namespace gradus::train
