#include "kernels/copy.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "core/dispatch.h"
#include "core/isa.h"
#include "core/span.h"
#include "core/thread_pool.h"
#include "kernels/strided.h"

namespace gradus::kernels {

namespace {

template <class From, class To>
void copy_row(int64_t n, const From* x, int64_t dx, To* y, int64_t dy) {
  if (dx == 1 && dy == 1) {
    if constexpr (std::is_same_v<From, To>) {
      std::memcpy(y, x, static_cast<size_t>(n) * sizeof(To));
    } else {
      for (int64_t i = 0; i < n; ++i) y[i] = static_cast<To>(x[i]);
    }
  } else if (dx == 0) {
    const To value = static_cast<To>(x[0]);
    for (int64_t i = 0; i < n; ++i) y[i * dy] = value;
  } else {
    for (int64_t i = 0; i < n; ++i) y[i * dy] = static_cast<To>(x[i * dx]);
  }
}

/// `rows` dense rows of `bytes` each, x_step and y_step bytes apart. Where a row begins, the processor can't foresee: it is asked for
/// early.
void copy_dense_rows(int64_t rows, int64_t bytes, const std::byte* x, int64_t x_step, std::byte* y, int64_t y_step) {
  constexpr int64_t line = 64, ahead = 2, most = 4096;
  for (int64_t r = 0; r < rows; ++r) {
    if (r + ahead < rows)
      for (int64_t i = 0; i < std::min(bytes, most); i += line) __builtin_prefetch(x + (r + ahead) * x_step + i);
    std::memcpy(y + r * y_step, x + r * x_step, static_cast<size_t>(bytes));
  }
}

constexpr int64_t side = 16;  // floats of a cache line

/// One square of a transposition: y[j * y_row + i] = x[i * x_row + j] for i, j < side, by way of squares of 4 x 4 in registers. Where the
/// distance of the lines is a power of two they displace each other in the cache, so each is touched once, and the square is gathered
/// aside.
inline void transpose_square(const float* x, int64_t x_row, float* y, int64_t y_row) {
  using Four = float __attribute__((vector_size(16)));
  const auto load = [](const float* from) {
    Four v;
    std::memcpy(&v, from, sizeof v);
    return v;
  };
  alignas(64) float square[side * side];
  for (int64_t i = 0; i < side; i += 4)
    for (int64_t j = 0; j < side; j += 4) {
      const float* from = x + i * x_row + j;
      float* to = square + j * side + i;
      const Four a = load(from), b = load(from + x_row), c = load(from + 2 * x_row), d = load(from + 3 * x_row);
      const Four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      const Four cd = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      const Four rows[] = {__builtin_shufflevector(ab, cd, 0, 1, 4, 5), __builtin_shufflevector(ab, cd, 2, 3, 6, 7),
                           __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5), __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7)};
      for (int64_t k = 0; k < 4; ++k) std::memcpy(to + k * side, &rows[k], sizeof(Four));
    }
  for (int64_t j = 0; j < side; ++j) std::memcpy(y + j * y_row, square + j * side, side * sizeof(float));
}

/// y[j * y_row + i] = x[i * x_row + j] for j < rows and i < n, in squares whose lines of x and y both stay in the cache.
template <class T>
void transpose(int64_t rows, int64_t n, const T* x, int64_t x_row, T* y, int64_t y_row) {
  const int64_t squares = (rows + side - 1) / side, grain = std::max<int64_t>(1, elements_a_piece / std::max<int64_t>(1, n * side));
  parallel_for(squares, grain, [=](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < n; i += side)
      for (int64_t j = begin * side; j < std::min(end * side, rows); j += side) {
        const int64_t j_end = std::min(j + side, rows), i_end = std::min(i + side, n);
        if constexpr (std::is_same_v<T, float>) {
          if (j_end - j == side && i_end - i == side) {
            transpose_square(x + i * x_row + j, x_row, y + j * y_row + i, y_row);
            continue;
          }
        }
        for (int64_t jj = j; jj < j_end; ++jj)
          for (int64_t ii = i; ii < i_end; ++ii) y[jj * y_row + ii] = x[ii * x_row + jj];
      }
  });
}

/// The loop, not the innermost, in which x's elements are neighbours while y's are neighbours in the innermost: a transposition. 0: there
/// is none, or it is too small to matter.
size_t transposed_loop(const Walk<2>& walk) {
  const auto [dy, dx] = walk.row_strides();
  if (dy != 1 || dx == 1 || dx == 0 || walk.row_length() < 4) return 0;
  for (size_t d = 1; d < walk.rank(); ++d)
    if (walk.strides(d)[1] == 1 && walk.size(d) >= 4) return d;
  return 0;
}

}  // namespace

void copy(DType x_dtype, const void* x, const Layout& from, DType y_dtype, void* y, const Layout& to) {
  const profiling::Span span(profiling::Kind::Kernel, "copy");
  const Walk<2> walk({&to, &from});
  const int64_t n = walk.row_length();
  const auto [dy, dx] = walk.row_strides();
  if (const size_t d = x_dtype == y_dtype ? transposed_loop(walk) : 0; d > 0)
    return dispatch(x_dtype, [&, dx = dx]<class T>() {
      walk.without(d).for_each_row([&](const auto& at) {
        transpose(walk.size(d), n, static_cast<const T*>(x) + at[1], dx, static_cast<T*>(y) + at[0], walk.strides(d)[0]);
      });
    });
  dispatch(x_dtype, [&, dx = dx, dy = dy]<class From>() {
    dispatch(y_dtype, [&]<class To>() {
      walk.parallel_pieces([&, to_next = walk.row_steps()](const auto& at, int64_t rows, int64_t count) {
        if constexpr (std::is_same_v<From, To>) {
          constexpr int64_t size = sizeof(To);
          if (rows > 1 && dx == 1 && dy == 1)
            return copy_dense_rows(rows, count * size, static_cast<const std::byte*>(x) + at[1] * size, to_next[1] * size,
                                   static_cast<std::byte*>(y) + at[0] * size, to_next[0] * size);
        }
        for (int64_t r = 0; r < rows; ++r)
          copy_row(count, static_cast<const From*>(x) + at[1] + r * to_next[1], dx, static_cast<To*>(y) + at[0] + r * to_next[0], dy);
      });
    });
  });
}

void add_strided(const double* x, const Layout& window, double* y) {
  const Layout dense{window.shape, contiguous_strides(window.shape), 0};
  const Walk<2> walk({&window, &dense});
  const int64_t n = walk.row_length();
  const auto [dy, dx] = walk.row_strides();
  walk.for_each_row([&, dx = dx, dy = dy](const auto& at) {
    for (int64_t i = 0; i < n; ++i) y[at[0] + i * dy] += x[at[1] + i * dx];
  });
}

}  // namespace gradus::kernels
