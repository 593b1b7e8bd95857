#include "gradus/train/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>

#include "core/check.h"
#include "train/progress_text.h"

namespace gradus::train {
namespace {

constexpr auto kPause = std::chrono::milliseconds(100);

int64_t terminal_columns() {
  constexpr int64_t usual = 80;
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : usual;
}

}  // namespace

Progress::Progress(int64_t total, ProgressOptions options)
    : total_(total), options_(std::move(options)), is_terminal_(::isatty(STDERR_FILENO) != 0), step_(options_.done) {
  check<ValueError>(total >= 0, "Progress: a total of {} must not be negative", total);
  check<ValueError>(step_ >= 0 && step_ <= total, "Progress: {} done of a total of {}; it must be from 0 to it", step_, total);
  last_tenth_ = tenth();
}

Progress::~Progress() { finish(); }

double Progress::seconds() const noexcept { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

int64_t Progress::tenth() const noexcept {
  return total_ > 0 ? static_cast<int64_t>(10 * (static_cast<double>(step_) / static_cast<double>(total_))) : 10;
}

std::string Progress::text(int64_t columns) const {
  const ProgressView view{.step_name = options_.step_name,
                          .unit = options_.unit,
                          .done = options_.done,
                          .step = step_,
                          .total = total_,
                          .amount = static_cast<double>(amount_),
                          .seconds = seconds(),
                          .values = values_};
  return is_terminal_ ? progress_bar(view, columns) : progress_text(view);
}

void Progress::draw() noexcept {
  try {
    if (is_terminal_) std::fprintf(stderr, "\r\033[K%s", text(terminal_columns() - 1).c_str());  // the last column would begin a new line
    else std::fprintf(stderr, "%s\n", text(0).c_str());
    std::fflush(stderr);
  } catch (const std::exception&) {  // no memory for a line; the training may have some
  }
  is_drawn_ = true;
  is_behind_ = false;
  last_drawn_ = std::chrono::steady_clock::now();
}

void Progress::update(int64_t step, int64_t amount, std::vector<std::pair<std::string, double>> values) {
  step_ = step;
  amount_ += amount;
  values_ = std::move(values);
  is_behind_ = true;
  if (is_terminal_) {
    if (!is_drawn_ || step >= total_ || std::chrono::steady_clock::now() - last_drawn_ >= kPause) draw();
  } else if (const int64_t now = tenth(); now > last_tenth_) {
    last_tenth_ = now;
    draw();
  }
}

void Progress::finish() noexcept {
  if (!is_terminal_) return;
  if (is_behind_) draw();
  if (is_drawn_) std::fputc('\n', stderr);
  is_drawn_ = false;
}

}  // namespace gradus::train
