// The last program of docs/tutorials/14_more_than_one_machine.md. It needs MPI: `mpirun -n 4 build/examples/14_three_lines`.

// [start:whole]
#include <gradus/distributed.h>
#include <gradus/gradus.h>

#include <cstdio>

namespace distributed = gradus::distributed;
namespace nn = gradus::nn;
using gradus::Tensor;

int main() {
  const distributed::Session session;  // 1
  gradus::manual_seed(1);
  const Tensor x = gradus::randn({256, 8}), y = x.sum(1, true);  // (256, 8), (256, 1)
  const nn::Sequential model(nn::Linear(8, 32), nn::Tanh(), nn::Linear(32, 1));
  gradus::optim::Adam adam(model.parameters(), {.lr = 0.01});
  distributed::DataParallel parallel(session, model, {.shards = 8});  // 2
  for (int epoch = 1; epoch <= 5; ++epoch) {
    double loss = 0;
    for (int64_t at = 0; at < 256; at += 64) {
      adam.zero_grad();
      loss = parallel.backward(64, [&](const distributed::Shard& shard) {  // 3
        const int64_t begin = at + shard.begin, end = at + shard.end;
        return gradus::mse_loss(model(x.slice(0, begin, end)), y.slice(0, begin, end));
      });
      adam.step();
    }
    if (session.rank() == 0) std::printf("epoch %d: %.4f\n", epoch, loss);
  }
}
// [end:whole]
