#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "gradus/distributed/session.h"
#include "gradus/nn/module.h"
#include "gradus/state_dict.h"

namespace gradus::distributed {

/// A part of a global batch: its examples begin … end - 1. Which ones depends on their number and on the number of shards alone.
struct Shard {
  int64_t index = 0;
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const noexcept { return end - begin; }
};

/// The loss of a shard, a mean, and what it is a mean of: the number of examples unless it is given; of tokens, say, where it is a mean
/// over tokens. An undefined loss stands for a shard with nothing in it.
struct ShardLoss {
  ShardLoss(Tensor mean) : loss(std::move(mean)) {}
  ShardLoss(Tensor mean, double weight_of_it) : loss(std::move(mean)), weight(weight_of_it) {}

  Tensor loss;
  std::optional<double> weight = {};
};

/// How a DataParallel cuts and sends.
struct DataParallelOptions {
  /// Into so many parts the global batch is cut, at least as many as there are ranks. Runs with the same number, whatever their number of
  /// ranks, give the same bits. A number that the number of ranks divides gives all of them the same to do.
  int64_t shards = 4;
  /// Of what is random inside a shard; when left out, rank 0's initial_seed().
  std::optional<uint64_t> seed = {};
  /// Gradients are sent in buckets of about this size, each as soon as it is full.
  int64_t bucket_bytes = int64_t{1} << 20;
  /// Sends while backward still runs. Turn it off where backward of one shard reaches a parameter more than once, as
  /// autograd::checkpoint may: a gradient that comes after its bucket was sent is an error.
  bool overlap = true;
};

/// Trains one model on all ranks: each has the whole model and its optimizer, makes the gradients of its shards of the batch, and gets the
/// mean over the whole batch, so that all take the same step.
///
///     distributed::Session session;
///     distributed::DataParallel parallel(session, model);
///     for (const auto& batch : loader) {                  // the same batches on every rank
///       adam.zero_grad();
///       const double loss = parallel.backward(batch.size(0), [&](const distributed::Shard& shard) {
///         return loss_of(model, batch.slice(0, shard.begin, shard.end));
///       });
///       adam.step();
///     }
///
/// **The same numbers, however many ranks.** The batch is cut into `shards` parts, the function is called for one after the other, and the
/// gradients are added up in a binary tree over the shards, ((0 + 1) + (2 + 3)), whoever has them. Dropout and all else that is random in
/// the function depends on the seed, the number of the step and the shard; afterwards the generator is where it was before. Buffers that
/// the function changes, such as a batch norm's, begin every shard as they were before the step, and get the mean over the shards; those of
/// integers get what they are after shard 0. So 1, 2 and 4 ranks give the same bits, and a checkpoint of one run goes on as another.
///
/// An embedding's max_norm changes rows of its table in forward, and so on each rank those that it looks up: leave it out.
///
/// A parameter that no shard uses gets no gradient, and one whose gradient was dense in the first step has a dense one later. Row-sparse
/// gradients travel as rows, and so do the dense ones of tables of which all shards of the first step look up half the rows at most; those
/// are dense again in `grad()`. What is in `grad()` before is added to.
class GRADUS_API DataParallel {
 public:
  using LossFunction = std::function<ShardLoss(const Shard&)>;

  /// Gives parameters and buffers of rank 0's model to all. Parameters that require no gradient by then take no part later.
  /// Throws ValueError when there are fewer shards than ranks or nothing to train; ShapeError when the ranks' models differ.
  DataParallel(const Session& session, const nn::Module& model, const DataParallelOptions& options = {});
  ~DataParallel();
  DataParallel(const DataParallel&) = delete;
  DataParallel& operator=(const DataParallel&) = delete;

  /// Cuts a batch of so many examples, the same number on every rank, calls `loss` for each of this rank's shards that is not empty, and
  /// leaves in every parameter's `grad()`, on all ranks, the gradient of the mean loss, sum(weight * loss) / sum(weight) over all shards.
  /// Returns that mean. Throws StateError when the ranks are not at the same step, ShapeError when their numbers of examples differ, or a
  /// loss is not one number, ValueError for a negative number of examples, weights that are negative, not finite, or all 0, and what
  /// `loss` throws; the other ranks get a RankError then, and the session is over.
  double backward(int64_t examples, const LossFunction& loss);
  /// The same where the function itself knows what is in a shard, as with a loader that gives this rank's shards one after the other: it
  /// is called for each of them, in order, with begin and end 0, and a loss without a weight counts 1.
  double backward(const LossFunction& loss);

  /// The shards that are this rank's: first_shard() … last_shard().
  int64_t first_shard() const noexcept;
  int64_t last_shard() const noexcept;

  /// While one lives nothing is sent: gradients are kept, by shards, and the next backward without it sends and takes the mean over all of
  /// them. What backward returns meanwhile is the mean over this rank's shards. `zero_grad` does not reach what is kept.
  class GRADUS_API NoSync {
   public:
    explicit NoSync(DataParallel& parallel) noexcept;
    ~NoSync();
    NoSync(const NoSync&) = delete;
    NoSync& operator=(const NoSync&) = delete;

   private:
    DataParallel& parallel_;
    bool before_;
  };
  [[nodiscard]] NoSync no_sync() noexcept { return NoSync(*this); }

  /// `step`, `seed` and `shards`: with the model's and the optimizer's, what a run on another number of ranks needs to go on to the bit.
  StateDict state_dict() const;
  /// Throws ValueError when something is missing or unexpected, or the number of shards is another one; then nothing was changed.
  void load_state_dict(const StateDict& state);
  /// The first half of load_state_dict: throws what it would throw. The function that it gives is the second half, and does not throw.
  [[nodiscard]] std::function<void()> prepare_load_state_dict(const StateDict& state);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gradus::distributed
