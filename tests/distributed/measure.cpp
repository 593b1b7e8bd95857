#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "gradus/creation.h"
#include "gradus/distributed.h"
#include "gradus/nn.h"
#include "gradus/optim.h"
#include "gradus/random.h"

/// Times training steps of the benchmarks' medium model on as many ranks as there are. Prints the median of a step in ms.
///
///     measure plain            one process, the whole batch at once, without DataParallel
///     measure SHARDS           DataParallel with so many shards
///     measure SHARDS late      the same, and nothing is sent while backward runs
namespace {

namespace nn = gradus::nn;
namespace distributed = gradus::distributed;
using gradus::Tensor;

constexpr int64_t kVocab = 10000, kOutputs = 1000, kSize = 256, kBatch = 64, kLength = 30;

struct Medium : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Linear out;
  Medium()
      : embedding(register_module("embedding", nn::Embedding(kVocab, kSize))),
        rnn(register_module("rnn", nn::GRU(kSize, kSize, {.num_layers = 2}))),
        out(register_module("out", nn::Linear(kSize, kOutputs))) {}
  Tensor operator()(const Tensor& tokens) const { return out(rnn(embedding(tokens).permute({1, 0, 2})).output); }
};

Tensor loss_of(const Medium& model, const Tensor& tokens, const Tensor& targets) {
  return nn::CrossEntropyLoss()(model(tokens).reshape({-1, kOutputs}), targets.permute({1, 0}).reshape({-1}));
}

}  // namespace

int main(int argc, char** argv) {
  const distributed::Session session;
  gradus::manual_seed(1);
  const Medium model;
  gradus::optim::Adam adam(model.parameters(), {.lr = 1e-3});
  const Tensor tokens = gradus::randint(0, kVocab, {kBatch, kLength}), targets = gradus::randint(0, kOutputs, {kBatch, kLength});
  const std::string way = argc > 1 ? argv[1] : "4";
  const bool is_plain = way == "plain";
  distributed::DataParallel parallel(session, model, {.shards = is_plain ? session.size() : std::stoll(way), .overlap = argc < 3});
  std::vector<double> times;
  for (int step = 0; step < 25; ++step) {
    const auto begin = std::chrono::steady_clock::now();
    model.zero_grad();
    if (is_plain) {
      loss_of(model, tokens, targets).backward();
    } else {
      parallel.backward(kBatch, [&](const distributed::Shard& shard) {
        return loss_of(model, tokens.slice(0, shard.begin, shard.end), targets.slice(0, shard.begin, shard.end));
      });
    }
    adam.step();
    if (step >= 5) times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  if (session.rank() == 0) std::printf("%.1f ms\n", times[times.size() / 2]);
  return 0;
}
