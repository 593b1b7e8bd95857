#pragma once

#include <algorithm>
#include <cstdint>

namespace gradus::kernels {

/// How a matrix is read: as it is stored, or transposed.
enum class Trans { No, Yes };

/// A matrix (rows, cols) on somebody else's memory. Its elements lie row by row, or column by column where it is the transpose of what is
/// stored; `ld`, the leading dimension, is the distance from one stored row (or column) to the next.
template <class T>
struct MatrixView {
  T* data;
  int64_t rows, cols, ld;
  Trans trans;

  MatrixView(T* data_, int64_t rows_, int64_t cols_, int64_t ld_, Trans trans_ = Trans::No)
      : data(data_), rows(rows_), cols(cols_), ld(std::max<int64_t>(ld_, 1)), trans(trans_) {}
  /// A dense one.
  MatrixView(T* data_, int64_t rows_, int64_t cols_) : MatrixView(data_, rows_, cols_, cols_) {}

  operator MatrixView<const T>() const { return {data, rows, cols, ld, trans}; }

  bool is_transposed() const noexcept { return trans == Trans::Yes; }
  T* at(int64_t i, int64_t j) const noexcept { return data + (is_transposed() ? j * ld + i : i * ld + j); }
  T& operator()(int64_t i, int64_t j) const noexcept { return *at(i, j); }

  MatrixView transposed() const { return {data, cols, rows, ld, is_transposed() ? Trans::No : Trans::Yes}; }
  /// The (count, cols) from row `first` on.
  MatrixView some_rows(int64_t first, int64_t count) const { return {at(first, 0), count, cols, ld, trans}; }
  /// The (rows, count) from column `first` on.
  MatrixView some_cols(int64_t first, int64_t count) const { return {at(0, first), rows, count, ld, trans}; }
};

}  // namespace gradus::kernels
