#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace gradus::io {

/// XXH64 (Collet 2012, with seed 0): of changes within one aligned word of 8 bytes none goes unnoticed, of all others one in 2^64. It takes
/// bytes faster than a disk does.
class Checksum {
 public:
  void add(const void* bytes, size_t count) noexcept;
  uint64_t value() const noexcept;
  /// 16 hexadecimal digits.
  std::string str() const;

 private:
  static constexpr size_t stripe = 32;
  void take_stripe(const unsigned char* from) noexcept;

  std::array<uint64_t, 4> lanes_{0x60EA27EEADC0B5D6, 0xC2B2AE3D27D4EB4F, 0, 0x61C8864E7A143579};
  std::array<unsigned char, stripe> waiting_{};  // bytes that do not fill a stripe yet
  size_t waiting_count_ = 0;
  uint64_t total_ = 0;
};

}  // namespace gradus::io
