#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "distributed/bucket.h"
#include "distributed/channel.h"
#include "distributed/gather.h"
#include "distributed/shard_tree.h"
#include "gradus/tensor.h"

namespace gradus::distributed {

/// a + b for gradients, in a where that is dense; an undefined one counts nothing. Rows and rows make rows, each there once.
Tensor sum_of(Tensor a, const Tensor& b);

/// The sums over all shards of the gradients of each parameter, times a factor. A step goes: `begin`; `push`, shard after shard;
/// `announce`, and for the last shard `push_last` from inside backward where a gradient is there early; `finish`.
///
/// In the first step nothing is sent before backward is over, since the ranks must first know which gradients come as rows, and in which
/// order gradients come, which is rank 0's order: that of the buckets.
class GradientSums {
 public:
  using Notes = std::vector<std::vector<double>>;  // by rank

  GradientSums(Channel& channel, const ShardTree& tree, std::vector<Tensor> parameters, int64_t bucket_bytes);

  void begin();
  /// Takes over the gradient of parameter i in shard `shard`, or an undefined tensor. Shards come in order.
  void push(size_t i, int64_t shard, Tensor gradient);
  /// Sends numbers to all ranks, `count_of(r)` of them from rank r. Sums are multiplied by what `factor_of` makes of all of them.
  void announce(const std::vector<double>& numbers, const std::function<size_t(int)>& count_of,
                const std::function<double(const Notes&)>& factor_of);
  bool is_announced() const noexcept { return is_announced_; }
  /// While backward runs: a gradient has been added to parameter i's in this rank's last shard. Where the ranks await it now it is taken
  /// from there, with what was `kept` of it before. A bucket that is full now is sent, and those on their way go on.
  void push_last(size_t i, int64_t shard, Tensor& kept);
  /// What was pushed goes on: MPI moves messages only when it is called. To be called as often as one likes.
  void go_on();
  /// The parameters of which rows do as well as a dense gradient.
  std::vector<Tensor> thin() const;
  /// Whether push_last has taken it; where not, it comes by push once backward is over.
  bool is_pushed(size_t i) const { return arrivals_[i] > 0 && is_early(i); }

  struct Result {
    std::vector<Tensor> sums;  ///< by parameter, undefined where no shard had a gradient
    Notes notes;
  };
  /// Waits until all is there. `notes` are numbers for all ranks that travel along, `notes_of(r)` of them from rank r.
  Result finish(const std::vector<double>& notes, const std::function<size_t(int)>& notes_of);

 private:
  using Sum = TreeSum<Tensor>;
  static constexpr auto add = [](Tensor& a, const Tensor& b) { a = sum_of(std::move(a), b); };

  struct Place {
    size_t bucket = 0;
    size_t place = 0;
    bool is_dense = false;  // had a dense gradient in the first step, and has one from then on
    bool is_rows = false;
    bool is_thin = false;  // dense, but for the most part 0: travels as rows, and is dense again at the end
    bool is_late = false;  // comes when backward is over
  };

  bool is_known() const noexcept { return !places_.empty(); }
  bool travels_as_rows(size_t i) const { return places_[i].is_rows || places_[i].is_thin; }
  bool is_early(size_t i) const { return is_known() && !places_[i].is_late && !travels_as_rows(i); }
  bool holds(size_t i, bool rows);
  Tensor as_rows(size_t i, const Tensor& gradient);
  int64_t count_rows(size_t i);
  void agree_on_places();
  void make_places(const Notes& all);
  void make_buckets(const Notes& all);
  void fill(size_t i);
  void advance();
  void wait_for_buckets();
  void sum_rows(const std::vector<size_t>& parameters, std::vector<Tensor>& sums);
  Tensor result_of(size_t i, const Tensor& rows, bool has_dense, bool has_rows);

  Channel& channel_;
  const ShardTree& tree_;
  const std::vector<Tensor> parameters_;
  const int64_t bucket_bytes_;
  std::vector<Place> places_;  // by parameter; none before the first step is over
  std::vector<std::unique_ptr<Bucket>> buckets_;
  std::vector<Sum> sums_;         // by parameter
  std::vector<Tensor> thin_;      // by parameter: a dense gradient of which the rows were taken, as memory for the sum
  std::vector<int> arrivals_;     // by parameter, in the last shard
  std::vector<size_t> sequence_;  // of the arrivals
  NumberGather announced_;
  bool is_announced_ = false;
  std::function<double(const Notes&)> factor_of_;
  std::optional<double> factor_;
  std::chrono::steady_clock::time_point next_look_;
};

}  // namespace gradus::distributed
