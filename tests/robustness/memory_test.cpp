#include <doctest/doctest.h>
#include <sys/resource.h>

#include <cstdio>
#include <deque>
#include <exception>
#include <fstream>
#include <functional>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/memory.h"
#include "gradus/nn/embedding.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/rnn.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/loss.h"
#include "gradus/ops/product.h"
#include "gradus/ops/reduction.h"
#include "gradus/optim/adam.h"
#include "gradus/parallel.h"
#include "robustness/child.h"

using namespace gradus;
using namespace robustness;

namespace {

constexpr size_t MiB = size_t{1} << 20;

/// Without this OpenBLAS starts threads when it is loaded, each of which asks for 128 MiB until it gets them, for ever if need be, and
/// waits for them when the program ends. No library can keep it from that.
const std::pair<std::string, std::string> no_threads_of_openblas{"OPENBLAS_NUM_THREADS", "1"};

/// Leaves this process `bytes` of address space beyond what it has.
void limit_memory(size_t bytes) {
  size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlim_t all = pages * 4096 + bytes;
  const rlimit limit{all, all};
  require(setrlimit(RLIMIT_AS, &limit) == 0, "RLIMIT_AS");
}

void train() {
  nn::Embedding embedding(500, 48);
  nn::GRU gru(48, 64, {.num_layers = 2});
  nn::Linear linear(64, 500);
  std::vector<Tensor> all;
  for (const auto& list : {embedding.parameters(), gru.parameters(), linear.parameters()}) all.insert(all.end(), list.begin(), list.end());
  optim::Adam adam(all);
  for (int step = 0; step < 4; ++step) {
    const Tensor words = randint(0, 500, {20, 16 + 8 * step});
    const Tensor loss = cross_entropy(linear(gru(embedding(words)).output).reshape({-1, 500}), words.reshape({-1}));
    adam.zero_grad();
    loss.backward();
    adam.step();
  }
}

/// Nothing but nodes: a chain that is never freed.
void nodes() {
  Tensor x = ones({1}, {.requires_grad = true});
  for (;;) x = x.reshape({1, 1}).reshape({1});
}

void small_tensors() {
  std::deque<Tensor> kept;
  for (;;) kept.push_back(zeros({3}));
}

/// Each of them with strings, vectors and closures of its own.
void modules() {
  std::deque<nn::Linear> kept;
  for (;;) kept.emplace_back(5, 3);
}

void matrices() {
  std::deque<Tensor> kept;
  for (int64_t n = 8;; n += 8) kept.push_back(matmul(ones({n, n}), ones({n, n})));
}

void float64_matrices() {
  std::deque<Tensor> kept;
  for (int64_t n = 8;; n += 8) kept.push_back(matmul(ones({n, n}, {.dtype = float64}), ones({n, n}, {.dtype = float64})));
}

/// What needs arrays beside tensors.
void arrays() {
  for (int64_t n = 1000;; n *= 2) {
    const Tensor x = randn({n}, {.requires_grad = true});
    sort(x);
    argsort(x, 0);
    cumsum(x, 0).sum().backward();
    logsumexp(x, 0);
    softmax(x, 0);
    norm(x.reshape({-1, 10}), 2, 1);
    x.detach().to_vector<float>();
    randperm(n);
    embedding(randint(0, 100, {n}), randn({100, 4}, {.requires_grad = true})).sum().backward();
  }
}

const std::vector<std::pair<std::string, std::function<void()>>> programs{
    {"training", train},  {"nodes", nodes},       {"small tensors", small_tensors},
    {"modules", modules}, {"matrices", matrices}, {"float64 matrices", float64_matrices},
    {"arrays", arrays}};

const Scenario in_limited_memory("limited memory", [](const std::vector<std::string>& arguments) {
  set_num_threads(std::stoi(arguments.at(2)));
  if (arguments.at(3) == "warm") require(computes(), "computes before");
  limit_memory(static_cast<size_t>(std::stoi(arguments.at(1))) * MiB);
  try {
    for (const auto& [name, program] : programs)
      if (name == arguments.at(0)) program();
    std::fputs("done", stdout);
  } catch (const OutOfMemoryError& error) {
    std::printf("OutOfMemoryError %s", error.what());
  } catch (const std::exception& error) {
    std::printf("another exception: %s", error.what());
    return 4;
  }
  return 0;
});

/// What the cache holds is there for the rest of the program too.
const Scenario cache_for_others("the cache serves other allocations", [](const auto&) {
  limit_memory(256 * MiB);
  { const Tensor large = zeros({static_cast<int64_t>(40 * MiB)}); }
  require(memory_stats().cached_bytes >= 160 * MiB, "the block is kept");
  const std::vector<char> own(200 * MiB);
  require(own.size() == 200 * MiB && memory_stats().cached_bytes == 0, "the vector has its room");
  return 0;
});

const Scenario goes_on("after memory ran out", [](const auto&) {
  require(computes(), "computes");
  limit_memory(64 * MiB);
  for (int i = 0; i < 5; ++i) {
    bool refused = false;
    try {
      small_tensors();
    } catch (const OutOfMemoryError&) {
      refused = true;
    }
    require(refused, "refused");
    require(computes(), "computes again");
  }
  return 0;
});

}  // namespace

TEST_CASE("where memory ends there is an OutOfMemoryError, whatever fills it and however much there is") {
  if (sanitized()) return;
  for (const auto& program : programs) {
    const std::string& name = program.first;
    bool other = false;
    for (const int left : {0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 100, 130, 150, 200}) {
      if (left > 64 && name == "arrays") continue;  // they take their time
      other = !other;
      const char* state = other ? "cold" : "warm";
      const char* threads = left % 4 < 2 ? "1" : "3";
      const Ending ending =
          run("limited memory", {.arguments = {name, std::to_string(left), threads, state}, .environment = {no_threads_of_openblas}});
      CAPTURE(name);
      CAPTURE(left);
      CAPTURE(threads);
      CAPTURE(state);
      CAPTURE(ending);
      CHECK(ending.well());
    }
  }
}

TEST_CASE("cached blocks are given up for what the rest of the program allocates") {
  if (sanitized()) return;
  const Ending ending = run("the cache serves other allocations", {.environment = {no_threads_of_openblas}});
  CAPTURE(ending);
  CHECK(ending.well());
}

TEST_CASE("after an OutOfMemoryError the program computes on, when what filled the memory is freed") {
  if (sanitized()) return;
  const Ending ending = run("after memory ran out", {.environment = {no_threads_of_openblas}});
  CAPTURE(ending);
  CHECK(ending.well());
}
