#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "distributed/channel.h"
#include "distributed/shard_tree.h"
#include "gradus/tensor.h"

namespace gradus::distributed {

/// Arrays of n elements, one for each block of each rank, become their sum on all ranks, while this one computes. Every rank owns a segment
/// of the array: it is sent the others' parts of that, adds them up in the order of the tree, and sends the sum to all. So each rank sends
/// and receives about 2 n elements, however many ranks there are, and MPI, whose sums have no fixed order, moves bytes alone.
///
/// An array is one or more tensors, as if they lay side by side: they are sent from where they lie, and the sum arrives there.
template <class T>
class TreeExchange {
 public:
  using Add = void (*)(T* to, const T* from, int64_t n);
  using Array = std::vector<Tensor>;

  /// `tag` and `tag + 1` are those of its messages: different ones for exchanges at the same time.
  TreeExchange(Channel& channel, const ShardTree& tree, Add add, int tag) : channel_(channel), tree_(tree), add_(add), tag_(tag) {}
  /// Where messages are still on their way, because a rank is missing, what they are written to stays.
  ~TreeExchange();
  TreeExchange(const TreeExchange&) = delete;
  TreeExchange& operator=(const TreeExchange&) = delete;

  /// Begins with this rank's arrays, one for each of its blocks in their order: contiguous tensors that nobody else uses until the sum is
  /// there, and that change.
  void start(std::vector<Array> own);
  /// The same with sums that are multiplied by what `scale` gets. They are not sent before it has it.
  void start_scaled(std::vector<Array> own);
  /// Each sum becomes sum * factor + 0, as by scale_array.
  void scale(T factor) { factor_ = factor; }
  /// Goes as far as it can without waiting. True when the sum is there.
  bool advance();
  /// The ranks whose messages are still to come.
  std::vector<int> missing() { return unfinished(requests_, peers_); }
  /// What was given to start, the first of which is the sum once it is there; until the next start.
  std::vector<Array>& arrays() noexcept { return own_; }
  bool is_running() const noexcept { return phase_ == Phase::Parts || phase_ == Phase::Sums; }

 private:
  enum class Phase { Idle, Parts, Sums, Done };
  /// n elements of tensor `piece` from `begin` on, which are those from `at` on of a segment.
  struct Range {
    size_t piece;
    int64_t begin, n, at;
  };

  std::vector<Range> ranges(int rank) const;
  int64_t segment_begin(int rank) const noexcept { return size_ * rank / tree_.ranks(); }
  int64_t segment_size(int rank) const noexcept { return segment_begin(rank + 1) - segment_begin(rank); }
  T* elements(size_t block, const Range& range) const { return own_[block][range.piece].template data<T>() + range.begin; }
  void send(const T* from, int64_t n, int peer, int tag);
  void receive(T* to, int64_t n, int peer, int tag);
  bool messages_done();
  void sum(const Range& range);
  void send_sums();

  Channel& channel_;
  const ShardTree& tree_;
  const Add add_;
  const int tag_;
  Phase phase_ = Phase::Idle;
  int64_t size_ = 0;
  bool is_scaled_ = false;
  std::optional<T> factor_;
  std::vector<Array> own_;                // by block
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

/// to = from * factor + 0, where `to` may be `from`. The 0 makes +0 of -0, whose sign would tell of who adds to whom.
template <class T>
void scale_array(const T* from, T* to, int64_t n, T factor);

extern template void scale_array<float>(const float*, float*, int64_t, float);
extern template void scale_array<double>(const double*, double*, int64_t, double);

}  // namespace gradus::distributed
