#include "robustness/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <ostream>
#include <utility>

#include "gradus/creation.h"
#include "gradus/nn/rnn.h"
#include "gradus/ops/product.h"
#include "sanitized.h"

namespace robustness {
namespace {

using Run = std::function<int(const std::vector<std::string>&)>;

std::map<std::string, Run>& scenarios() {
  static auto& all = *new std::map<std::string, Run>;
  return all;
}

struct Pipe {
  int from = -1, to = -1;
  Pipe() {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) == 0) from = ends[0], to = ends[1];
  }
};

void limit(const Start& start) {
  if (start.address_space > 0) {
    const rlimit bytes{start.address_space, start.address_space};
    setrlimit(RLIMIT_AS, &bytes);
  }
  if (start.one_process) {
    // The limit does not hold for root; under a user id of its own there is one process to count.
    if (getuid() == 0 && setuid(54321) != 0) _exit(no_such_system);
    const rlimit processes{1, 1};
    setrlimit(RLIMIT_NPROC, &processes);
  }
}

[[noreturn]] void become(const std::string& scenario, const Start& start, int out, int err) {
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  for (const auto& [name, value] : start.environment) setenv(name.c_str(), value.c_str(), 1);
  std::vector<std::string> words{"/proc/self/exe", "--scenario", scenario};
  words.insert(words.end(), start.arguments.begin(), start.arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  limit(start);
  execv("/proc/self/exe", argv.data());
  _exit(126);
}

/// Reads both until they are closed, or time is up; false then.
bool read_all(Ending& ending, int out, int err, int seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  std::array<pollfd, 2> watched{pollfd{out, POLLIN, 0}, pollfd{err, POLLIN, 0}};
  const std::array<std::string*, 2> texts{&ending.out, &ending.err};
  while (watched[0].fd >= 0 || watched[1].fd >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    if (left <= 0) return false;
    if (poll(watched.data(), watched.size(), static_cast<int>(left)) <= 0) continue;
    for (size_t i = 0; i < watched.size(); ++i) {
      if (watched[i].fd < 0 || !watched[i].revents) continue;
      std::array<char, 4096> piece{};
      const ssize_t n = read(watched[i].fd, piece.data(), piece.size());
      if (n > 0) texts[i]->append(piece.data(), static_cast<size_t>(n));
      else watched[i].fd = -1;
    }
  }
  return true;
}

}  // namespace

Scenario::Scenario(std::string name, Run run) { scenarios().emplace(std::move(name), std::move(run)); }

std::ostream& operator<<(std::ostream& out, const Ending& e) {
  out << "exit " << e.code << ", signal " << e.signal << (e.late ? ", too late" : "");
  return out << "\n  stdout: " << e.out << "\n  stderr: " << e.err;
}

Ending run(const std::string& scenario, const Start& start) {
  const Pipe out, err;
  const pid_t child = fork();
  if (child == 0) become(scenario, start, out.to, err.to);
  close(out.to);
  close(err.to);
  Ending ending;
  if (!read_all(ending, out.from, err.from, start.seconds)) {
    ending.late = true;
    kill(child, SIGKILL);
  }
  close(out.from);
  close(err.from);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) ending.code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) ending.signal = WTERMSIG(status);
  return ending;
}

int run_scenario(int argc, char** argv) {
  if (argc < 3 || std::string(argv[1]) != "--scenario") return -1;
  return scenarios().at(argv[2])(std::vector<std::string>(argv + 3, argv + argc));
}

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "not so: %s\n", what);
  _exit(3);
}

bool computes() {
  using namespace gradus;
  const Tensor a = ones({100, 200}, {.requires_grad = true});
  const Tensor product = matmul(a, ones({200, 150}));
  product.sum().backward();
  const nn::GRU gru(32, 64);
  const nn::RNNOutput y = gru(ones({3, 20, 32}));
  y.output.sum().backward();
  return product.sum().item() == 100. * 200 * 150 && a.grad().sum().item() == 150. * 100 * 200 && std::isfinite(y.output.sum().item()) &&
         std::abs(matmul(ones({40, 50}, {.dtype = float64}), ones({50, 60}, {.dtype = float64})).sum().item() - 40. * 50 * 60) < 1e-6;
}

bool sanitized() noexcept { return testing::address_sanitized || testing::thread_sanitized; }

}  // namespace robustness
