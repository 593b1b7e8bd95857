// The program of docs/guides/training.md.

// [start:net]
#include <gradus/gradus.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <utility>

namespace data = gradus::data;
namespace io = gradus::io;
namespace nn = gradus::nn;
namespace train = gradus::train;
using gradus::Tensor;

/// Says in which of two classes a point of the plane is.
struct Net : nn::Module {
  nn::Linear hidden = register_module("hidden", nn::Linear(2, 64));
  nn::Linear head = register_module("head", nn::Linear(64, 2));
  Tensor operator()(const Tensor& x) const { return head(tanh(hidden(x))); }
};
// [end:net]

#include <filesystem>

#include "region.h"

int main() {
  std::filesystem::remove_all("run");

  region("summary");
  // [start:summary]
  gradus::manual_seed(0);
  const Net net;
  std::printf("%s", train::summary(net, gradus::zeros({1, 2})).str().c_str());
  // [end:summary]

  // [start:data]
  const Tensor points = gradus::randn({400, 2}), noise = 0.5 * gradus::randn(400);
  const Tensor classes = (points.select(1, 0) * points.select(1, 1) + noise > 0).to(gradus::int64);
  const auto parts = data::random_split(data::TensorDataset({points, classes}), {0.5, 0.5}, 1);
  data::DataLoader loader(parts[0], {.batch_size = 20, .shuffle = true, .seed = 0});
  const data::DataLoader validation(parts[1], {.batch_size = 100});
  // [end:data]

  // [start:validate]
  const auto validate = [&] {
    const gradus::NoGradGuard no_grad;
    train::Mean loss;
    train::Accuracy accuracy;
    for (const auto& batch : validation) {
      const Tensor scores = net(batch[0]);
      loss.update(gradus::cross_entropy(scores, batch[1]).item(), static_cast<double>(batch[1].numel()));
      accuracy.update(scores, batch[1]);
    }
    return std::pair(loss.compute(), accuracy.compute());
  };
  // [end:validate]

  region("loop");
  // [start:loop]
  gradus::optim::Adam adam(net.parameters(), {.lr = 0.02});
  train::EarlyStopping stopping(net, {.patience = 5});
  io::CheckpointManager checkpoints("run/checkpoints", {.keep = 3});
  const io::CheckpointParts state{{"model", net}, {"optimizer", adam}, {"loader", loader}, {"stopping", stopping}};

  const int64_t epochs = 100;
  int64_t epoch = 0;  // how many are done
  if (const auto found = checkpoints.resume(state)) epoch = found->step;

  train::CsvLog log("run/log.csv", {"loss", "grad_norm", "validation_loss", "accuracy"}, epoch);
  train::SummaryWriter writer("run/board", epoch + 1);
  train::Progress progress(epochs, {.step_name = "epoch", .done = epoch});
  while (epoch < epochs && !stopping.should_stop()) {
    train::Mean loss, grad_norm;
    for (const auto& batch : loader) {
      const Tensor batch_loss = gradus::cross_entropy(net(batch[0]), batch[1]);
      adam.zero_grad();
      batch_loss.backward();
      grad_norm.update(nn::grad_norm(net.parameters()));
      adam.step();
      loss.update(batch_loss.item(), static_cast<double>(batch[1].numel()));
    }
    const auto [validation_loss, accuracy] = validate();
    stopping.update(validation_loss);
    ++epoch;
    log.write(epoch, {loss.compute(), grad_norm.compute(), validation_loss, accuracy});
    writer.add_scalar("loss/train", loss.compute(), epoch);
    writer.add_scalar("loss/validation", validation_loss, epoch);
    progress.update(epoch, parts[0].size(), {{"loss", loss.compute()}, {"accuracy", accuracy}});
    checkpoints.save(epoch, state, validation_loss);
  }
  progress.finish();

  stopping.restore();
  std::printf("accuracy %.3f after the best epoch\n", validate().second);
  // [end:loop]

  region("log");
  // [start:log]
  std::ifstream file("run/log.csv");
  std::string line;
  for (int i = 0; i < 3 && std::getline(file, line); ++i) std::printf("%s\n", line.c_str());
  // [end:log]

  region("average");
  // [start:average]
  net.load_state_dict(train::average_checkpoints(checkpoints, 3));
  std::printf("accuracy %.3f with the mean of the last three\n", validate().second);
  // [end:average]
  std::filesystem::remove_all("run");
}
