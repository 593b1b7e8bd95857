#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/thread_pool.h"

/// Pooling of planes (height, width), a sequence being a plane of height 1: one number for each window. Windows are given by what they
/// cover of each dimension, so that fixed, dilated and adaptive ones are alike. Arrays are dense, (planes, …).
namespace gradus::kernels {

/// The elements begin, begin + step, … below end of one dimension, none of them outside of it.
struct Window {
  int64_t begin, end, step;
  int64_t share;  ///< of an average: its divisor is the product of the shares of both dimensions
};

struct PoolingSizes {
  int64_t planes, height, width;
  std::vector<Window> rows, columns;  // of the outputs

  int64_t in_area() const noexcept { return height * width; }
  int64_t out_area() const noexcept { return static_cast<int64_t>(rows.size() * columns.size()); }
};

/// Calls f(plane) for each plane, on the pool's threads.
template <class F>
void for_each_plane(const PoolingSizes& s, F f) {
  const int64_t work = std::max<int64_t>(s.in_area() + s.out_area(), 1);
  parallel_for(s.planes, std::max<int64_t>((1 << 14) / work, 1), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) f(plane);
  });
}

/// y = the largest element of each window, or its last NaN; indices = its place in the plane.
template <class T>
void max_pool(const PoolingSizes& s, const T* x, T* y, int64_t* indices) {
  for_each_plane(s, [=, &s](int64_t plane) {
    const T* from = x + plane * s.in_area();
    int64_t out = plane * s.out_area();
    for (const Window& row : s.rows)
      for (const Window& column : s.columns) {
        int64_t best = row.begin * s.width + column.begin;
        for (int64_t h = row.begin; h < row.end; h += row.step)
          for (int64_t w = column.begin; w < column.end; w += column.step) {
            const T v = from[h * s.width + w];
            if (v > from[best] || v != v) best = h * s.width + w;
          }
        indices[out] = best;
        y[out++] = from[best];
      }
  });
}

/// y = x at the indices, of each plane its own.
template <class T>
void pick(const PoolingSizes& s, const T* x, const int64_t* indices, T* y) {
  for_each_plane(s, [=, &s](int64_t plane) {
    const T* from = x + plane * s.in_area();
    for (int64_t i = plane * s.out_area(); i < (plane + 1) * s.out_area(); ++i) y[i] = from[indices[i]];
  });
}

/// The adjoint of pick.
template <class T>
void place(const PoolingSizes& s, const T* dy, const int64_t* indices, T* dx) {
  for_each_plane(s, [=, &s](int64_t plane) {
    T* to = dx + plane * s.in_area();
    std::fill_n(to, s.in_area(), T(0));
    for (int64_t i = plane * s.out_area(); i < (plane + 1) * s.out_area(); ++i) to[indices[i]] += dy[i];
  });
}

/// y = the sum of each window's elements over its divisor; of a window without elements, 0.
template <class T>
void average(const PoolingSizes& s, const T* x, T* y) {
  for_each_plane(s, [=, &s](int64_t plane) {
    const T* from = x + plane * s.in_area();
    T* to = y + plane * s.out_area();
    for (const Window& row : s.rows)
      for (const Window& column : s.columns) {
        T sum = 0;
        for (int64_t h = row.begin; h < row.end; ++h)
          for (int64_t w = column.begin; w < column.end; ++w) sum += from[h * s.width + w];
        const bool empty = row.begin >= row.end || column.begin >= column.end;
        *to++ = empty ? T(0) : sum / static_cast<T>(row.share * column.share);
      }
  });
}

/// The adjoint of average.
template <class T>
void spread(const PoolingSizes& s, const T* dy, T* dx) {
  for_each_plane(s, [=, &s](int64_t plane) {
    T* to = dx + plane * s.in_area();
    const T* from = dy + plane * s.out_area();
    std::fill_n(to, s.in_area(), T(0));
    for (const Window& row : s.rows)
      for (const Window& column : s.columns) {
        const T share = *from++ / static_cast<T>(row.share * column.share);
        for (int64_t h = row.begin; h < row.end; ++h)
          for (int64_t w = column.begin; w < column.end; ++w) to[h * s.width + w] += share;
      }
  });
}

}  // namespace gradus::kernels
