#include <doctest/doctest.h>

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "gradus/error.h"
#include "gradus/train.h"
#include "io/folder.h"
#include "train/columns.h"
#include "train/progress_text.h"

using namespace gradus;
using train::Progress;

namespace {

/// While it lives, standard error is another file.
class StderrAs {
 public:
  explicit StderrAs(int fd) : before_(::dup(STDERR_FILENO)) {
    std::fflush(stderr);
    ::dup2(fd, STDERR_FILENO);
  }
  ~StderrAs() {
    std::fflush(stderr);
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
  }
  StderrAs(const StderrAs&) = delete;
  StderrAs& operator=(const StderrAs&) = delete;

 private:
  int before_;
};

/// What `run` writes to a standard error that is no terminal.
std::string plainly(const auto& run) {
  const Folder folder;
  const std::string path = folder / "stderr";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  {
    const StderrAs scope(fd);
    run();
  }
  ::close(fd);
  return read_bytes(path);
}

/// Whether there are pseudo-terminals to be had, which a machine without /dev/pts has not.
bool has_terminals() {
  const int ours = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (ours < 0) return false;
  ::close(ours);
  return true;
}

/// What `run` writes to a terminal of so many columns.
std::string on_terminal(unsigned short columns, const auto& run) {
  const int ours = ::posix_openpt(O_RDWR | O_NOCTTY);
  REQUIRE(ours >= 0);
  REQUIRE(::grantpt(ours) == 0);
  REQUIRE(::unlockpt(ours) == 0);
  const int theirs = ::open(::ptsname(ours), O_RDWR | O_NOCTTY);
  REQUIRE(theirs >= 0);
  termios raw{};
  ::tcgetattr(theirs, &raw);
  ::cfmakeraw(&raw);
  ::tcsetattr(theirs, TCSANOW, &raw);
  const winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
  ::ioctl(theirs, TIOCSWINSZ, &size);
  {
    const StderrAs scope(theirs);
    run();
  }
  std::string text;
  std::array<char, 4096> buffer{};
  for (pollfd ready{.fd = ours, .events = POLLIN, .revents = 0}; ::poll(&ready, 1, 100) > 0 && (ready.revents & POLLIN) != 0;) {
    const ssize_t got = ::read(ours, buffer.data(), buffer.size());
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<size_t>(got));
  }
  ::close(theirs);
  ::close(ours);
  return text;
}

}  // namespace

TEST_CASE("a line of progress has the step, figures, rate and the time that is left") {
  const std::vector<std::pair<std::string, double>> values{{"loss", 0.5}, {"lr", 3e-5}};
  train::ProgressView view{
      .step_name = "step", .unit = "tokens", .done = 0, .step = 25, .total = 100, .amount = 5000, .seconds = 10, .values = values};
  CHECK(train::progress_text(view) == "step 25/100  loss 0.5000  lr 3.000e-05  500 tokens/s  0:30 left");
  CHECK(train::progress_bar(view, 200) == "██████░░░░░░░░░░░░░░░░░░ step 25/100  loss 0.5000  lr 3.000e-05  500 tokens/s  0:30 left");
  CHECK(train::progress_bar(view, 30) == "██████░░░░░░░░░░░░░░░░░░ step ");
  CHECK(train::progress_bar(view, 3) == "███");
  view.done = 20;  // 2 seconds a step
  view.amount = 12;
  CHECK(train::progress_text(view) == "step 25/100  loss 0.5000  lr 3.000e-05  1.2 tokens/s  2:30 left");
  view.step = 100;
  view.amount = 0;
  CHECK(train::progress_text(view) == "step 100/100  loss 0.5000  lr 3.000e-05  in 0:10");
  const std::vector<std::pair<std::string, double>> moving{{"a\n\x1B[2J", 1}};
  const train::ProgressView first{
      .step_name = "epoch", .unit = "x", .done = 3, .step = 3, .total = 9, .amount = 0, .seconds = 0, .values = moving};
  CHECK(train::progress_text(first) == "epoch 3/9  a\\x0a\\x1b[2J 1.000");
}

TEST_CASE("durations are minutes and hours") {
  CHECK(train::duration_text(-1) == "0:00");
  CHECK(train::duration_text(0.2) == "0:01");
  CHECK(train::duration_text(59.5) == "1:00");
  CHECK(train::duration_text(3599) == "59:59");
  CHECK(train::duration_text(3723) == "1:02:03");
  CHECK(train::duration_text(1e300) == "ages");
}

TEST_CASE("where standard error is no terminal, progress is a plain line every tenth") {
  const auto steps_of = [](int64_t total, int64_t done) {
    const std::string text = plainly([&] {
      Progress progress(total, {.step_name = "epoch", .done = done});
      for (int64_t step = done + 1; step <= total; ++step) progress.update(step, 0, {{"loss", 1}});
    });
    CHECK(text.find('\r') == std::string::npos);
    CHECK(text.find("\033") == std::string::npos);
    std::vector<int64_t> steps;
    for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
      CHECK(text.compare(at, 6, "epoch ") == 0);
      steps.push_back(std::stoll(text.substr(at + 6)));
    }
    return steps;
  };
  CHECK(steps_of(1000, 0) == std::vector<int64_t>{100, 200, 300, 400, 500, 600, 700, 800, 900, 1000});
  CHECK(steps_of(1000, 850) == std::vector<int64_t>{900, 1000});
  CHECK(steps_of(3, 0) == std::vector<int64_t>{1, 2, 3});
  CHECK(steps_of(25, 0).size() == 10);
}

TEST_CASE("on a terminal progress is drawn in place, cut to its columns, and ends its line") {
  if (!has_terminals()) {
    MESSAGE("skipped: this machine has no pseudo-terminals; mount devpts at /dev/pts");
    return;
  }
  const std::string text = on_terminal(40, [] {
    Progress progress(1000, {.unit = "tokens"});
    for (int64_t step = 1; step <= 1000; ++step) progress.update(step, 10, {{"loss", 0.25}});
    progress.finish();
    progress.finish();
  });
  const std::string begin = "\r\033[K";
  CHECK(text.starts_with(begin + "░░░░░░░░░░░░░░░░░░░░░░░░ step 1/1000  l"));
  CHECK(text.ends_with(begin + "████████████████████████ step 1000/1000\n"));
  for (size_t at = 0; at < text.size();) {
    const size_t next = std::min(text.find('\r', at + 1), text.size());
    CHECK(train::columns_of(text.substr(at + begin.size(), next - at - begin.size())) <= 40);  // the last one with the end of its line
    at = next;
  }
  const std::string once = on_terminal(200, [] {
    Progress progress(1000);
    progress.update(1);
    progress.update(2, 0, {{"last", 2}});  // too soon to be drawn but at the end
  });
  CHECK(std::count(once.begin(), once.end(), '\r') == 2);
  CHECK(once.find("step 2/1000  last 2.000  ") != std::string::npos);
  CHECK(once.ends_with(" left\n"));
}

TEST_CASE("progress refuses a way that is none") {
  CHECK_THROWS_WITH_AS(Progress(-1), "Progress: a total of -1 must not be negative", ValueError);
  CHECK_THROWS_WITH_AS(Progress(3, {.done = 4}), "Progress: 4 done of a total of 3; it must be from 0 to it", ValueError);
  CHECK_THROWS_AS(Progress(3, {.done = -1}), ValueError);
  CHECK(plainly([] { Progress(0).update(0); }).empty());
}
