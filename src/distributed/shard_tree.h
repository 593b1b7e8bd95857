#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

/// The order in which the parts of a sum are added up: a binary tree over the shards 0 … S - 1 that depends on S alone. Two neighbouring
/// blocks of 2^k shards make one of 2^(k+1), as long as there are two; what is left at the end is added from the right.
namespace gradus::distributed {

/// The shards first … first + count - 1, where count is a power of two that divides first: a node of the tree.
struct Block {
  int64_t first;
  int64_t count;
  int64_t end() const noexcept { return first + count; }
};

/// The fewest nodes that make up the shards first … end - 1.
std::vector<Block> blocks_of(int64_t first, int64_t end);

/// Who has which shards: rank r has first(r) … first(r + 1) - 1, and so, before anything is sent, the sums of blocks(r).
class ShardTree {
 public:
  ShardTree(int64_t shards, int ranks);

  int64_t shards() const noexcept { return shards_; }
  int ranks() const noexcept { return static_cast<int>(blocks_.size()); }
  int64_t first(int rank) const noexcept { return rank * shards_ / ranks(); }
  const std::vector<Block>& blocks(int rank) const noexcept { return blocks_[static_cast<size_t>(rank)]; }

 private:
  int64_t shards_;
  std::vector<std::vector<Block>> blocks_;
};

/// A sum whose parts come in the order of their shards; `add(a, b)` adds b to a.
template <class Value>
class TreeSum {
 public:
  template <class Add>
  void push(const Block& block, Value value, const Add& add) {
    parts_.emplace_back(block, std::move(value));
    while (parts_.size() > 1) {
      const Block a = parts_[parts_.size() - 2].first, b = parts_.back().first;
      if (a.count != b.count || a.first % (2 * a.count) != 0) return;
      join(add);
    }
  }

  /// The whole sum, of one part at least.
  template <class Add>
  Value finish(const Add& add) {
    while (parts_.size() > 1) join(add);
    Value whole = std::move(parts_.back().second);
    parts_.clear();
    return whole;
  }

  /// The sums of the blocks that have come.
  std::vector<std::pair<Block, Value>>& parts() noexcept { return parts_; }

 private:
  template <class Add>
  void join(const Add& add) {
    add(parts_[parts_.size() - 2].second, parts_.back().second);
    parts_[parts_.size() - 2].first.count += parts_.back().first.count;
    parts_.pop_back();
  }

  std::vector<std::pair<Block, Value>> parts_;
};

}  // namespace gradus::distributed
