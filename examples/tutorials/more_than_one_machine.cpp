// The program of docs/guides/more_than_one_machine.md.

// [start:includes]
#include <gradus/distributed.h>
#include <gradus/gradus.h>

#include <csignal>
#include <cstdio>

namespace distributed = gradus::distributed;
namespace io = gradus::io;
namespace nn = gradus::nn;
using gradus::Tensor;
// [end:includes]

// [start:signal]
static volatile std::sig_atomic_t signal_came = 0;
static void take_note(int) { signal_came = 1; }
// [end:signal]

int main() {
  // [start:loop]
  const distributed::Session session;  // 1: the first line of main
  gradus::manual_seed(1);
  const Tensor x = gradus::randn({256, 8}), y = x.sum(1, true);  // (256, 8), (256, 1): the same on every rank
  const nn::Sequential model(nn::Linear(8, 32), nn::Tanh(), nn::Linear(32, 1));
  gradus::optim::Adam adam(model.parameters(), {.lr = 0.01});
  distributed::DataParallel parallel(session, model);  // 2: after the model; rank 0's weights go to all
  for (int epoch = 1; epoch <= 5; ++epoch) {
    double loss = 0;
    for (int64_t at = 0; at < 256; at += 64) {
      const Tensor inputs = x.slice(0, at, at + 64), targets = y.slice(0, at, at + 64);  // (64, 8), (64, 1): the global batch
      adam.zero_grad();
      loss = parallel.backward(64, [&](const distributed::Shard& shard) {  // 3: in the place of loss.backward()
        return gradus::mse_loss(model(inputs.slice(0, shard.begin, shard.end)), targets.slice(0, shard.begin, shard.end));
      });
      adam.step();
    }
    if (session.rank() == 0) std::printf("epoch %d: %.4f\n", epoch, loss);  // the mean over a whole batch
  }
  // [end:loop]

  // [start:checkpoints]
  std::signal(SIGTERM, take_note);
  io::CheckpointManager checkpoints("run");
  const io::CheckpointParts parts{{"model", model}, {"optimizer", adam}, {"parallel", parallel}};
  const auto found = checkpoints.latest();  // resume() would keep the folder to one rank
  if (found) io::load_checkpoint(found->path, parts);
  session.barrier();  // all have read before rank 0 writes
  for (int64_t step = found ? found->step + 1 : 1; step <= 20; ++step) {
    adam.zero_grad();
    parallel.backward(256, [&](const distributed::Shard& shard) {
      return gradus::mse_loss(model(x.slice(0, shard.begin, shard.end)), y.slice(0, shard.begin, shard.end));
    });
    adam.step();
    if (session.rank() == 0) checkpoints.save(step, parts);
    if (session.any(signal_came != 0)) break;  // SIGTERM to one rank ends all, with this checkpoint
  }
  // [end:checkpoints]
  return 0;
}
