// The program of docs/guides/checkpoints.md.

// [start:model]
#include <gradus/gradus.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace io = gradus::io;
namespace nn = gradus::nn;
using gradus::Tensor;

struct Net : nn::Module {
  nn::Linear hidden = register_module("hidden", nn::Linear(4, 16));
  nn::Dropout dropout = register_module("dropout", nn::Dropout(0.3));
  nn::Linear head = register_module("head", nn::Linear(16, 1));
  Tensor operator()(const Tensor& x) const { return head(dropout(tanh(hidden(x)))); }
};

/// Everything that changes while training.
struct Training {
  Net net;
  gradus::optim::AdamW adam{net.parameters(), {.lr = 0.01}};
  gradus::optim::CosineAnnealingLR schedule{adam, 100};
  gradus::data::DataLoader<gradus::data::TensorDataset> loader;

  explicit Training(const gradus::data::TensorDataset& data) : loader(data, {.batch_size = 10, .shuffle = true}) {}

  io::CheckpointParts parts() { return {{"model", net}, {"optimizer", adam}, {"schedule", schedule}, {"loader", loader}}; }

  double step(const std::vector<Tensor>& batch) {
    const Tensor loss = gradus::mse_loss(net(batch[0]), batch[1]);
    adam.zero_grad();
    loss.backward();
    adam.step();
    schedule.step();
    return loss.item();
  }
};
// [end:model]

// [start:counter]
struct EarlyStopping {
  double best = 1e9;
  int64_t epochs_without_progress = 0;

  std::map<std::string, double> state_dict() const {
    return {{"best", best}, {"epochs_without_progress", static_cast<double>(epochs_without_progress)}};
  }
  void load_state_dict(const std::map<std::string, double>& state) {
    best = state.at("best");
    epochs_without_progress = static_cast<int64_t>(state.at("epochs_without_progress"));
  }
};
// [end:counter]

#include <filesystem>

#include "region.h"

int main() {
  std::filesystem::remove_all("run");
  // [start:data]
  gradus::manual_seed(0);
  const Tensor x = gradus::randn({100, 4});
  const gradus::data::TensorDataset data({x, x.sum(1, true)});
  // [end:data]

  region("one");
  // [start:one]
  Training first(data);
  int64_t step = 0;
  for (auto& batch : first.loader) {
    first.step(batch);
    if (++step == 7) {  // in the middle of the epoch
      io::save_checkpoint("seven.safetensors", first.parts(), {{"step", step}, {"note", "seven steps"}});
    }
  }

  Training second(data);  // as another process would make it
  const io::StateValues values = io::load_checkpoint("seven.safetensors", second.parts());
  std::printf("%s: step %lld\n", values.get<std::string>("note").c_str(), static_cast<long long>(values.get<int64_t>("step")));
  int64_t rest = 0;
  for (auto& batch : second.loader) {
    second.step(batch);
    ++rest;
  }
  std::printf("%lld steps more, the same bits: %s\n", static_cast<long long>(rest),
              gradus::equal(first.net.head.weight, second.net.head.weight) ? "yes" : "no");
  // [end:one]

  region("manager");
  // [start:manager]
  Training training(data);
  io::CheckpointManager checkpoints("run", {.keep = 2});
  int64_t done = 0;
  if (const auto found = checkpoints.resume(training.parts())) done = found->step;

  while (training.loader.epoch() < 5) {
    double sum = 0;
    for (auto& batch : training.loader) {
      sum += training.step(batch);
      ++done;
    }
    checkpoints.save(done, training.parts(), sum);
  }
  std::printf("newest: step %lld, best: step %lld\n", static_cast<long long>(checkpoints.latest()->step),
              static_cast<long long>(checkpoints.best()->step));
  // [end:manager]

  region("best");
  // [start:best]
  const Net net;
  io::load_checkpoint(checkpoints.best()->path, {{"model", net}}, false);
  // [end:best]

  region("error");
  // [start:error]
  const nn::Linear other(3, 1);
  try {
    io::load_checkpoint("seven.safetensors", {{"model", other}, {"optimizer", first.adam}});
  } catch (const gradus::ValueError& error) {
    std::printf("%s\n", error.what());
  }
  // [end:error]

  region("own");
  // [start:own]
  EarlyStopping stopping;
  io::save_checkpoint("own.safetensors", {{"model", net}, {"stopping", stopping}});
  // [end:own]
  std::filesystem::remove_all("run");
  std::filesystem::remove("own.safetensors");
  std::filesystem::remove("seven.safetensors");
}
