#include "in_turn.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace bench {

namespace {
std::vector<std::string> worker_command(const std::string& library, const std::string& kernels) {
  const std::string program = std::string(GRADUS_BUILD_ROOT) + "/tests/benchmarks/worker_" + library;
  if (kernels.empty()) return {program};
  return {"env", "OPENBLAS_CORETYPE=" + kernels, program};
}
}  // namespace

Worker::Worker(const std::string& library, const std::string& kernels) : process_(worker_command(library, kernels)) {}

bool Worker::make(const Job& job) {
  process_.write_line(fmt::format("make {}|{}|{}", job.kind, job.threads, fmt::join(job.sizes, " ")));
  return process_.read_line() == "ok";
}

double Worker::run(double seconds) {
  process_.write_line(fmt::format("run {}", seconds));
  return std::stod(process_.read_line());
}

double Worker::checksum() {
  process_.write_line("check");
  return std::stod(process_.read_line());
}

double Worker::peak_bytes() {
  process_.write_line("memory");
  return std::stod(process_.read_line());
}

std::string Worker::about() {
  process_.write_line("about");
  return process_.read_line();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

namespace {

/// Threads of the whole machine that run or could run now, as Linux counts them.
int busy_threads() {
  std::ifstream file("/proc/loadavg");
  std::string one, five, fifteen;
  int busy = 1;
  file >> one >> five >> fifteen >> busy;
  return busy;
}

/// A pool of threads spins for a while after its last piece of work, and other people's programs come and go: waits for a moment in which
/// nothing else runs, but not for long.
void wait_for_quiet() {
  using std::chrono::milliseconds;
  std::this_thread::sleep_for(milliseconds(3));
  for (int i = 0; i < 100 && busy_threads() > 1; ++i) std::this_thread::sleep_for(milliseconds(5));
}

}  // namespace

Medians in_turn(const std::vector<Measure>& measures, const Effort& effort) {
  std::vector<std::vector<double>> values(measures.size()), ratios(measures.size());
  const auto start = std::chrono::steady_clock::now();
  for (int round = 0; round < effort.rounds; ++round) {
    if (round >= 3 && std::chrono::steady_clock::now() - start > std::chrono::duration<double>(effort.limit)) break;
    for (size_t i = 0; i < measures.size(); ++i) {
      wait_for_quiet();
      values[i].push_back(measures[i]());
      ratios[i].push_back(values[i].back() / values[0].back());
    }
  }
  Medians result;
  for (size_t i = 0; i < measures.size(); ++i) {
    result.values.push_back(median(values[i]));
    result.ratios.push_back(median(ratios[i]));
  }
  return result;
}

}  // namespace bench
