#pragma once

#include <algorithm>
#include <cstdint>

#include "core/array.h"
#include "core/isa.h"
#include "core/thread_pool.h"
#include "kernels/fetch.h"
#include "kernels/lanes.h"
#include "kernels/matrix_view.h"

/// Products of a float matrix and a vector, added up in double.
namespace gradus::kernels {

/// The elements of a column (n, 1).
inline Array<double> widened(const MatrixView<const float>& column) {
  Array<double> wide(static_cast<size_t>(column.rows));
  for (int64_t i = 0; i < column.rows; ++i) wide[static_cast<size_t>(i)] = static_cast<double>(column(i, 0));
  return wide;
}

namespace detail {

/// y_i = sum_k a[i, k] v_k for `rows` rows.
inline void row_products(int64_t rows, int64_t K, const float* a, int64_t stride, const double* v, float* y) {
  isa::run([=] {
    for (int64_t i = 0; i < rows; ++i) {
      const float* row = a + i * stride;
      double lane[lanes] = {}, total = 0;
      int64_t k = 0;
      for (; k + lanes <= K; k += lanes) {
        fetch_ahead(row + k, lanes);
        for (int64_t l = 0; l < lanes; ++l) lane[l] += static_cast<double>(row[k + l]) * v[k + l];
      }
      for (; k < K; ++k) total += static_cast<double>(row[k]) * v[k];
      y[i] = static_cast<float>(total + fold(lane, [](double p, double q) { return p + q; }));
    }
  });
}

/// Columns that are added up side by side: their sums, 2 KB, stay in the nearest cache.
inline constexpr int64_t column_strip = 256;

/// y_i = sum_k a[k, i] v_k for `columns` columns, at most `column_strip`.
inline void column_products(int64_t columns, int64_t K, const float* a, int64_t stride, const double* v, float* y) {
  isa::run([=] {
    double total[column_strip] = {};
    for (int64_t k = 0; k < K; ++k) {
      const float* row = a + k * stride;
      fetch_ahead(row, columns);
      for (int64_t i = 0; i < columns; ++i) total[i] += static_cast<double>(row[i]) * v[k];
    }
    for (int64_t i = 0; i < columns; ++i) y[i] = static_cast<float>(total[i]);
  });
}

}  // namespace detail

/// y (n) = A v with A (n, K).
inline void matrix_vector(const MatrixView<const float>& a, const Array<double>& v, float* y) {
  const int64_t piece = a.is_transposed() ? detail::column_strip : std::max<int64_t>(elements_a_piece / std::max<int64_t>(a.cols, 1), 1);
  const int64_t pieces = (a.rows + piece - 1) / piece;
  parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t first = p * piece, count = std::min(piece, a.rows - first);
      const auto multiply = a.is_transposed() ? detail::column_products : detail::row_products;
      multiply(count, a.cols, a.at(first, 0), a.ld, v.data(), y + first);
    }
  });
}

}  // namespace gradus::kernels
