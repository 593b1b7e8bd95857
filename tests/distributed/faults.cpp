#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/distributed.h"
#include "gradus/nn/layers.h"
#include "gradus/operators.h"

/// A rank that fails in the middle, as its first argument says; with a second one, `train`, in the middle of a backward pass.
/// tests/distributed/run looks what becomes of the others. Every rank prints how it ended.
namespace {

void fail_as(const std::string& fault) {
  if (fault == "killed") std::raise(SIGKILL);
  if (fault == "stopped") std::raise(SIGSTOP);
  if (fault == "error") throw std::runtime_error("the example 17 is damaged");
}

/// All ranks call all_reduce, step by step; where the fault comes from outside, until it does.
void reduce(const gradus::distributed::Session& session, const std::string& fault) {
  for (int step = 0; step < 6 || fault == "endless"; ++step) {
    if (fault == "early" && session.rank() == 1 && step == 3) return;
    if (session.rank() == session.size() - 1 && step == 3) fail_as(fault);
    session.all_reduce(gradus::ones({1000}));
  }
}

/// All ranks train; the last one fails in the middle of a shard, or, `again`, all use the model a second time in a checkpointed part, whose
/// backward pass brings a gradient that was sent already.
void train(const gradus::distributed::Session& session, const std::string& fault) {
  const gradus::nn::Linear model(50, 50);
  gradus::distributed::DataParallel parallel(session, model);
  for (int step = 0; step < 6; ++step)
    parallel.backward(8, [&](const gradus::distributed::Shard& shard) -> gradus::distributed::ShardLoss {
      if (shard.index == parallel.last_shard() && session.rank() == session.size() - 1 && step == 3) fail_as(fault);
      const gradus::Tensor x = gradus::ones({shard.size(), 50}).requires_grad_();
      gradus::Tensor y = model(x);
      const auto once_more = [&](const std::vector<gradus::Tensor>& in) { return model(in[0]); };
      if (fault == "again" && step == 3) y = y * gradus::autograd::checkpoint(once_more, {x});
      return y.mean();
    });
}

}  // namespace

int main(int argc, char** argv) {
  int rank = -1;
  try {
    const std::string fault = argc > 1 ? argv[1] : "";
    // A stopped rank, and one that cannot be reached, are known by the time alone; a killed one and one that throws must be known long
    // before.
    const gradus::distributed::Session session({.timeout = std::chrono::seconds(fault == "stopped" || fault == "endless" ? 3 : 30)});
    rank = session.rank();
    if (argc > 2) train(session, fault);
    else reduce(session, fault);
  } catch (const gradus::distributed::RankError& error) {
    std::printf("rank %d: RankError of rank %d: %s\n", rank, error.rank(), error.what());
    return 1;
  } catch (const std::exception& error) {
    std::printf("error: %s\n", error.what());
    return 1;
  }
  std::printf("all done\n");
  return 0;
}
