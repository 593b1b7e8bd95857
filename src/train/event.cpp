#include "train/event.h"

#include <array>
#include <bit>

namespace gradus::train {
namespace {

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t value = b;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) != 0 ? 0x82F63B78U : 0);  // the polynomial's bits in reverse
    table[b] = value;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = make_table();

std::string little_endian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 0xFF);
  return text;
}

/// TensorFlow turns and shifts a check, so that the check of bytes that have a check in them is not special.
std::string masked_check(std::string_view bytes) { return little_endian((std::rotr(crc32c(bytes), 15) + 0xA282EAD8U) & 0xFFFFFFFFU, 4); }

/// How the bytes of a field lie.
enum class Wire { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

std::string varint(uint64_t value) {
  std::string text;
  for (; value >= 0x80; value >>= 7) text += static_cast<char>((value & 0x7F) | 0x80);
  return text + static_cast<char>(value);
}

std::string key(uint64_t field, Wire wire) { return varint(field << 3 | static_cast<uint64_t>(wire)); }

std::string bytes_field(uint64_t field, std::string_view bytes) {
  return key(field, Wire::Bytes) + varint(bytes.size()) + std::string(bytes);
}

std::string begun_event(double wall_time, int64_t step) {
  return key(1, Wire::Fixed64) + little_endian(std::bit_cast<uint64_t>(wall_time), 8) + key(2, Wire::Varint) +
         varint(static_cast<uint64_t>(step));
}

}  // namespace

uint32_t crc32c(std::string_view bytes) noexcept {
  uint32_t crc = ~0U;
  for (const char c : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~crc;
}

std::string record_of(std::string_view bytes) {
  const std::string size = little_endian(bytes.size(), 8);
  return size + masked_check(size) + std::string(bytes) + masked_check(bytes);
}

std::string version_event(double wall_time, int64_t step) { return begun_event(wall_time, step) + bytes_field(3, "brain.Event:2"); }

std::string start_event(double wall_time, int64_t step) {
  constexpr uint64_t start = 1;
  return begun_event(wall_time, step) + bytes_field(7, key(1, Wire::Varint) + varint(start));
}

std::string scalar_event(double wall_time, int64_t step, std::string_view tag, float value) {
  const std::string entry = bytes_field(1, tag) + key(2, Wire::Fixed32) + little_endian(std::bit_cast<uint32_t>(value), 4);
  return begun_event(wall_time, step) + bytes_field(5, bytes_field(1, entry));
}

}  // namespace gradus::train
