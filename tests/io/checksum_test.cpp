#include "io/checksum.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using gradus::io::Checksum;

namespace {

std::string sum_of(const std::string& bytes) {
  Checksum sum;
  sum.add(bytes.data(), bytes.size());
  return sum.str();
}

}  // namespace

TEST_CASE("the checksum is XXH64, as its specification and other libraries have it") {
  CHECK(sum_of("") == "ef46db3751d8e999");
  CHECK(sum_of("a") == "d24ec4f1a98c6e5b");
  CHECK(sum_of("abc") == "44bc2cf5ad770999");
  CHECK(sum_of("123456789") == "8cb841db40e6ae83");
  CHECK(sum_of("Nobody inspects the spammish repetition") == "fbcea83c8a378bf1");
}

TEST_CASE("the checksum is the same however the bytes are cut into pieces, and another one when a bit is") {
  std::string bytes;
  for (int i = 0; i < 150; ++i) bytes += static_cast<char>(i * 37 % 251);
  for (size_t length = 0; length <= bytes.size(); ++length) {
    const std::string some = bytes.substr(0, length), whole = sum_of(some);
    for (const size_t piece : {1, 3, 8, 31, 32, 33, 64}) {
      Checksum sum;
      for (size_t at = 0; at < length; at += piece) sum.add(some.data() + at, std::min(piece, length - at));
      CHECK(sum.str() == whole);
    }
    for (size_t bit = 0; bit < 8 * length; bit += 5) {
      std::string flipped = some;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
      CHECK(sum_of(flipped) != whole);
    }
  }
}
