// The program of docs/guides/profiling.md.

// [start:model]
#include <gradus/gradus.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

namespace nn = gradus::nn;
using gradus::Tensor;

struct Tagger : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Linear head;

  Tagger()
      : embedding(register_module("embedding", nn::Embedding(1000, 32))),
        rnn(register_module("rnn", nn::GRU(32, 64))),
        head(register_module("head", nn::Linear(64, 10))) {}

  Tensor operator()(const Tensor& tokens) const { return head(rnn(embedding(tokens)).output); }
};
// [end:model]

#include "region.h"

int main() {
  region("table");
  // [start:profile]
  gradus::manual_seed(0);
  const Tagger model;
  gradus::optim::Adam adam(model.parameters());
  const Tensor tokens = gradus::randint(1000, {20, 16}), tags = gradus::randint(10, {20 * 16});

  const auto step = [&] {
    const Tensor loss = gradus::cross_entropy(model(tokens).reshape({-1, 10}), tags);
    adam.zero_grad();
    loss.backward();
    adam.step();
  };
  step();  // the first step allocates, and makes kernels

  gradus::Profiler profiler;
  for (int i = 0; i < 3; ++i) step();
  profiler.stop();

  std::cout << profiler.table(8);
  profiler.write_chrome_trace("trace.json");
  // [end:profile]

  region("calls");
  // [start:calls]
  for (const char* name : {"gru", "GruBackward0", "cross_entropy", "Adam"}) {
    const auto entries = profiler.entries();
    const auto found = std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e.name == name; });
    std::printf("%-14s %lld calls\n", name, static_cast<long long>(found->calls));
  }
  // [end:calls]
  std::remove("trace.json");

  region("memory");
  // [start:memory]
  gradus::release_cached_memory();
  gradus::reset_peak_memory();
  const auto before = gradus::memory_stats();
  {
    const Tensor x = gradus::zeros({1024, 1000}), y = x + 1;
    std::printf("live   %4zu kB\n", (gradus::memory_stats().live_bytes - before.live_bytes) / 1024);
  }
  const auto after = gradus::memory_stats();
  std::printf("then   %4zu kB live, %zu kB at the peak, %zu kB cached\n", (after.live_bytes - before.live_bytes) / 1024,
              (after.peak_bytes - before.live_bytes) / 1024, after.cached_bytes / 1024);
  gradus::release_cached_memory();
  std::printf("then   %4zu kB cached\n", gradus::memory_stats().cached_bytes / 1024);
  // [end:memory]

  region("loss");
  // [start:loss]
  const nn::LinearCrossEntropy head(32, 50000);
  const Tensor states = gradus::randn({20, 16, 32}, {.requires_grad = true}), words = gradus::randint(50000, {20, 16});
  const auto peak = [&](auto loss) {
    gradus::reset_peak_memory();
    const auto start = gradus::memory_stats().live_bytes;
    loss().backward();
    head.zero_grad();
    return (gradus::memory_stats().peak_bytes - start) >> 20;
  };
  const auto whole = peak([&] { return gradus::cross_entropy(head.logits(states).reshape({-1, 50000}), words.reshape(-1)); });
  const auto blocks = peak([&] { return head(states, words); });
  std::printf("all logits at once: %zu MiB, in blocks: %zu MiB\n", whole, blocks);
  // [end:loss]
}
