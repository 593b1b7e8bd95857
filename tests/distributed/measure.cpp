#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "gradus/creation.h"
#include "gradus/distributed.h"
#include "gradus/nn.h"
#include "gradus/optim.h"
#include "gradus/random.h"

/// Times training steps of one of the benchmarks' models, medium unless another one is named, on as many ranks as there are. Prints the
/// median of a step in ms, and the least.
///
///     measure plain [SIZE]              one process, the whole batch at once, without DataParallel
///     measure apart [SIZE]              a part of the batch on each rank, which know nothing of each other
///     measure SHARDS [SIZE]             DataParallel with so many shards
///     measure SHARDS SIZE late          the same, and nothing is sent while backward runs
///     measure price [SIZE]              a step of 4 shards, and one of as many as ranks or on one rank a plain one, in turn: the median
///                                       of their ratios
namespace {

namespace nn = gradus::nn;
namespace distributed = gradus::distributed;
using gradus::Tensor;

constexpr int64_t kVocab = 10000, kOutputs = 1000, kBatch = 64;

struct Size {
  int64_t embed, hidden, length;
};
const std::map<std::string, Size> sizes{{"medium", {256, 256, 30}}, {"large", {256, 512, 40}}, {"xl", {512, 1024, 40}}};

struct Model : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Linear out;
  explicit Model(const Size& size)
      : embedding(register_module("embedding", nn::Embedding(kVocab, size.embed))),
        rnn(register_module("rnn", nn::GRU(size.embed, size.hidden, {.num_layers = 2}))),
        out(register_module("out", nn::Linear(size.hidden, kOutputs))) {}
  Tensor operator()(const Tensor& tokens) const { return out(rnn(embedding(tokens).permute({1, 0, 2})).output); }
};

Tensor loss_of(const Model& model, const Tensor& tokens, const Tensor& targets) {
  return nn::CrossEntropyLoss()(model(tokens).reshape({-1, kOutputs}), targets.permute({1, 0}).reshape({-1}));
}

double milliseconds(const std::function<void()>& f) {
  const auto begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const distributed::Session session;
  gradus::manual_seed(1);
  const std::string way = argc > 1 ? argv[1] : "4";
  const Size size = sizes.at(argc > 2 ? argv[2] : "medium");
  const Model model(size);
  gradus::optim::Adam adam(model.parameters(), {.lr = 1e-3});
  const bool is_plain = way == "plain" || way == "apart", is_price = way == "price";
  const int64_t batch = way == "apart" ? kBatch / session.size() : kBatch;
  const Tensor tokens = gradus::randint(0, kVocab, {batch, size.length}), targets = gradus::randint(0, kOutputs, {batch, size.length});
  const int64_t shards = is_plain ? session.size() : is_price ? 4 : std::stoll(way);
  distributed::DataParallel parallel(session, model, {.shards = shards, .overlap = argc < 4});
  distributed::DataParallel fewest(session, model, {.shards = session.size()});
  const auto plain_step = [&] {
    model.zero_grad();
    loss_of(model, tokens, targets).backward();
    adam.step();
  };
  const auto step_of = [&](distributed::DataParallel& parts) {
    model.zero_grad();
    parts.backward(kBatch, [&](const distributed::Shard& shard) {
      return loss_of(model, tokens.slice(0, shard.begin, shard.end), targets.slice(0, shard.begin, shard.end));
    });
    adam.step();
  };
  constexpr int kWarm = 3, kSteps = 20;
  std::vector<double> times, ratios;
  for (int i = 0; i < kWarm + kSteps; ++i) {
    const double time = milliseconds([&] { is_plain ? plain_step() : step_of(parallel); });
    if (i < kWarm) continue;
    times.push_back(time);
    if (is_price) ratios.push_back(time / milliseconds([&] { session.size() == 1 ? plain_step() : step_of(fewest); }));
  }
  if (session.rank() != 0) return 0;
  if (is_price) std::printf("%.3f times the other step\n", median(ratios));
  else std::printf("%.1f ms, at least %.1f\n", median(times), *std::min_element(times.begin(), times.end()));
  return 0;
}
