#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <utility>

#include "gradus/shape.h"

/// What the fuzz targets share. A target is a function of bytes that libFuzzer calls with ever new ones; whatever it does but return is a
/// fault, and the bytes are kept in a file.
namespace fuzz {

/// Ends the run: what was promised does not hold.
[[noreturn]] inline void fault(const std::string& what) {
  std::fprintf(stderr, "FAULT: %s\n", what.c_str());
  std::abort();
}

inline void expect(bool holds, const char* what) {
  if (!holds) fault(what);
}

/// Bytes as a list of decisions; all that follow the last are 0.
class Choices {
 public:
  Choices(const uint8_t* bytes, size_t size) : bytes_(bytes, size) {}

  bool are_left() const noexcept { return at_ < bytes_.size(); }
  uint8_t byte() { return are_left() ? bytes_[at_++] : 0; }
  bool flip() { return byte() % 2 != 0; }
  /// One of 0 … n - 1.
  int64_t below(int64_t n) { return byte() % n; }
  /// One of low … high.
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }
  /// A shape of at most `rank` dimensions, each of at most `most` elements.
  gradus::Shape shape(int64_t rank, int64_t most) {
    gradus::Shape shape = gradus::Shape::filled(below(rank + 1), 0);
    for (int64_t& size : shape) size = below(most + 1);
    return shape;
  }

 private:
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
};

/// Where the element at `index` stands in a list of all, row by row.
inline size_t place_of(const gradus::Shape& index, const gradus::Shape& shape) {
  int64_t place = 0;
  for (int64_t d = 0; d < shape.size(); ++d) place = place * shape[d] + index[d];
  return static_cast<size_t>(place);
}

/// Goes through all indices of a shape in row-major order.
template <class F>
void for_each_index(const gradus::Shape& shape, F f) {
  gradus::Shape index = gradus::Shape::filled(shape.size(), 0);
  for (int64_t left = shape.numel(); left > 0; --left) {
    f(std::as_const(index));
    for (int64_t d = shape.size() - 1; d >= 0; --d) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
}

}  // namespace fuzz
