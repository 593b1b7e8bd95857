#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/function_ref.h"
#include "core/layout.h"
#include "core/thread_pool.h"

namespace gradus::kernels {

inline constexpr int64_t pointwise_grain = elements_a_piece;

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
  /// Distances between neighbouring rows.
  const Places& row_steps() const noexcept { return strides_[1]; }
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
    for_each_run(0, rows(), [&](Places places, int64_t count) {
      for (int64_t r = 0; r < count; ++r) {
        row(places);
        for (size_t k = 0; k < N; ++k) places[k] += strides_[1][k];
      }
    });
  }

  /// Calls run(places, count) for runs of `count` rows, row_steps() apart, that make up rows [begin, end) of rows().
  template <class Run>
  void for_each_run(int64_t begin, int64_t end, Run run) const {
    Places places = start_;
    const auto move = [&](size_t d, int64_t count) {
      for (size_t k = 0; k < N; ++k) places[k] += strides_[d][k] * count;
    };
    std::array<int64_t, Shape::max_rank + 1> count{};
    int64_t rest = begin;
    for (size_t d = 1; d < rank_ && rest > 0; rest /= sizes_[d++]) {
      count[d] = rest % sizes_[d];
      move(d, count[d]);
    }
    for (int64_t left = end - begin; left > 0;) {
      const int64_t rows = rank_ == 1 ? 1 : std::min(sizes_[1] - count[1], left);
      run(places, rows);
      left -= rows;
      int64_t moved = rows;
      for (size_t d = 1; d < rank_; ++d, moved = 1) {
        move(d, moved);
        count[d] += moved;
        if (count[d] < sizes_[d]) break;
        move(d, -sizes_[d]);
        count[d] = 0;
      }
    }
  }

  /// Calls piece(places, rows, n) for `rows` rows of n elements, row_steps() apart, which together make all elements, on the pool's
  /// threads. No two elements may be written to one place.
  void parallel_pieces(FunctionRef<void(const Places& places, int64_t rows, int64_t n)> piece) const;

 private:
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
