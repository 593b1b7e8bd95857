#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "distributed/bucket.h"
#include "distributed/channel.h"
#include "distributed/shard_tree.h"
#include "gradus/tensor.h"

namespace gradus::distributed {

/// a + b for gradients, in a where that is dense; an undefined one counts nothing. Rows and rows make rows, each there once.
Tensor sum_of(Tensor a, const Tensor& b);

/// The sums over all shards of the gradients of each parameter. A step goes: `begin`; `push`, shard after shard, and for the last one
/// `push_last` from inside backward where a gradient is there early; `finish`.
///
/// In the first step nothing is sent before backward is over, since the ranks must first know of which parameters the gradients come as
/// rows, and in which order gradients come, which is rank 0's order: that of the buckets.
class GradientSums {
 public:
  GradientSums(Channel& channel, const ShardTree& tree, std::vector<Tensor> parameters, int64_t bucket_bytes);

  void begin();
  /// Takes over the gradient of parameter i in shard `shard`, or an undefined tensor. Shards come in order.
  void push(size_t i, int64_t shard, Tensor gradient) { sums_[i].push({shard, 1}, std::move(gradient), add); }
  /// The gradient of parameter i in this rank's last shard, while backward runs, is kept + gradient. It is read, not held. A bucket that is
  /// full now is sent, and those on their way go on.
  void push_last(size_t i, int64_t shard, const Tensor& kept, const Tensor& gradient);
  /// Whether push_last has taken it; where not, it comes by push once backward is over.
  bool is_pushed(size_t i) const { return arrivals_[i] > 0 && is_early(i); }

  struct Result {
    std::vector<Tensor> sums;                ///< by parameter, undefined where no shard had a gradient
    std::vector<std::vector<double>> notes;  ///< by rank
  };
  using Notes = std::vector<std::vector<double>>;
  /// Waits until all is there. `notes` are numbers for all ranks that travel along, `notes_of(r)` of them from rank r. The sums are
  /// multiplied by what `factor_of` makes of all notes.
  Result finish(const std::vector<double>& notes, const std::function<size_t(int)>& notes_of,
                const std::function<double(const Notes&)>& factor_of);

 private:
  using Sum = TreeSum<Tensor>;
  static constexpr auto add = [](Tensor& a, const Tensor& b) { a = sum_of(std::move(a), b); };

  struct Place {
    size_t bucket = 0;
    size_t place = 0;
    bool is_rows = false;
    bool is_late = false;  // comes when backward is over
  };

  bool is_known() const noexcept { return !places_.empty(); }
  bool is_early(size_t i) const { return is_known() && !places_[i].is_late && !places_[i].is_rows; }
  bool holds(size_t i, bool rows);
  void agree_on_places();
  void make_buckets(const std::vector<std::vector<double>>& all);
  void fill(size_t i);
  void advance();
  void wait_for_buckets();
  void sum_rows(const std::vector<size_t>& parameters, std::vector<Tensor>& sums);

  Channel& channel_;
  const ShardTree& tree_;
  const std::vector<Tensor> parameters_;
  const int64_t bucket_bytes_;
  std::vector<Place> places_;  // by parameter; none before the first step is over
  std::vector<std::unique_ptr<Bucket>> buckets_;
  std::vector<Sum> sums_;         // by parameter
  std::vector<int> arrivals_;     // by parameter, in the last shard
  std::vector<size_t> sequence_;  // of the arrivals
};

}  // namespace gradus::distributed
