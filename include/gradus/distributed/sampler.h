#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "gradus/data/sampler.h"
#include "gradus/distributed/session.h"

namespace gradus::distributed {

/// How a DistributedSampler deals the examples out.
struct DistributedSamplerOptions {
  /// Of the global batch, that of all ranks together; at least `shards`.
  int64_t batch_size = 1;
  bool shuffle = false;
  /// Of the shuffling; when left out, rank 0's generator behind manual_seed gives one.
  std::optional<uint64_t> seed = {};
  /// Leaves out a last global batch that is not full.
  bool drop_last = false;
  /// As in DataParallelOptions.
  int64_t shards = 4;
};

/// The examples of this rank: a DataLoader that is given one has, step after step, a batch for each of the rank's shards. All ranks
/// together have every example once an epoch, and the shards are the same on any number of ranks.
///
///     distributed::DistributedSampler sampler(session, dataset.size(), {.batch_size = 64, .shuffle = true, .seed = 0});
///     data::DataLoader loader(dataset, sampler, {.prefetch = 2}, collate);
///     for (auto batch = loader.begin(); batch != loader.end(); ++batch) {
///       adam.zero_grad();
///       parallel.backward([&](const distributed::Shard& shard) {
///         if (shard.index != parallel.first_shard()) ++batch;
///         return distributed::ShardLoss(loss_of(model, *batch), batch->size());
///       });
///       adam.step();
///     }
///
/// A last global batch with fewer examples than shards joins the one before it, so that no shard is empty. A loader's state_dict
/// that is taken at the end of the loop's body counts global batches, so that a run on another number of ranks goes on from it.
class GRADUS_API DistributedSampler {
 public:
  /// Throws ValueError when batch_size is below `shards`, `shards` below the number of ranks, there are fewer examples than shards, or the
  /// ranks' arguments differ.
  DistributedSampler(const Session& session, int64_t examples, const DistributedSamplerOptions& options = {});

  /// The number of global batches in an epoch, the same on all ranks.
  int64_t steps() const noexcept;
  /// The number of this rank's batches: `steps()` times its shards.
  int64_t size() const noexcept { return steps() * own_shards(); }
  /// This rank's batches in an epoch, for a DataLoader.
  data::EpochBatches batches(int64_t epoch) const;
  std::optional<uint64_t> seed() const noexcept { return global_.seed(); }

  /// The place in global batches, what BatchSampler has in its state, and `shards`.
  StateDict state_dict(const data::EpochPlace& place) const;
  /// Checks a state_dict; the function that it gives takes the seed over and returns the place. Throws ValueError that lists what does not
  /// fit.
  [[nodiscard]] std::function<data::EpochPlace()> prepare_load_state_dict(const StateDict& state);

 private:
  int64_t own_shards() const noexcept { return last_shard_ - first_shard_; }

  int64_t examples_;
  DistributedSamplerOptions options_;
  int64_t first_shard_;
  int64_t last_shard_;  // the one after it
  data::BatchSampler global_;
};

}  // namespace gradus::distributed
