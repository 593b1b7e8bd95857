#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "gradus/tensor.h"

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

namespace detail {

/// Throws IndexError that names the dataset when i is outside 0 … size - 1.
GRADUS_API void check_example(const char* dataset, int64_t i, int64_t size);

}  // namespace detail

/// Examples of any type in a list, such as pairs of sentences. One that was moved from has no examples.
template <class T>
class ListDataset {
 public:
  explicit ListDataset(std::vector<T> examples) : examples_(std::move(examples)) {}
  int64_t size() const noexcept { return static_cast<int64_t>(examples_.size()); }
  /// Throws IndexError outside 0 … size() - 1.
  const T& get(int64_t i) const {
    detail::check_example("ListDataset", i, size());
    return examples_[static_cast<size_t>(i)];
  }
  const std::vector<T>& examples() const noexcept { return examples_; }

 private:
  std::vector<T> examples_;
};

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

/// A number for every example, as BucketSampler wants their lengths: `lengths_of(pairs, [](const Pair& p) { return p.source.size(); })`.
template <Dataset D, class Length>
requires std::is_invocable_v<const Length&, Example<D>> std::vector<int64_t> lengths_of(const D& dataset, const Length& length) {
  std::vector<int64_t> lengths;
  const int64_t n = dataset.size();
  lengths.reserve(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) lengths.push_back(static_cast<int64_t>(length(dataset.get(i))));
  return lengths;
}

struct StripBlock;

/// Stacks examples along a new dimension 0: tensor k of the batch holds tensor k of every example. Throws ShapeError where examples
/// differ in shape (pad_sequence brings sequences to one length) and ValueError where they differ in number.
struct GRADUS_API DefaultCollate {
  std::vector<Tensor> operator()(const std::vector<std::vector<Tensor>>& examples) const;
  /// The same for examples of one tensor.
  Tensor operator()(const std::vector<Tensor>& examples) const;
  /// A block of Strips is a batch already. Throws ValueError unless there is one.
  StripBlock operator()(const std::vector<StripBlock>& blocks) const;
};

}  // namespace gradus::data
