#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "gradus/state_dict.h"
#include "gradus/tensor.h"

/// Data in batches: a Dataset of examples, a DataLoader that gathers them, and what brings sequences to one length.
namespace gradus::data {

/// Anything with `size()`, the number of examples, and `get(i)`, example i of 0 … size() - 1: a struct of one's own will do.
template <class D>
concept Dataset = requires(const D& d, int64_t i) {
  { d.size() } -> std::convertible_to<int64_t>;
  d.get(i);
};

/// The type of a dataset's examples.
template <Dataset D>
using Example = std::remove_cvref_t<decltype(std::declval<const D&>().get(int64_t{}))>;

/// Tensors of the same length in dimension 0; example i is row i of each, as views. One that was moved from has no examples.
class GRADUS_API TensorDataset {
 public:
  /// Throws ValueError without tensors, ShapeError on scalars and on lengths that differ.
  explicit TensorDataset(std::vector<Tensor> tensors);
  int64_t size() const { return tensors_.empty() ? 0 : tensors_[0].size(0); }
  /// Throws IndexError outside 0 … size() - 1.
  std::vector<Tensor> get(int64_t i) const;
  const std::vector<Tensor>& tensors() const noexcept { return tensors_; }

 private:
  std::vector<Tensor> tensors_;
};

/// Stacks examples along a new dimension 0: tensor k of the batch holds tensor k of every example. Throws ShapeError where examples
/// differ in shape (pad_sequence brings sequences to one length) and ValueError where they differ in number.
struct GRADUS_API DefaultCollate {
  std::vector<Tensor> operator()(const std::vector<std::vector<Tensor>>& examples) const;
  /// The same for examples of one tensor.
  Tensor operator()(const std::vector<Tensor>& examples) const;
};

/// Joins sequences (T_i, ...) of different length into (T, B, ...), or (B, T, ...) with batch_first: T is the longest, and the places after
/// a sequence's end hold padding_value. Gradients go back to the sequences. Throws ValueError on an empty list, ShapeError on scalars and
/// on sizes that differ beyond dimension 0, DTypeError on dtypes that differ.
GRADUS_API Tensor pad_sequence(const std::vector<Tensor>& sequences, bool batch_first = false, double padding_value = 0);

/// How a DataLoader gathers examples.
struct LoaderOptions {
  int64_t batch_size = 1;
  bool shuffle = false;
  /// Of the shuffling; when left out, the generator behind manual_seed gives one.
  std::optional<uint64_t> seed = {};
  /// Leaves a last batch out that is not full.
  bool drop_last = false;
};

/// How far a DataLoader has come: `batch` batches of epoch `epoch` have been given.
struct EpochPlace {
  int64_t epoch = 0;
  int64_t batch = 0;
};

/// The order of the examples, epoch by epoch: what a DataLoader draws its batches from. One that was moved from has no examples.
class GRADUS_API BatchSampler {
 public:
  /// Throws ValueError when batch_size is below 1.
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
  /// All examples in the order of one epoch: shuffled by seed and number of the epoch alone, or as they are.
  std::vector<int64_t> order(int64_t epoch) const;
  /// The examples of one batch. Throws IndexError when there is no such batch, ValueError when `order` has another number of examples.
  std::vector<int64_t> batch(const std::vector<int64_t>& order, int64_t i) const;

  /// `epoch` and `batch`, the place, and what the orders depend on: `seed`, when shuffling, `examples`, `batch_size`, `shuffle` and
  /// `drop_last`.
  StateDict state_dict(const EpochPlace& place) const;
  /// Checks a state_dict; the function that it gives takes the seed over and returns the place. Throws ValueError that lists what is
  /// missing, unexpected, or unlike this sampler: with another number of examples or another batch size the place would be another one.
  std::function<EpochPlace()> prepare_load_state_dict(const StateDict& state);

 private:
  std::vector<std::pair<const char*, int64_t>> fixed() const;

  int64_t examples_;
  LoaderOptions options_;
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
/// Each `begin()` starts an epoch, with an order of its own when shuffling: the same seed gives the same orders, epoch for epoch. A batch
/// counts as given once the loop has it, so a state_dict taken in the loop's body leads on to the batch after it; the first `begin()` after
/// load_state_dict goes on there, in the middle of an epoch, and does not gather the batches before. Of several loops the last one begun
/// counts. The dataset is kept by value. An empty dataset gives no batches, and so does a loader that was moved from.
template <Dataset D, class Collate = DefaultCollate>
requires std::invocable < const Collate&, const std::vector<Example<D>>
& > class DataLoader {
 public:
  using Examples = std::vector<Example<D>>;
  using Batch = std::remove_cvref_t<std::invoke_result_t<const Collate&, const Examples&>>;

  /// Throws ValueError when batch_size is below 1.
  explicit DataLoader(D dataset, const LoaderOptions& options = {}, Collate collate = {})
      : dataset_(std::move(dataset)), sampler_(dataset_.size(), options), collate_(std::move(collate)) {}

  /// Goes through one epoch. It holds one batch at a time, and must not outlive the loader.
  class Iterator {
   public:
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;

    Batch& operator*() const noexcept { return *batch_; }
    Batch* operator->() const noexcept { return &*batch_; }
    Iterator& operator++() {
      ++next_;
      load();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t) noexcept { return it.next_ >= it.loader_->size(); }

   private:
    friend class DataLoader;
    Iterator(DataLoader& loader, const EpochPlace& from)
        : loader_(&loader), loop_(loader.loop_.begin()), epoch_(from.epoch), order_(loader.sampler_.order(from.epoch)), next_(from.batch) {
      load();
    }
    void load() {
      batch_.reset();
      if (next_ >= loader_->size()) return arrive({.epoch = epoch_ + 1});
      Examples examples;
      for (int64_t i : loader_->sampler_.batch(order_, next_)) examples.push_back(loader_->dataset_.get(i));
      batch_.emplace(loader_->collate_(examples));
      arrive({.epoch = epoch_, .batch = next_ + 1});
    }
    /// Tells the loader, if this is its loop.
    void arrive(const EpochPlace& place) {
      if (loader_->loop_.is(loop_)) loader_->place_ = place;
    }

    DataLoader* loader_;
    uint64_t loop_;
    int64_t epoch_;
    std::vector<int64_t> order_;
    int64_t next_;
    mutable std::optional<Batch> batch_;
  };

  /// Starts the next epoch, or goes on in the one that load_state_dict led to.
  Iterator begin() {
    const EpochPlace from{.epoch = epoch_++, .batch = std::exchange(first_batch_, 0)};
    place_ = from;
    return Iterator(*this, from);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

  /// The number of batches in an epoch.
  int64_t size() const noexcept { return sampler_.size(); }
  const D& dataset() const noexcept { return dataset_; }
  /// The number of the epoch that the next begin() is about: how many were begun, but for one in whose middle load_state_dict led.
  /// set_epoch chooses it, and its first batch.
  int64_t epoch() const noexcept { return epoch_; }
  void set_epoch(int64_t epoch) noexcept { move_to({.epoch = epoch}); }

  /// What a later training needs to go on with the next batch: the place in the data (`epoch`, `batch`), the `seed` of the orders, and what
  /// else they depend on (`examples`, `batch_size`, `shuffle`, `drop_last`).
  StateDict state_dict() const { return sampler_.state_dict(place_); }
  /// Takes over a state_dict. A loop that is under way goes on as it was, and the next one begins at the place. Throws ValueError that
  /// lists what is missing, unexpected or unlike this loader, as another number of examples; then nothing was changed.
  void load_state_dict(const StateDict& state) { prepare_load_state_dict(state)(); }
  /// The first half of load_state_dict: throws what it would throw. The function that it gives is the second half, and does not throw.
  [[nodiscard]] std::function<void()> prepare_load_state_dict(const StateDict& state) {
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

  void move_to(const EpochPlace& place) noexcept {
    loop_.begin();
    place_ = place;
    epoch_ = place.epoch;
    first_batch_ = place.batch;
  }

  D dataset_;
  BatchSampler sampler_;
  Collate collate_;
  int64_t epoch_ = 0;        // that the next begin() is about
  int64_t first_batch_ = 0;  // of it
  EpochPlace place_;
  Loop loop_;
};

}  // namespace gradus::data
