#include "progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

Progress::Progress(int64_t epochs, int64_t done) : epochs_(epochs), done_(done), terminal_(isatty(STDERR_FILENO) != 0) {}

double Progress::seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

void Progress::draw(int64_t epoch, double loss, int64_t tokens) const {
  constexpr int64_t width = 24;
  const double elapsed = seconds();
  const double left = elapsed / static_cast<double>(epoch - done_) * static_cast<double>(epochs_ - epoch);
  const int64_t filled = width * epoch / epochs_;
  std::string bar;
  for (int64_t i = 0; i < width; ++i) bar += i < filled ? "█" : "░";
  std::fprintf(stderr, "\r\033[K%s epoch %lld/%lld  loss %.4f  %.0f tokens/s  %.0f s left", bar.c_str(), static_cast<long long>(epoch),
               static_cast<long long>(epochs_), loss, static_cast<double>(tokens) / elapsed, left);
  std::fflush(stderr);
}

void Progress::update(int64_t epoch, double loss, int64_t tokens) {
  const auto now = std::chrono::steady_clock::now();
  if (terminal_) {
    if (epoch < epochs_ && now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    drawn_ = true;
    draw(epoch, loss, tokens);
    return;
  }
  const int64_t every = std::max<int64_t>(epochs_ / 10, 1);
  if (epoch % every == 0 || epoch == epochs_)
    std::fprintf(stderr, "epoch %lld/%lld  loss %.4f  %.0f tokens/s\n", static_cast<long long>(epoch), static_cast<long long>(epochs_),
                 loss, static_cast<double>(tokens) / seconds());
}

void Progress::finish() {
  if (drawn_) std::fputc('\n', stderr);
  drawn_ = false;
}
