#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gradus/creation.h"
#include "gradus/nn/rnn.h"
#include "gradus/ops/product.h"
#include "gradus/parallel.h"
#include "gradus/profiler.h"
#include "robustness/child.h"

using namespace gradus;
using namespace robustness;

namespace {

/// Calls a function when the program ends.
struct AtTheEnd {
  std::function<void()> call;
  ~AtTheEnd() {
    if (call) call();
  }
};
AtTheEnd made_first;  // before anything of gradus was used, so that it goes after all of it

void announce(bool well) {
  const std::string text = well ? "computed" : "wrong";
  require(write(STDOUT_FILENO, text.data(), text.size()) > 0, "stdout");
}

const Scenario in_a_destructor("a static object computes in its destructor", [](const auto& arguments) {
  const bool late = arguments.at(0) == "made first";
  if (late) made_first.call = [] { announce(computes()); };
  set_num_threads(4);
  Profiler profiler;
  if (arguments.at(1) == "after use") require(computes(), "computes");
  if (!late) {
    static AtTheEnd made_last;
    made_last.call = [] { announce(computes()); };
  }
  return 0;
});

const Scenario detached("detached threads still compute", [](const auto& arguments) {
  set_num_threads(4);
  for (int kind = 0; kind < 4; ++kind)
    std::thread([kind] {
      const nn::GRU gru(32, 64);
      for (;;) {
        if (kind == 0) matmul(ones({300, 200}), ones({200, 150}));
        if (kind == 1) matmul(ones({70, 90}, {.dtype = float64}), ones({90, 50}, {.dtype = float64}));
        if (kind == 2) gru(randn({5, 20, 32})).output.sum().backward();
        if (kind == 3) randn({1 << 16}).tanh().sum();
      }
    }).detach();
  std::this_thread::sleep_for(std::chrono::milliseconds(std::stoi(arguments.at(0))));
  return 0;
});

/// An object that ends its thread in its destructor, as a program's own pool would.
struct Computer {
  std::atomic<bool> stop = false;
  std::thread thread;
  ~Computer() {
    stop = true;
    if (thread.joinable()) thread.join();
  }
};
Computer computer;

const Scenario joined("a static object joins a thread that computes", [](const auto&) {
  set_num_threads(4);
  computer.thread = std::thread([] {
    while (!computer.stop) require(computes(), "computes");
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  return 0;
});

}  // namespace

TEST_CASE("a static object may compute in its destructor, whether made before gradus was used or after") {
  for (const char* made : {"made first", "made last"})
    for (const char* use : {"after use", "as first use"}) {
      const Ending ending = run("a static object computes in its destructor", {.arguments = {made, use}});
      CAPTURE(made);
      CAPTURE(use);
      CAPTURE(ending);
      CHECK(ending.well());
      CHECK(ending.out == "computed");
    }
}

TEST_CASE("the program ends well while detached threads compute, in each of 20") {
  for (int i = 0; i < 20; ++i) {
    const Ending ending = run("detached threads still compute", {.arguments = {std::to_string(20 + 7 * i)}});
    CAPTURE(i);
    CAPTURE(ending);
    CHECK(ending.well());
  }
}

TEST_CASE("a static object may join a thread that computes, in each of 5") {
  for (int i = 0; i < 5; ++i) {
    const Ending ending = run("a static object joins a thread that computes");
    CAPTURE(ending);
    CHECK(ending.well());
  }
}
