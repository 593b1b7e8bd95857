#include "ranks.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <vector>

#include "gradus/creation.h"
#include "gradus/distributed.h"

/// With MPI. ranks_alone.cpp stands in its place where there is none.
namespace recipe {
namespace {

namespace distributed = gradus::distributed;

Ranks* ranks = nullptr;

/// Whether a launcher is there: to start MPI without one takes time.
bool is_launched() {
  constexpr std::array names = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"};
  return std::ranges::any_of(names, [](const char* name) { return std::getenv(name) != nullptr; });
}

/// Turns standard output and error away while it lives.
class Silence {
 public:
  Silence() {
    const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    for (size_t i = 0; i < before_.size(); ++i) {
      before_[i] = ::fcntl(kStreams[i], F_DUPFD_CLOEXEC, 0);
      ::dup2(nowhere, kStreams[i]);
    }
    ::close(nowhere);
  }
  ~Silence() {
    std::fflush(nullptr);
    for (size_t i = 0; i < before_.size(); ++i) {
      ::dup2(before_[i], kStreams[i]);
      ::close(before_[i]);
    }
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  static constexpr std::array kStreams = {STDOUT_FILENO, STDERR_FILENO};
  std::array<int, 2> before_ = {};
};

}  // namespace

struct Ranks::Impl {
  std::optional<distributed::Session> session;
  std::optional<Silence> silence;

  distributed::Session& started() { return session ? *session : session.emplace(); }
};

Ranks::Ranks() : impl_(std::make_unique<Impl>()) {
  ranks = this;
  if (!is_launched()) return;
  if (impl_->started().rank() > 0) impl_->silence.emplace();
}

Ranks::~Ranks() { ranks = nullptr; }

Ranks& Ranks::all() noexcept { return *ranks; }

int Ranks::size() const noexcept { return impl_->session ? impl_->session->size() : 1; }
bool Ranks::is_first() const noexcept { return !impl_->session || impl_->session->rank() == 0; }

gradus::Tensor Ranks::sum(const gradus::Tensor& x) const { return size() == 1 ? x : impl_->session->all_reduce(x); }

int64_t Ranks::largest(int64_t value) const {
  if (size() == 1) return value;
  return impl_->session->all_reduce(gradus::from_vector(std::vector<int64_t>{value}, {}), distributed::ReduceOp::Max).item<int64_t>();
}

void Ranks::meet() const {
  if (size() > 1) impl_->session->barrier();
}

struct Backward::Sharded {
  distributed::DataParallel parallel;
};

Backward::Backward(const gradus::nn::Module& model, int64_t shards) {
  const int size = Ranks::all().size();
  if (shards == 0 && size == 1) return;
  if (shards == 0) shards = std::max(4, size);
  sharded_.reset(new Sharded{{Ranks::all().impl_->started(), model, {.shards = shards}}});
}

Backward::~Backward() = default;

double Backward::operator()(int64_t rows, const Part& loss) const {
  if (sharded_)
    return sharded_->parallel.backward(rows, [&](const distributed::Shard& shard) {
      auto [mean, weight] = loss(shard.begin, shard.end);
      return distributed::ShardLoss(std::move(mean), weight);
    });
  const gradus::Tensor mean = loss(0, rows).first;
  mean.backward();
  return mean.item();
}

gradus::io::CheckpointParts Backward::with_state(gradus::io::CheckpointParts parts) const {
  if (sharded_) parts.emplace_back("parallel", sharded_->parallel);
  return parts;
}

}  // namespace recipe
