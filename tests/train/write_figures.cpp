#include <cstdint>
#include <cstdio>
#include <exception>
#include <limits>
#include <optional>
#include <string>

#include "gradus/train/summary_writer.h"

/// Writes figures for tests/train/tensorboard, which says what it reads of them.
///
///     write_figures FOLDER FIRST_STEP LAST_STEP [resumed]
int main(int count, char** values) {
  if (count < 4) return 2;
  try {
    const int64_t first = std::stoll(values[2]), last = std::stoll(values[3]);
    gradus::train::SummaryWriter writer(values[1], count > 4 ? std::optional(first) : std::nullopt);
    for (int64_t step = first; step <= last; ++step) {
      writer.add_scalar("loss/train", 1 / static_cast<double>(step), step);
      writer.add_scalar("größe", -1e30 * static_cast<double>(step), step);
      writer.add_scalar("nan", std::numeric_limits<double>::quiet_NaN(), step);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
