#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "gradus/creation.h"
#include "gradus/data.h"
#include "gradus/distributed.h"
#include "gradus/io/checkpoint.h"
#include "gradus/nn.h"
#include "gradus/optim.h"
#include "gradus/random.h"

/// A training with checkpoints that is ended and resumed: tests/distributed/run compares what comes of it with one that was not.
///
///     resume FOLDER STEPS [FAULT STEP]
///
/// FAULT, of the last rank before that step: `term`, a signal that asks for an end, or `kill`.
namespace {

namespace nn = gradus::nn;
namespace distributed = gradus::distributed;
using gradus::Tensor;

volatile std::sig_atomic_t is_asked_to_end = 0;

struct Net : nn::Module {
  nn::Linear in, out;
  nn::Dropout dropout;
  Net()
      : in(register_module("in", nn::Linear(6, 16))),
        out(register_module("out", nn::Linear(16, 1))),
        dropout(register_module("dropout", nn::Dropout(0.3))) {}
  Tensor operator()(const Tensor& x) const { return out(dropout(in(x).tanh())); }
};

void fail_as(const std::string& fault) {
  if (fault == "term") std::raise(SIGTERM);
  if (fault == "kill") std::raise(SIGKILL);
}

/// Equal on runs that have the same bits.
double checksum(const nn::Module& model) {
  double sum = 0;
  int64_t i = 0;
  for (const Tensor& p : model.parameters())
    for (const double value : p.detach().to_vector<double>()) sum += value * static_cast<double>(++i);
  return sum;
}

}  // namespace

int main(int, char** argv) {
  const distributed::Session session;
  std::signal(SIGTERM, [](int) { is_asked_to_end = 1; });
  const std::string folder = argv[1], fault = argv[3] ? argv[3] : "";
  const int64_t last_step = std::stoll(argv[2]), fault_step = argv[3] ? std::stoll(argv[4]) : -1;

  gradus::manual_seed(2);
  const Tensor inputs = gradus::randn({50, 6}), targets = inputs.sum({1}, true);
  const Net model;
  gradus::optim::Adam adam(model.parameters(), {.lr = 1e-2});
  distributed::DataParallel parallel(session, model);
  const distributed::DistributedSampler sampler(session, 50, {.batch_size = 16, .shuffle = true, .seed = 3});
  gradus::data::DataLoader loader(gradus::data::TensorDataset({inputs, targets}), sampler);

  int64_t step = 0;
  gradus::io::CheckpointManager checkpoints(folder);
  const gradus::io::CheckpointParts parts{{"model", model}, {"optimizer", adam}, {"parallel", parallel}, {"loader", loader}};
  // Every rank reads; only rank 0 writes, and keeps the folder for itself.
  if (const auto found = checkpoints.latest()) step = gradus::io::load_checkpoint(found->path, parts).get<int64_t>("step");
  session.barrier();
  bool ends = false;
  while (step < last_step && !ends) {
    for (auto batch = loader.begin(); batch != loader.end() && step < last_step && !ends; ++batch) {
      if (session.rank() == session.size() - 1 && step == fault_step) fail_as(fault);
      model.zero_grad();
      parallel.backward([&](const distributed::Shard& shard) {
        if (shard.index != parallel.first_shard()) ++batch;
        const Tensor &x = (*batch)[0], &y = (*batch)[1];
        return distributed::ShardLoss((model(x) - y).square().mean(), static_cast<double>(x.size(0)));
      });
      adam.step();
      ++step;
      ends = session.any(is_asked_to_end != 0);
      if (session.rank() == 0) checkpoints.save(step, parts);
    }
  }
  if (session.rank() == 0) std::printf("%s at %lld: %.17g\n", ends ? "ended" : "done", static_cast<long long>(step), checksum(model));
  return 0;
}
