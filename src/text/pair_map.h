#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace gradus::text {

/// Two tokens, one behind the other, by their indices.
struct TokenPair {
  int32_t left, right;
  friend bool operator==(TokenPair a, TokenPair b) noexcept { return a.left == b.left && a.right == b.right; }
  friend bool operator<(TokenPair a, TokenPair b) noexcept { return a.left != b.left ? a.left < b.left : a.right < b.right; }
};

/// A hash table from pairs, with open addressing: half of it is empty at least, so that a search ends soon. Nothing is removed.
template <class Value>
class PairMap {
 public:
  const Value* find(TokenPair key) const noexcept {
    if (slots_.empty()) return nullptr;
    const Slot& slot = slots_[place_of(key)];
    return slot.key == kNone ? nullptr : &slot.value;
  }

  /// The value of a key; a new one where it has none.
  Value& operator[](TokenPair key) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    Slot& slot = slots_[place_of(key)];
    if (slot.key == kNone) {
      slot.key = key;
      ++size_;
    }
    return slot.value;
  }

  size_t size() const noexcept { return size_; }

  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const Slot& slot : slots_)
      if (!(slot.key == kNone)) visit(slot.key, slot.value);
  }

 private:
  static constexpr TokenPair kNone{-1, -1};
  struct Slot {
    TokenPair key = kNone;
    Value value{};
  };

  size_t place_of(TokenPair key) const noexcept {
    uint64_t mixed = static_cast<uint64_t>(static_cast<uint32_t>(key.left)) << 32 | static_cast<uint32_t>(key.right);
    mixed *= 0x9E3779B97F4A7C15U;
    size_t place = static_cast<size_t>(mixed >> shift_);
    while (!(slots_[place].key == kNone) && !(slots_[place].key == key)) place = (place + 1) & (slots_.size() - 1);
    return place;
  }

  void grow() {
    std::vector<Slot> old(slots_.empty() ? 16 : 2 * slots_.size());
    old.swap(slots_);
    shift_ = 64 - std::countr_zero(slots_.size());
    for (Slot& slot : old)
      if (!(slot.key == kNone)) slots_[place_of(slot.key)] = std::move(slot);
  }

  std::vector<Slot> slots_;
  size_t size_ = 0;
  int shift_ = 64;
};

}  // namespace gradus::text
