#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gradus/error.h"
#include "gradus/export.h"
#include "gradus/tensor.h"

namespace gradus::distributed {

class Channel;

/// A rank that did not come, or that left: `rank()` says which. What the ranks did together has ended, and every later call throws this
/// too.
class GRADUS_API RankError : public Error {
 public:
  RankError(const std::string& message, int rank) : Error(message), rank_(rank) {}
  ~RankError() override;
  int rank() const noexcept { return rank_; }

 private:
  int rank_;
};

/// What all_reduce makes of the ranks' elements.
enum class ReduceOp : int32_t { Sum, Max, Min };

/// How a Session waits.
struct SessionOptions {
  /// So long a rank waits for another one before it throws RankError: a rank that was stopped is known by that alone. One that has
  /// something of its own to do between two calls, as rank 0 may that computes a score, needs a limit which is longer than that.
  std::chrono::duration<double> timeout = std::chrono::seconds(30);
};

/// This process among those that `mpirun` started; without mpirun, the only one, rank 0 of 1. Make one at the beginning of `main`:
///
///     int main() {
///       gradus::distributed::Session session;
///       …
///       if (session.rank() == 0) std::cout << loss << '\n';
///
/// All ranks must make the same calls in the same order, with tensors of one shape and one dtype: float32, float64 or int64. This is
/// checked before any element is sent, and where ranks disagree all of them throw, and may go on: StateError when the calls differ,
/// DTypeError, ShapeError, or ValueError when another argument differs. Only the thread that made the session may call it.
///
/// When a rank leaves by an exception, its Session tells the others, whose next call, or the one in which they are, throws RankError. A
/// rank that is killed ends all: mpirun names it, and ends the others.
///
/// Where GRADUS_NUM_THREADS is not set, the ranks of one machine share its processors: set_num_threads is called with the part of each.
class GRADUS_API Session {
 public:
  /// Throws StateError when there is a session already, or was one: MPI cannot be started again. ValueError for a timeout that is not
  /// positive.
  explicit Session(const SessionOptions& options = {});
  /// Waits until every rank is here, however long, unless an exception is on its way through.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Which of the processes this one is, from 0.
  int rank() const noexcept;
  /// How many there are.
  int size() const noexcept;

  /// The elements of all ranks' x combined: a new tensor of the shape of x, the same on every rank. Sums are added up in a binary tree over
  /// the ranks, ((0 + 1) + (2 + 3)) + …, so that the same numbers give the same bits every time. int64 wraps; with NaN among its numbers,
  /// Max and Min give NaN.
  Tensor all_reduce(const Tensor& x, ReduceOp op = ReduceOp::Sum) const;
  /// Rank `root`'s x on every rank, as a new tensor. Throws IndexError when there is no such rank.
  Tensor broadcast(const Tensor& x, int root = 0) const;
  /// The x of every rank, in the order of the ranks.
  std::vector<Tensor> all_gather(const Tensor& x) const;
  /// Returns when every rank has called it.
  void barrier() const;

  /// True on every rank when it is true on one of them: whether a signal came, say.
  bool any(bool is_true) const;

  /// What the library uses; not for use outside it.
  Channel& channel() const noexcept { return *channel_; }

 private:
  std::unique_ptr<Channel> channel_;
  int exceptions_;  // that were on their way when it was made
};

}  // namespace gradus::distributed
