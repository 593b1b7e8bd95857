#include "io/checksum.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace gradus::io {
namespace {

static_assert(std::endian::native == std::endian::little, "the words of a file are little-endian");

// The five primes of the specification (github.com/Cyan4973/xxHash, doc/xxhash_spec.md).
constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87, kPrime2 = 0xC2B2AE3D27D4EB4F, kPrime3 = 0x165667B19E3779F9, kPrime4 = 0x85EBCA77C2B2AE63,
                   kPrime5 = 0x27D4EB2F165667C5;

template <class Word>
Word word_at(const unsigned char* from) noexcept {
  Word word;
  std::memcpy(&word, from, sizeof(word));
  return word;
}

/// A lane with one word more.
constexpr uint64_t round(uint64_t lane, uint64_t word) noexcept { return std::rotl(lane + word * kPrime2, 31) * kPrime1; }

}  // namespace

void Checksum::take_stripe(const unsigned char* from) noexcept {
  for (size_t i = 0; i < lanes_.size(); ++i) lanes_[i] = round(lanes_[i], word_at<uint64_t>(from + 8 * i));
}

void Checksum::add(const void* bytes, size_t count) noexcept {
  const auto* at = static_cast<const unsigned char*>(bytes);
  const unsigned char* const end = at + count;
  total_ += count;
  if (waiting_count_ > 0) {
    const size_t n = std::min(count, stripe - waiting_count_);
    std::copy_n(at, n, waiting_.begin() + static_cast<std::ptrdiff_t>(waiting_count_));
    at += n;
    waiting_count_ += n;
    if (waiting_count_ < stripe) return;
    take_stripe(waiting_.data());
    waiting_count_ = 0;
  }
  auto [a, b, c, d] = lanes_;  // in registers
  for (; end - at >= static_cast<std::ptrdiff_t>(stripe); at += stripe) {
    a = round(a, word_at<uint64_t>(at));
    b = round(b, word_at<uint64_t>(at + 8));
    c = round(c, word_at<uint64_t>(at + 16));
    d = round(d, word_at<uint64_t>(at + 24));
  }
  lanes_ = {a, b, c, d};
  waiting_count_ = static_cast<size_t>(end - at);
  std::copy(at, end, waiting_.begin());
}

uint64_t Checksum::value() const noexcept {
  uint64_t sum = kPrime5;
  if (total_ >= stripe) {
    sum = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) + std::rotl(lanes_[3], 18);
    for (const uint64_t lane : lanes_) sum = (sum ^ round(0, lane)) * kPrime1 + kPrime4;
  }
  sum += total_;
  const unsigned char* at = waiting_.data();
  const unsigned char* const end = at + waiting_count_;
  for (; end - at >= 8; at += 8) sum = std::rotl(sum ^ round(0, word_at<uint64_t>(at)), 27) * kPrime1 + kPrime4;
  if (end - at >= 4) {
    sum = std::rotl(sum ^ word_at<uint32_t>(at) * kPrime1, 23) * kPrime2 + kPrime3;
    at += 4;
  }
  for (; at < end; ++at) sum = std::rotl(sum ^ *at * kPrime5, 11) * kPrime1;
  sum = (sum ^ sum >> 33) * kPrime2;
  sum = (sum ^ sum >> 29) * kPrime3;
  return sum ^ sum >> 32;
}

std::string Checksum::str() const { return fmt::format("{:016x}", value()); }

}  // namespace gradus::io
