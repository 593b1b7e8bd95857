#include "io/crc32.h"

#include <array>
#include <cstring>

namespace gradus::io {
namespace {

constexpr size_t kStep = 8;
using Tables = std::array<std::array<uint32_t, 256>, kStep>;

/// tables[k][b]: what byte b, followed by k zero bytes, adds to the remainder. So eight bytes are looked up at once.
constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t value = b;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) != 0 ? 0xEDB88320U : 0);
    tables[0][b] = value;
  }
  for (size_t k = 1; k < kStep; ++k)
    for (uint32_t b = 0; b < 256; ++b) tables[k][b] = tables[k - 1][b] >> 8 ^ tables[0][tables[k - 1][b] & 0xFF];
  return tables;
}
constexpr Tables kTables = make_tables();

}  // namespace

uint32_t crc32(uint32_t crc, const void* from, size_t bytes) noexcept {
  const auto* at = static_cast<const unsigned char*>(from);
  crc = ~crc;
  for (; bytes >= kStep; bytes -= kStep, at += kStep) {
    uint64_t word;
    std::memcpy(&word, at, kStep);
    word ^= crc;
    crc = 0;
    for (size_t k = 0; k < kStep; ++k) crc ^= kTables[kStep - 1 - k][word >> 8 * k & 0xFF];
  }
  for (; bytes > 0; --bytes) crc = crc >> 8 ^ kTables[0][(crc ^ *at++) & 0xFF];
  return ~crc;
}

}  // namespace gradus::io
