#pragma once

#include <cstdint>

#include "core/allocator.h"

namespace gradus {

/// Room for n values while it lives, not initialised. It comes from the caching allocator: a kernel asks for the same sizes every time.
/// Throws OutOfMemoryError.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t n) : bytes_(bytes_of(n)), data_(static_cast<T*>(allocate(bytes_))) {}
  ~Scratch() { deallocate(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* data() const noexcept { return data_; }

 private:
  /// More than there can be where the product is beyond an integer, so that `allocate` refuses it.
  static std::size_t bytes_of(int64_t n) noexcept {
    std::size_t bytes = 0;
    return __builtin_mul_overflow(n, sizeof(T), &bytes) ? ~std::size_t{0} : bytes;
  }

  std::size_t bytes_;
  T* data_;
};

}  // namespace gradus
