#include "train/progress_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/quoted.h"
#include "train/columns.h"

namespace gradus::train {
namespace {

constexpr int64_t kBar = 24;

/// Names without what would move the cursor.
std::string one_line(std::string_view name) { return printable(name, 100); }

/// The beginning of UTF-8 text, of so many columns.
std::string_view cut(std::string_view text, int64_t columns) {
  int64_t shown = 0;
  for (size_t i = 0; i < text.size(); ++i)
    if (begins_column(text[i]) && shown++ == columns) return text.substr(0, i);
  return text;
}

}  // namespace

std::string duration_text(double seconds) {
  if (!(seconds < 1e9)) return "ages";
  const auto whole = static_cast<int64_t>(std::ceil(std::max(seconds, 0.0)));
  const int64_t hours = whole / 3600, minutes = whole / 60 % 60, rest = whole % 60;
  return hours > 0 ? fmt::format("{}:{:02}:{:02}", hours, minutes, rest) : fmt::format("{}:{:02}", minutes, rest);
}

std::string progress_text(const ProgressView& view) {
  std::string text = fmt::format("{} {}/{}", one_line(view.step_name), view.step, view.total);
  for (const auto& [name, value] : view.values) text += fmt::format("  {} {:#.4g}", one_line(name), value);
  if (view.amount > 0 && view.seconds > 0) {
    const double rate = view.amount / view.seconds;
    text += fmt::format("  {:.{}f} {}/s", rate, rate < 100 ? 1 : 0, one_line(view.unit));
  }
  if (view.step >= view.total) return text + "  in " + duration_text(view.seconds);
  if (view.step <= view.done) return text;
  const double each = view.seconds / static_cast<double>(view.step - view.done);
  return text + "  " + duration_text(each * static_cast<double>(view.total - view.step)) + " left";
}

std::string progress_bar(const ProgressView& view, int64_t columns) {
  const double share = view.total > 0 ? static_cast<double>(view.step) / static_cast<double>(view.total) : 1;
  const auto filled = static_cast<int64_t>(static_cast<double>(kBar) * std::clamp(share, 0.0, 1.0));
  std::string text;
  for (int64_t i = 0; i < kBar; ++i) text += i < filled ? "█" : "░";
  return std::string(cut(text + " " + progress_text(view), columns));
}

}  // namespace gradus::train
