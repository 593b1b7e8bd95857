#include <csignal>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>

#include "gradus/creation.h"
#include "gradus/distributed.h"

/// A rank that fails in the middle, as its argument says: tests/distributed/run looks what becomes of the others. Every rank prints how it
/// ended.
namespace {

void fail_as(const std::string& fault) {
  if (fault == "killed") std::raise(SIGKILL);
  if (fault == "stopped") std::raise(SIGSTOP);
  if (fault == "error") throw std::runtime_error("the example 17 is damaged");
}

void work(const std::string& fault) {
  // A stopped rank is known by the time alone; a killed one and one that throws must be known long before.
  const gradus::distributed::Session session({.timeout = std::chrono::seconds(fault == "stopped" ? 3 : 30)});
  for (int step = 0; step < 6; ++step) {
    if (fault == "early" && session.rank() == 1 && step == 3) return;
    if (session.rank() == session.size() - 1 && step == 3) fail_as(fault);
    session.all_reduce(gradus::ones({1000}));
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    work(argc > 1 ? argv[1] : "");
  } catch (const gradus::distributed::RankError& error) {
    std::printf("RankError of rank %d: %s\n", error.rank(), error.what());
    return 1;
  } catch (const std::exception& error) {
    std::printf("error: %s\n", error.what());
    return 1;
  }
  std::printf("all done\n");
  return 0;
}
