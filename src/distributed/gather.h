#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "distributed/channel.h"

namespace gradus::distributed {

/// A few numbers of every rank, on their way to all of them while this one computes.
class NumberGather {
 public:
  using Numbers = std::vector<std::vector<double>>;  // by rank

  /// `tag` is that of its messages: different ones for gathers at the same time.
  NumberGather(Channel& channel, int tag) : channel_(channel), tag_(tag) {}
  /// Where messages are still on their way, because a rank is missing, what they are written to stays.
  ~NumberGather();
  NumberGather(const NumberGather&) = delete;
  NumberGather& operator=(const NumberGather&) = delete;

  /// Rank r gives size_of(r) numbers.
  void start(const std::vector<double>& own, const std::function<size_t(int)>& size_of);
  /// True when all are there; does not wait.
  bool advance();
  /// Waits for all.
  void wait(Call call);
  const Numbers& all() const noexcept { return *all_; }

 private:
  Channel& channel_;
  const int tag_;
  std::unique_ptr<Numbers> all_;
  std::vector<MPI_Request> requests_;
  std::vector<int> peers_;
};

/// The numbers of every rank, by rank, on all of them; rank r gives size_of(r).
std::vector<std::vector<double>> gather_numbers(Channel& channel, Call call, const std::vector<double>& own,
                                                const std::function<size_t(int)>& size_of);

}  // namespace gradus::distributed
