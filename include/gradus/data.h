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

 private:
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
/// Each `begin()` starts an epoch, with an order of its own when shuffling: the same seed gives the same orders, epoch for epoch.
/// The dataset is kept by value. An empty dataset gives no batches, and so does a loader that was moved from.
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

    Iterator(const DataLoader& loader, int64_t epoch) : loader_(&loader), order_(loader.sampler_.order(epoch)) { load(); }
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
    void load() {
      batch_.reset();
      if (next_ >= loader_->size()) return;
      Examples examples;
      for (int64_t i : loader_->sampler_.batch(order_, next_)) examples.push_back(loader_->dataset_.get(i));
      batch_.emplace(loader_->collate_(examples));
    }

    const DataLoader* loader_;
    std::vector<int64_t> order_;
    int64_t next_ = 0;
    mutable std::optional<Batch> batch_;
  };

  /// Starts the next epoch.
  Iterator begin() { return Iterator(*this, epoch_++); }
  std::default_sentinel_t end() const noexcept { return {}; }

  /// The number of batches in an epoch.
  int64_t size() const noexcept { return sampler_.size(); }
  const D& dataset() const noexcept { return dataset_; }
  /// The number of epochs begun. set_epoch chooses the order that the next one has, to go on after a restart.
  int64_t epoch() const noexcept { return epoch_; }
  void set_epoch(int64_t epoch) noexcept { epoch_ = epoch; }

 private:
  D dataset_;
  BatchSampler sampler_;
  Collate collate_;
  int64_t epoch_ = 0;
};

}  // namespace gradus::data
