#pragma once

#include <cstdint>
#include <vector>

#include "distributed/channel.h"
#include "distributed/shard_tree.h"

namespace gradus::distributed {

/// Arrays of n elements, one for each block of each rank, become their sum on all ranks, while this one computes. Every rank owns a segment
/// of the array: it is sent the others' parts of that, adds them up in the order of the tree, and sends the sum to all. So each rank sends
/// and receives about 2 n elements, however many ranks there are, and MPI, whose sums have no fixed order, moves bytes alone.
template <class T>
class TreeExchange {
 public:
  using Add = void (*)(T* to, const T* from, int64_t n);

  /// `tag` and `tag + 1` are those of its messages: different ones for exchanges at the same time.
  TreeExchange(Channel& channel, const ShardTree& tree, Add add, int tag) : channel_(channel), tree_(tree), add_(add), tag_(tag) {}
  /// Where messages are still on their way, because a rank is missing, what they are written to stays.
  ~TreeExchange();
  TreeExchange(const TreeExchange&) = delete;
  TreeExchange& operator=(const TreeExchange&) = delete;

  /// Begins with this rank's arrays, which it keeps, one for each of its blocks in their order, and changes.
  void start(std::vector<std::vector<T>> own);
  /// Goes as far as it can without waiting. True when the sum is there.
  bool advance();
  /// The ranks whose messages are still to come.
  std::vector<int> missing() { return unfinished(requests_, peers_); }
  /// Once it is there; until the next start.
  const std::vector<T>& sum() const noexcept { return own_.front(); }
  /// What was given to start, as memory for the next time: pages that are new at every step cost more than the sums. Nothing while messages
  /// are on their way.
  std::vector<std::vector<T>> give_back() noexcept { return is_running() ? std::vector<std::vector<T>>() : std::move(own_); }
  bool is_running() const noexcept { return phase_ == Phase::Parts || phase_ == Phase::Sums; }

 private:
  enum class Phase { Idle, Parts, Sums, Done };

  int64_t segment_begin(int rank) const noexcept { return size() * rank / tree_.ranks(); }
  int64_t segment_size(int rank) const noexcept { return segment_begin(rank + 1) - segment_begin(rank); }
  int64_t size() const noexcept { return static_cast<int64_t>(own_.front().size()); }
  void send(const T* from, int64_t n, int peer, int tag);
  void receive(T* to, int64_t n, int peer, int tag);
  bool messages_done();
  void sum_segment();

  Channel& channel_;
  const ShardTree& tree_;
  const Add add_;
  const int tag_;
  Phase phase_ = Phase::Idle;
  std::vector<std::vector<T>> own_;       // by block
  std::vector<std::vector<T>> received_;  // the parts of this rank's segment, by rank and block, without its own
  std::vector<MPI_Request> requests_;
  std::vector<int> peers_;
};

extern template class TreeExchange<float>;
extern template class TreeExchange<double>;
extern template class TreeExchange<int64_t>;

/// to += from; int64 wraps.
template <class T>
void add_arrays(T* to, const T* from, int64_t n);

extern template void add_arrays<float>(float*, const float*, int64_t);
extern template void add_arrays<double>(double*, const double*, int64_t);
extern template void add_arrays<int64_t>(int64_t*, const int64_t*, int64_t);

}  // namespace gradus::distributed
