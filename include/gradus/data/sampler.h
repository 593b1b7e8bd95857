#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "gradus/state_dict.h"

namespace gradus::data {

/// How far a DataLoader has come: `batch` batches of epoch `epoch` have been given.
struct EpochPlace {
  int64_t epoch = 0;
  int64_t batch = 0;
};

/// The batches of one epoch, as numbers of examples: batch i is order[ends[i - 1]] … order[ends[i] - 1], the first one from order[0].
struct GRADUS_API EpochBatches {
  std::vector<int64_t> order;
  std::vector<int64_t> ends;

  int64_t size() const noexcept { return static_cast<int64_t>(ends.size()); }
  /// Throws IndexError when there is no such batch.
  std::span<const int64_t> operator[](int64_t i) const;
};

/// What divides examples into batches, epoch by epoch: `size()` is the number of batches of an epoch, and `batches(epoch)` has them, the
/// same for the same number. BatchSampler and BucketSampler are such, and so may be a struct of one's own. If it has `seed()`, that also
/// seeds the random numbers that a DataLoader's dataset and collate function draw.
template <class S>
concept Sampler = std::movable<S> && requires(const S& sampler, int64_t epoch) {
  { sampler.size() } -> std::convertible_to<int64_t>;
  { sampler.batches(epoch) } -> std::same_as<EpochBatches>;
};

/// A Sampler with which a DataLoader can be resumed: it says what its batches depend on, beside the place, and compares or takes over that.
template <class S>
concept ResumableSampler = Sampler<S> && requires(const S& sampler, S& own, const EpochPlace& place, const StateDict& state) {
  { sampler.state_dict(place) } -> std::same_as<StateDict>;
  { own.prepare_load_state_dict(state) } -> std::convertible_to<std::function<EpochPlace()>>;
};

/// How a DataLoader gathers examples.
struct LoaderOptions {
  int64_t batch_size = 1;
  bool shuffle = false;
  /// Of the shuffling; when left out, the generator behind manual_seed gives one.
  std::optional<uint64_t> seed = {};
  /// Leaves a last batch out that is not full.
  bool drop_last = false;
  /// So many batches are prepared ahead, in a thread of the loop's own; 0: none, and no thread.
  int64_t prefetch = 0;
};

/// Batches of the same size from examples in order or shuffled: what a DataLoader has that is given LoaderOptions. One that was moved from
/// has no examples.
class GRADUS_API BatchSampler {
 public:
  /// Throws ValueError when batch_size is below 1 or the number of examples is negative.
  BatchSampler(int64_t examples, const LoaderOptions& options);
  BatchSampler(const BatchSampler&) = default;
  BatchSampler& operator=(const BatchSampler&) = default;
  BatchSampler(BatchSampler&& other) noexcept : examples_(std::exchange(other.examples_, 0)), options_(other.options_) {}
  BatchSampler& operator=(BatchSampler&& other) noexcept {
    options_ = other.options_;
    examples_ = std::exchange(other.examples_, 0);
    return *this;
  }
  ~BatchSampler() = default;
  /// The number of batches in an epoch.
  int64_t size() const noexcept;
  /// All examples in the order of one epoch, shuffled by seed and number of the epoch alone, or as they are, and where its batches end.
  EpochBatches batches(int64_t epoch) const;
  /// Of the shuffling; nothing when it was not given and nothing is shuffled.
  std::optional<uint64_t> seed() const noexcept { return options_.seed; }

  /// `epoch` and `batch`, the place, and what the orders depend on: `seed`, when shuffling, `examples`, `batch_size`, `shuffle` and
  /// `drop_last`.
  StateDict state_dict(const EpochPlace& place) const;
  /// Checks a state_dict; the function that it gives takes the seed over and returns the place. Throws ValueError that lists what is
  /// missing, unexpected, or unlike this sampler: with another number of examples or another batch size the place would be another one.
  [[nodiscard]] std::function<EpochPlace()> prepare_load_state_dict(const StateDict& state);

 private:
  std::vector<std::pair<const char*, int64_t>> fixed() const;

  int64_t examples_;
  LoaderOptions options_;
};

}  // namespace gradus::data
