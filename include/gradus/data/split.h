#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "gradus/data/dataset.h"

namespace gradus::data {

namespace detail {

/// Throws IndexError when an index is outside 0 … examples - 1.
GRADUS_API void check_subset(const std::vector<int64_t>& indices, int64_t examples);
/// Throws StateError.
[[noreturn]] GRADUS_API void refuse_moved_subset();
/// The indices of the parts of random_split.
GRADUS_API std::vector<std::vector<int64_t>> split_indices(int64_t examples, const std::vector<int64_t>& lengths,
                                                           const std::optional<uint64_t>& seed);
GRADUS_API std::vector<std::vector<int64_t>> split_indices(int64_t examples, const std::vector<double>& fractions,
                                                           const std::optional<uint64_t>& seed);
/// The indices of the parts of group_split: groups[i] is the number of the group that example i belongs to, 0 … count - 1.
GRADUS_API std::vector<std::vector<int64_t>> split_groups(const std::vector<int64_t>& groups, int64_t count,
                                                          const std::vector<double>& fractions, const std::optional<uint64_t>& seed);

}  // namespace detail

/// Some of a dataset's examples, in an order of one's own: example i is the dataset's example indices()[i]. Subsets of one dataset share
/// it.
template <Dataset D>
class Subset {
 public:
  /// Throws IndexError when an index is outside the dataset.
  Subset(D dataset, std::vector<int64_t> indices) : Subset(std::make_shared<const D>(std::move(dataset)), std::move(indices)) {}
  Subset(std::shared_ptr<const D> dataset, std::vector<int64_t> indices) : dataset_(std::move(dataset)), indices_(std::move(indices)) {
    detail::check_subset(indices_, dataset_->size());
  }
  int64_t size() const noexcept { return static_cast<int64_t>(indices_.size()); }
  /// Throws IndexError outside 0 … size() - 1.
  decltype(auto) get(int64_t i) const {
    detail::check_example("Subset", i, size());
    return dataset_->get(indices_[static_cast<size_t>(i)]);
  }
  /// Throws StateError when the subset was moved from; then it has no examples.
  const D& dataset() const {
    if (!dataset_) detail::refuse_moved_subset();
    return *dataset_;
  }
  const std::vector<int64_t>& indices() const noexcept { return indices_; }

 private:
  std::shared_ptr<const D> dataset_;
  std::vector<int64_t> indices_;
};

namespace detail {

template <Dataset D>
std::vector<Subset<D>> subsets(D dataset, const auto& split) {
  const auto shared = std::make_shared<const D>(std::move(dataset));
  std::vector<Subset<D>> parts;
  for (auto& indices : split(*shared)) parts.emplace_back(shared, std::move(indices));
  return parts;
}

template <class Number>
using Lengths = std::vector<std::conditional_t<std::integral<Number>, int64_t, double>>;

}  // namespace detail

/// Divides a dataset at random into parts that have no example in common. Whole numbers are the lengths of the parts and must add up to the
/// dataset's size; real ones are fractions and must add up to 1: a part has floor(fraction * size) examples, and those that are left go
/// one each to the first parts. Without a seed the generator behind manual_seed gives the order. Lengths and examples are those
/// of PyTorch's random_split, with a generator of the same seed.
///
///     auto parts = data::random_split(pairs, {0.9, 0.05, 0.05}, 1);  // parts[0] to train, parts[1] to choose by, parts[2] to test
///     data::DataLoader loader(parts[0], …);
///
/// Throws ValueError on no parts, lengths that are negative or do not add up, and fractions that are not in [0, 1] or do not add up to 1.
template <Dataset D, class Number>
requires std::is_arithmetic_v<Number> std::vector<Subset<D>> random_split(D dataset, const std::vector<Number>& lengths,
                                                                          std::optional<uint64_t> seed = {}) {
  const detail::Lengths<Number> wanted(lengths.begin(), lengths.end());
  return detail::subsets(std::move(dataset), [&](const D& d) { return detail::split_indices(d.size(), wanted, seed); });
}
template <Dataset D, class Number>
requires std::is_arithmetic_v<Number> std::vector<Subset<D>> random_split(D dataset, std::initializer_list<Number> lengths,
                                                                          std::optional<uint64_t> seed = {}) {
  return random_split(std::move(dataset), std::vector<Number>(lengths), seed);
}

/// The same by groups: examples of which `key(example)` is equal, as all translations of one sentence, are in one part, so that no part is
/// tested on what another one was trained on. The groups are put in a random order, and a part takes those whose middle falls into its
/// share of the examples: it is as large as its fraction says, but for half a group at either end. A group's examples stay in their order.
/// Keys need `<`. Throws ValueError on no parts, and fractions that are not in [0, 1] or do not add up to 1.
///
///     auto parts = data::group_split(pairs, [](const Pair& pair) { return pair.source; }, {0.95, 0.05}, 1);
template <Dataset D, class Key>
requires std::is_invocable_v<const Key&, Example<D>> std::vector<Subset<D>> group_split(D dataset, const Key& key,
                                                                                        const std::vector<double>& fractions,
                                                                                        std::optional<uint64_t> seed = {}) {
  return detail::subsets(std::move(dataset), [&](const D& d) {
    std::map<std::remove_cvref_t<std::invoke_result_t<const Key&, Example<D>>>, int64_t> numbers;
    std::vector<int64_t> groups;
    const int64_t n = d.size();
    for (int64_t i = 0; i < n; ++i) groups.push_back(numbers.emplace(key(d.get(i)), static_cast<int64_t>(numbers.size())).first->second);
    return detail::split_groups(groups, static_cast<int64_t>(numbers.size()), fractions, seed);
  });
}

}  // namespace gradus::data
