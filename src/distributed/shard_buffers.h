#pragma once

#include <cstdint>
#include <vector>

#include "distributed/channel.h"
#include "distributed/shard_tree.h"
#include "gradus/tensor.h"

namespace gradus::distributed {

/// The buffers of a model in a step: every shard begins with those of before the step, or, where steps were not sent, with its own. In the
/// end all ranks have the mean over the shards, of integers what shard 0 has.
class ShardBuffers {
 public:
  ShardBuffers(Channel& channel, const ShardTree& tree, std::vector<Tensor> buffers);

  void begin();
  /// `shard` counts from this rank's first one.
  void begin_shard(int64_t shard);
  void end_shard(int64_t shard);
  /// Puts the buffers back to what they were.
  void end();
  /// The same after a step that failed, of which nothing is kept, nor of the steps before it that were not sent.
  void discard();
  /// Which buffers a shard of this rank has changed since the last `finish`.
  const std::vector<bool>& changed() const noexcept { return changed_; }
  /// `notes` have, by rank, what `changed` says there at their end.
  void finish(const std::vector<std::vector<double>>& notes);

 private:
  void reset();
  std::vector<double> numbers_of(int64_t shard, const std::vector<size_t>& which) const;

  Channel& channel_;
  const ShardTree& tree_;
  const std::vector<Tensor> buffers_;
  std::vector<Tensor> start_;             // before the step
  std::vector<std::vector<Tensor>> own_;  // by shard, what it has changed; undefined: as in start_
  std::vector<uint32_t> versions_;        // when the shard began
  std::vector<bool> changed_;
};

}  // namespace gradus::distributed
