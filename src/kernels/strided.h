#pragma once

#include <array>
#include <cstdint>

#include "core/layout.h"

namespace gradus::kernels {

inline constexpr int64_t pointwise_grain = 1 << 15;  // elements a thread takes at a time

/// The walk over N layouts of one shape, with as few loops as it takes: dimensions of size 1 are left out, neighbours that lie evenly in
/// every layout become one. The innermost loop is left to the caller, as a row.
template <size_t N>
class Walk {
 public:
  using Places = std::array<int64_t, N>;

  explicit Walk(const std::array<const Layout*, N>& layouts) {
    const Shape& shape = layouts[0]->shape;
    for (size_t k = 0; k < N; ++k) start_[k] = layouts[k]->offset;
    for (int64_t d = shape.size() - 1; d >= 0; --d) {
      if (shape[d] == 1) continue;
      Places stride;
      for (size_t k = 0; k < N; ++k) stride[k] = layouts[k]->strides[d];
      if (rank_ > 0 && continues(stride)) {
        sizes_[rank_ - 1] *= shape[d];
      } else {
        sizes_[rank_] = shape[d];
        strides_[rank_++] = stride;
      }
    }
    if (rank_ == 0) {
      sizes_[0] = shape.numel() == 0 ? 0 : 1;
      strides_[rank_++] = Places{};
    }
  }

  /// Distances between neighbours in a row.
  const Places& row_strides() const noexcept { return strides_[0]; }
  int64_t row_length() const noexcept { return sizes_[0]; }
  /// The number of loops, the row's among them; 0 is the innermost.
  size_t rank() const noexcept { return rank_; }
  int64_t size(size_t d) const noexcept { return sizes_[d]; }
  const Places& strides(size_t d) const noexcept { return strides_[d]; }
  /// How many rows there are; none where there are no elements.
  int64_t rows() const noexcept {
    int64_t count = sizes_[0] == 0 ? 0 : 1;
    for (size_t d = 1; d < rank_; ++d) count *= sizes_[d];
    return count;
  }
  /// True when all elements are one row.
  bool single_row() const noexcept { return rank_ == 1; }
  const Places& start() const noexcept { return start_; }

  /// The same walk without its loop d > 0.
  Walk without(size_t d) const {
    Walk walk = *this;
    for (--walk.rank_; d < walk.rank_; ++d) walk.sizes_[d] = sizes_[d + 1], walk.strides_[d] = strides_[d + 1];
    return walk;
  }

  /// Calls row(places) with the place of each row's first element in each layout.
  template <class Row>
  void for_each_row(Row row) const {
    for_each_row(0, rows(), row);
  }

  /// The same for rows [begin, end) of rows().
  template <class Row>
  void for_each_row(int64_t begin, int64_t end, Row row) const {
    Places places = start_;
    std::array<int64_t, Shape::max_rank + 1> count{};
    int64_t rest = begin;
    for (size_t d = 1; d < rank_ && rest > 0; rest /= sizes_[d++]) {
      count[d] = rest % sizes_[d];
      for (size_t k = 0; k < N; ++k) places[k] += strides_[d][k] * count[d];
    }
    for (int64_t left = end - begin; left > 0; --left) {
      row(places);
      size_t d = 1;
      for (; d < rank_; ++d) {
        for (size_t k = 0; k < N; ++k) places[k] += strides_[d][k];
        if (++count[d] < sizes_[d]) break;
        for (size_t k = 0; k < N; ++k) places[k] -= strides_[d][k] * sizes_[d];
        count[d] = 0;
      }
    }
  }

  /// Calls piece(places, n) for runs of n elements of a row, which together make all of them, on the pool's threads. No two elements may
  /// be written to one place.
  template <class Piece>
  void parallel_pieces(const Piece& piece) const {
    run(&piece, [](const void* p, const Places& places, int64_t n) { (*static_cast<const Piece*>(p))(places, n); });
  }

 private:
  /// Behind a pointer, so that the loops are there once for all operations: they would make up a fifth of the library.
  void run(const void* piece, void (*call)(const void* piece, const Places& places, int64_t n)) const;

  bool continues(const Places& stride) const {
    for (size_t k = 0; k < N; ++k)
      if (stride[k] != strides_[rank_ - 1][k] * sizes_[rank_ - 1]) return false;
    return true;
  }

  size_t rank_ = 0;
  std::array<int64_t, Shape::max_rank + 1> sizes_{};
  std::array<Places, Shape::max_rank + 1> strides_{};
  Places start_{};
};

}  // namespace gradus::kernels
