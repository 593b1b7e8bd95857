#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "gradus/export.h"

namespace gradus {

/// A short list of integers held inline: the sizes of a tensor, its strides, or a list of dimensions.
/// Holds at most `max_rank` entries; a longer list throws ShapeError.
class GRADUS_API Shape {
 public:
  static constexpr int64_t max_rank = 8;

  constexpr Shape() noexcept = default;

  /// One entry: `zeros(3)` makes a vector of three, `x.sum(0)` sums over dimension 0.
  template <std::integral T>
  constexpr Shape(T value) noexcept : size_(1) {
    values_[0] = static_cast<int64_t>(value);
  }

  /// `{2, 3, 4}`.
  Shape(std::initializer_list<int64_t> values) : Shape(std::span<const int64_t>(values.begin(), values.size())) {}
  Shape(const std::vector<int64_t>& values) : Shape(std::span<const int64_t>(values)) {}
  explicit Shape(std::span<const int64_t> values);

  /// `rank` entries, each `value`.
  static Shape filled(int64_t rank, int64_t value);

  constexpr int64_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr int64_t* begin() noexcept { return values_.data(); }
  constexpr int64_t* end() noexcept { return values_.data() + size_; }
  constexpr const int64_t* begin() const noexcept { return values_.data(); }
  constexpr const int64_t* end() const noexcept { return values_.data() + size_; }
  constexpr int64_t& operator[](int64_t i) noexcept { return values_[static_cast<size_t>(i)]; }
  constexpr int64_t operator[](int64_t i) const noexcept { return values_[static_cast<size_t>(i)]; }
  constexpr int64_t back() const noexcept { return values_[static_cast<size_t>(size_ - 1)]; }

  /// Appends an entry; throws ShapeError beyond `max_rank`.
  void push_back(int64_t value);
  /// Puts an entry before position i (0 to size()).
  void insert(int64_t i, int64_t value);
  /// Takes the entry at position i out.
  void erase(int64_t i);

  /// The product of the entries, 1 when there are none: the number of elements of a tensor of this shape.
  int64_t numel() const noexcept;

  /// "[2, 3, 4]", as error messages and `print` show it.
  std::string str() const;

  friend bool operator==(const Shape& a, const Shape& b) noexcept {
    if (a.size_ != b.size_) return false;
    for (int64_t i = 0; i < a.size_; ++i)
      if (a[i] != b[i]) return false;
    return true;
  }

  /// Writes str(): `std::cout << x.shape()`.
  GRADUS_API friend std::ostream& operator<<(std::ostream& out, const Shape& shape);

 private:
  std::array<int64_t, max_rank> values_{};
  int64_t size_ = 0;
};

using Dims = Shape;     ///< a list of dimensions, negative ones counted from the end
using Strides = Shape;  ///< distances in elements

}  // namespace gradus
