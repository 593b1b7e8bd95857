#include <cstdlib>

#include "gradus/error.h"
#include "ranks.h"

/// Without MPI: this process alone.
namespace recipe {
namespace {

constexpr const char* kRemedy =
    "this program was built without MPI; install libopenmpi-dev and openmpi-bin (Debian, Ubuntu) and build again";

Ranks* ranks = nullptr;

}  // namespace

struct Ranks::Impl {};

Ranks::Ranks() {
  ranks = this;
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    const char* size = std::getenv(name);
    if (size && std::atoi(size) > 1) throw gradus::ValueError(std::string(size) + " processes were started, and " + kRemedy);
  }
}

Ranks::~Ranks() { ranks = nullptr; }

Ranks& Ranks::all() noexcept { return *ranks; }

int Ranks::size() const noexcept { return 1; }
bool Ranks::is_first() const noexcept { return true; }
gradus::Tensor Ranks::sum(const gradus::Tensor& x) const { return x; }
int64_t Ranks::largest(int64_t value) const { return value; }
void Ranks::meet() const {}

struct Backward::Sharded {};

Backward::Backward(const gradus::nn::Module&, int64_t shards) {
  if (shards > 0) throw gradus::ValueError(std::string("--shards is for several ranks, and ") + kRemedy);
}

Backward::~Backward() = default;

double Backward::operator()(int64_t rows, const Part& loss) const {
  const gradus::Tensor mean = loss(0, rows).first;
  mean.backward();
  return mean.item();
}

gradus::io::CheckpointParts Backward::with_state(gradus::io::CheckpointParts parts) const { return parts; }

}  // namespace recipe
