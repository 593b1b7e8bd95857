#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <sstream>

#include "job.h"

// The main program of every worker. It reads a line at a time and answers each with one line, so only the worker that was asked last is
// at work:
//
//   make KIND|THREADS|SIZE SIZE …    "ok", or "none" and the reason
//   run SECONDS                      the median seconds of one repetition
//   check                            the checksum of the last repetition
//   about                            the library, its version and its kernels
//   memory                           bytes in tensors at most, and the resident bytes of the process at most

namespace {

using bench::Task;

/// With one thread the processor's time, which is the time that passes on a quiet machine, and which other programs disturb less; with
/// more threads the time that passes.
double now(int threads) {
  timespec time{};
  clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

bench::Job parse(const std::string& text) {
  const size_t first = text.find('|'), second = text.find('|', first + 1);
  bench::Job job{text.substr(0, first), std::stoi(text.substr(first + 1, second - first - 1))};
  std::istringstream sizes(text.substr(second + 1));
  for (int64_t size = 0; sizes >> size;) job.sizes.push_back(size);
  return job;
}

/// Seconds of one repetition, as the mean of `count` in a row.
double group(const Task& task, int threads, int count) {
  if (task.prepare) task.prepare();
  const double start = now(threads);
  for (int i = 0; i < count; ++i) task.run();
  return (now(threads) - start) / count;
}

/// The median over groups of at least 100 microseconds, after a repetition to warm the caches up where one is short. A task with a part
/// that is not timed runs once a group.
double median_time(const Task& task, int threads, double budget) {
  const double first = group(task, threads, 1);
  if (first > budget) return first;
  const int count = task.prepare ? 1 : std::max(1, static_cast<int>(1e-4 / std::max(first, 1e-9)));
  std::vector<double> times;
  const double start = now(2);
  do times.push_back(group(task, threads, count));
  while (now(2) - start < budget);
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

double resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

}  // namespace

int main() {
  Task task;
  int threads = 1;
  bool warm = false;
  for (std::string line; std::getline(std::cin, line);) try {
      if (line.rfind("make ", 0) == 0) {
        task = {};
        const bench::Job job = parse(line.substr(5));
        threads = job.threads;
        task = bench::make_task(job);
        warm = false;
        std::puts("ok");
      } else if (line.rfind("run ", 0) == 0) {
        if (!warm) group(task, threads, 1);  // the first repetition starts threads, makes kernels and touches new memory
        warm = true;
        std::printf("%.9g\n", median_time(task, threads, std::stod(line.substr(4))));
      } else if (line == "check") {
        group(task, threads, 1);
        std::printf("%.9g\n", task.checksum ? task.checksum() : 0);
      } else if (line == "about") {
        std::puts(bench::about().c_str());
      } else if (line == "memory") {
        std::printf("%zu %.0f\n", bench::peak_bytes(), resident_bytes());
      }
      std::fflush(stdout);
    } catch (const bench::NoSuchJob& reason) {
      std::printf("none %s\n", reason.what());
      std::fflush(stdout);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "worker: %s: %s\n", line.c_str(), error.what());
      return 1;
    }
}
