#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "gradus/creation.h"
#include "gradus/ops/product.h"
#include "gradus/parallel.h"
#include "robustness/child.h"

using namespace gradus;
using namespace robustness;

namespace {

/// Whether a child of fork() computes and ends by exit(), in reasonable time.
bool child_computes() {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    std::exit(computes() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int children(int count) {
  int well = 0;
  for (int i = 0; i < count; ++i) well += child_computes();
  std::printf("%d of %d", well, count);
  return 0;
}

const Scenario after_the_pool_ran("fork after the pool ran", [](const auto&) {
  set_num_threads(4);
  require(computes(), "the parent computes");
  children(20);
  require(computes(), "the parent goes on");
  return 0;
});

const Scenario before_anything("fork before anything", [](const auto&) { return children(20); });

/// Other threads at what a fork could find half done: products of either library, tensors, random numbers, a leaf that threads share.
const Scenario while_computing("fork while other threads compute", [](const auto&) {
  set_num_threads(4);
  std::atomic<bool> stop = false;
  const Tensor shared = ones({8, 8}, {.requires_grad = true});
  const auto compute = [&](int kind) {
    for (int64_t i = 0; !stop; ++i) {
      if (kind == 0) matmul(ones({7, 9}, {.dtype = float64}), ones({9, 5}, {.dtype = float64}));
      if (kind == 1) (shared * randn({8, 8})).sum().backward();
      if (kind == 2) matmul(ones({64 + i % 200, 200}), ones({200, 150}));
    }
  };
  std::vector<std::thread> threads;
  for (int kind = 0; kind < 3; ++kind) threads.emplace_back(compute, kind);
  children(20);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  return 0;
});

/// A child that computes has a pool of threads of its own, so that it can fork again.
const Scenario of_a_child("fork of a child", [](const auto&) {
  set_num_threads(2);
  require(computes(), "the parent computes");
  const pid_t child = fork();
  if (child == 0) {
    alarm(50);
    require(get_num_threads() == 2, "the child has as many threads");
    require(computes(), "the child computes");
    children(5);
    set_num_threads(3);
    std::exit(computes() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
});

}  // namespace

TEST_CASE("a child of fork() computes and exits, in each of 20, after the pool ran") {
  const Ending ending = run("fork after the pool ran");
  CAPTURE(ending);
  CHECK(ending.well());
  CHECK(ending.out == "20 of 20");
}

TEST_CASE("a child of fork() computes and exits, in each of 20, before the parent computed") {
  const Ending ending = run("fork before anything");
  CAPTURE(ending);
  CHECK(ending.well());
  CHECK(ending.out == "20 of 20");
}

TEST_CASE("a child of fork() computes and exits, in each of 20, while other threads of the parent compute") {
  if (sanitized()) return;
  const Ending ending = run("fork while other threads compute", {.seconds = 200});
  CAPTURE(ending);
  CHECK(ending.well());
  CHECK(ending.out == "20 of 20");
}

TEST_CASE("a child of fork() has as many threads, and forks again") {
  const Ending ending = run("fork of a child");
  CAPTURE(ending);
  CHECK(ending.well());
  CHECK(ending.out == "5 of 5");
}
