#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <vector>

#include "core/allocator.h"
#include "core/check.h"

namespace gradus {

/// What `Array` takes its memory from: the caching allocator.
template <class T>
struct BlockAllocator {
  using value_type = T;
  BlockAllocator() noexcept = default;
  template <class U>
  BlockAllocator(const BlockAllocator<U>&) noexcept {}
  T* allocate(std::size_t n) { return static_cast<T*>(gradus::allocate(n * sizeof(T))); }
  void deallocate(T* data, std::size_t n) noexcept { gradus::deallocate(data, n * sizeof(T)); }
  friend bool operator==(const BlockAllocator&, const BlockAllocator&) noexcept { return true; }
};

/// A vector for as many values as a tensor has elements: it throws OutOfMemoryError.
template <class T>
using Array = std::vector<T, BlockAllocator<T>>;

/// Room for n values in a vector that the caller will own. Throws OutOfMemoryError that starts with op.
template <class T>
void reserve(const char* op, std::vector<T>& values, int64_t n) {
  try {
    values.reserve(static_cast<std::size_t>(n));
  } catch (const std::bad_alloc&) {
    fail<OutOfMemoryError>("{}: no memory for {} values", op, n);
  } catch (const std::length_error&) {
    fail<OutOfMemoryError>("{}: no memory for {} values", op, n);
  }
}

}  // namespace gradus
