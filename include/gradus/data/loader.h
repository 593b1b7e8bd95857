#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "gradus/data/dataset.h"
#include "gradus/data/prefetch.h"
#include "gradus/data/sampler.h"
#include "gradus/state_dict.h"

namespace gradus::data {

/// The one option of a DataLoader that is given a sampler; the others are the sampler's.
struct PrefetchOptions {
  /// So many batches are prepared ahead, in a thread of the loop's own; 0: none, and no thread.
  int64_t prefetch = 0;
};

/// Batches of a dataset, for `for (auto& batch : loader)`:
///
///     data::DataLoader loader(data::TensorDataset({source, target}), {.batch_size = 64, .shuffle = true, .seed = 0});
///     for (auto& batch : loader) { ... batch[0] ... batch[1] ... }
///
/// A batch is what `collate` makes of a list of examples; without one, tensors are stacked. A function of one's own gets a
/// `std::vector<Example>` and may give any type:
///
///     data::DataLoader loader(pairs, {.batch_size = 64}, [](const std::vector<Pair>& pairs) { return Batch{...}; });
///
/// Which examples make a batch is a sampler's matter: BatchSampler's, which the options describe, or another one that is given in their
/// place, as a BucketSampler or one's own.
///
/// Each `begin()` starts an epoch, with an order of its own when shuffling: the same seed gives the same orders, epoch for epoch. A batch
/// counts as given once the loop has it, so a state_dict taken in the loop's body leads on to the batch after it; the first `begin()` after
/// load_state_dict goes on there, in the middle of an epoch, and does not gather the batches before. Of several loops the last one begun
/// counts. A loop over a const loader, as for an evaluation, goes through all of the epoch that the next `begin()` is about, `epoch()`, and
/// leaves the loader's place as it is; several threads may have such loops at once.
///
/// With `prefetch` a thread of the loop's own prepares that many batches ahead, while the loop's body computes. The batches are the same as
/// without, and so is the state, which counts batches given and not those prepared. What the dataset or the collate function throws comes
/// in the loop, at its batch. They are called in that thread, one call at a time, and so must not share with the loop's body what it
/// changes. Leaving the loop waits for the batch that is being prepared. After fork() the loop goes on in the child too, with a thread of
/// its own.
///
/// Random numbers that dataset and collate function draw (rand, dropout, ...) come from a generator of the batch's own, which the sampler's
/// seed (or, where it has none, the number last given to manual_seed), the epoch and the batch's number determine: they are the same with
/// and without `prefetch`, and in a training that was resumed, and the numbers drawn elsewhere do not depend on them.
///
/// Dataset and collate function are kept by value; copies of a loader share them, and so must be content with `const`. An empty dataset
/// gives no batches, and so does a loader that was moved from.
template <Dataset D, class Collate = DefaultCollate, Sampler S = BatchSampler>
requires std::invocable < const Collate&, const std::vector<Example<D>>
& > class DataLoader {
 public:
  using Examples = std::vector<Example<D>>;
  using Batch = std::remove_cvref_t<std::invoke_result_t<const Collate&, const Examples&>>;

  /// Throws ValueError when batch_size is below 1, prefetch negative, or a dataset that is to be read in order is shuffled.
  explicit DataLoader(D dataset, const LoaderOptions& options = {}, Collate collate = {}) requires std::same_as<S, BatchSampler>
      : DataLoader(std::move(dataset), std::move(collate), options.prefetch,
                   [&](const D& data) { return BatchSampler(data.size(), options); }) {
    if constexpr (requires { requires D::in_order; }) detail::check_in_order(options.shuffle);
  }
  /// Batches of a sampler, which must be about this dataset: an example that it names and the dataset has not is the dataset's to refuse.
  /// Throws ValueError when prefetch is negative.
  DataLoader(D dataset, S sampler, const PrefetchOptions& options = {}, Collate collate = {})
      : DataLoader(std::move(dataset), std::move(collate), options.prefetch, [&](const D&) { return std::move(sampler); }) {}

 private:
  /// What makes batches of examples: shared by the loops, so that one whose loader is moved or assigned to keeps what its thread uses.
  struct Source {
    D dataset;
    Collate collate;
  };

  /// An epoch as its loop sees it.
  struct Epoch {
    std::shared_ptr<const Source> source;
    EpochBatches batches;
    int64_t number;
    uint64_t seed;

    std::shared_ptr<Batch> prepare(int64_t i) const {
      const detail::RandomOfBatch random(seed, number, i);
      Examples examples;
      for (int64_t example : batches[i]) examples.push_back(source->dataset.get(example));
      return std::make_shared<Batch>(source->collate(examples));
    }
  };

 public:
  /// Goes through one epoch. It holds one batch at a time, moves but does not copy, and must not outlive the loader.
  class Iterator {
   public:
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;

    Batch& operator*() const noexcept { return *batch_; }
    Batch* operator->() const noexcept { return batch_.get(); }
    /// Throws what dataset and collate function throw, and ValueError when the iterator was moved from.
    Iterator& operator++() {
      if (!epoch_) detail::refuse_moved_loop();
      ++next_;
      load();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t) noexcept { return it.next_ >= it.loader_->size(); }

   private:
    friend class DataLoader;
    /// `told` is the loader that learns how far this loop has come; null for a loop over a const one.
    Iterator(const DataLoader& loader, DataLoader* told, const EpochPlace& from)
        : loader_(&loader), told_(told), loop_(told ? told->loop_.begin() : 0), next_(from.batch) {
      epoch_ = std::make_shared<const Epoch>(Epoch{loader.source_, loader.batches_of(from.epoch), from.epoch, loader.random_seed()});
      if (loader.prefetch_ > 0 && next_ < loader.size())
        prefetcher_ = std::make_unique<detail::Prefetcher>(next_, loader.size(), loader.prefetch_,
                                                           [epoch = epoch_](int64_t i) { return epoch->prepare(i); });
      load();
    }
    void load() {
      batch_.reset();
      if (next_ >= loader_->size()) {
        prefetcher_.reset();
        return arrive({.epoch = epoch_->number + 1});
      }
      batch_ = prefetcher_ ? std::static_pointer_cast<Batch>(prefetcher_->take()) : epoch_->prepare(next_);
      arrive({.epoch = epoch_->number, .batch = next_ + 1});
    }
    /// Tells the loader, if this is its loop.
    void arrive(const EpochPlace& place) {
      if (told_ && told_->loop_.is(loop_)) told_->place_ = place;
    }

    const DataLoader* loader_;
    DataLoader* told_;
    uint64_t loop_;
    int64_t next_;
    std::shared_ptr<const Epoch> epoch_;
    std::shared_ptr<Batch> batch_;
    std::unique_ptr<detail::Prefetcher> prefetcher_;  // its thread uses the epoch
  };

  /// Starts the next epoch, or goes on in the one that load_state_dict led to.
  Iterator begin() {
    const EpochPlace from{.epoch = epoch_++, .batch = std::exchange(first_batch_, 0)};
    place_ = from;
    return Iterator(*this, this, from);
  }
  /// Starts a loop over all of epoch `epoch()`, of which the loader knows nothing.
  Iterator begin() const { return Iterator(*this, nullptr, {.epoch = epoch_}); }
  std::default_sentinel_t end() const noexcept { return {}; }

  /// The number of batches in an epoch.
  int64_t size() const noexcept { return source_ ? static_cast<int64_t>(sampler_.size()) : 0; }
  /// Throws StateError when the loader was moved from.
  const D& dataset() const {
    if (!source_) detail::refuse_moved_loader();
    return source_->dataset;
  }
  const S& sampler() const noexcept { return sampler_; }
  /// The number of the epoch that the next begin() is about: how many were begun, but for one in whose middle load_state_dict led.
  /// set_epoch chooses it, and its first batch.
  int64_t epoch() const noexcept { return epoch_; }
  /// Makes the next begin() that of this epoch, from its first batch.
  void set_epoch(int64_t epoch) noexcept { move_to({.epoch = epoch}); }

  /// What a later training needs to go on with the next batch: the place in the data (`epoch`, `batch`), and what the sampler's batches
  /// depend on: of a BatchSampler the `seed` of the orders, `examples`, `batch_size`, `shuffle` and `drop_last`.
  StateDict state_dict() const requires ResumableSampler<S> { return sampler_.state_dict(place_); }
  /// Takes over a state_dict. A loop that is under way goes on as it was, and the next one begins at the place. Throws ValueError that
  /// lists what is missing, unexpected or unlike this loader, as another number of examples; then nothing was changed.
  void load_state_dict(const StateDict& state) requires ResumableSampler<S> { prepare_load_state_dict(state)(); }
  /// The first half of load_state_dict: throws what it would throw. The function that it gives is the second half, and does not throw.
  [[nodiscard]] std::function<void()> prepare_load_state_dict(const StateDict& state) requires ResumableSampler<S> {
    return [this, take_over = sampler_.prepare_load_state_dict(state)] { move_to(take_over()); };
  }

 private:
  /// The loop that the loader's place follows. A copy of a loader has none.
  class Loop {
   public:
    Loop() = default;
    Loop(const Loop&) noexcept {}
    Loop& operator=(const Loop&) noexcept { return begin(), *this; }
    uint64_t begin() noexcept { return ++number_; }
    bool is(uint64_t number) const noexcept { return number == number_; }

   private:
    uint64_t number_ = 0;
  };

  template <class MakeSampler>
  DataLoader(D&& dataset, Collate&& collate, int64_t prefetch, const MakeSampler& make_sampler)
      : source_(std::make_shared<const Source>(Source{std::move(dataset), std::move(collate)})),
        sampler_(make_sampler(source_->dataset)),
        prefetch_(prefetch) {
    detail::check_prefetch(prefetch);
  }

  void move_to(const EpochPlace& place) noexcept {
    loop_.begin();
    place_ = place;
    epoch_ = place.epoch;
    first_batch_ = place.batch;
  }
  EpochBatches batches_of(int64_t epoch) const { return source_ ? sampler_.batches(epoch) : EpochBatches(); }
  /// What the random numbers of the batches come from, beside the place.
  uint64_t random_seed() const {
    if constexpr (requires { std::optional<uint64_t>(sampler_.seed()); })
      if (const std::optional<uint64_t> seed = sampler_.seed()) return *seed;
    return detail::seed_of_process();
  }

  std::shared_ptr<const Source> source_;
  S sampler_;
  int64_t prefetch_;
  int64_t epoch_ = 0;        // that the next begin() is about
  int64_t first_batch_ = 0;  // of it
  EpochPlace place_;
  Loop loop_;
};

template <Dataset D>
DataLoader(D, LoaderOptions = {}) -> DataLoader<D, DefaultCollate, BatchSampler>;
template <Dataset D, class Collate>
DataLoader(D, LoaderOptions, Collate) -> DataLoader<D, Collate, BatchSampler>;
template <Dataset D, Sampler S>
DataLoader(D, S, PrefetchOptions = {}) -> DataLoader<D, DefaultCollate, S>;
template <Dataset D, Sampler S, class Collate>
DataLoader(D, S, PrefetchOptions, Collate) -> DataLoader<D, Collate, S>;

}  // namespace gradus::data
