#pragma once

#include <algorithm>
#include <cstdint>

#include "core/isa.h"
#include "core/thread_pool.h"

/// Rows of a table looked up by index, and the adjoint. Arrays are dense; indices have been checked.
namespace gradus::kernels {

/// y (n, width): y[i] = table[index[i]]
template <class T>
void take_rows(int64_t n, int64_t width, const int64_t* index, const T* table, T* y) {
  parallel_for(n, std::max<int64_t>((1 << 15) / std::max<int64_t>(width, 1), 1), [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) std::copy_n(table + index[i] * width, width, y + i * width);
  });
}

/// table[index[i]] += alpha * x[i], x (n, width); index `skip` is left out. Threads share the columns, so that every element is added up
/// in the order of i whatever their number.
template <class T>
void add_rows(int64_t n, int64_t width, const int64_t* index, const T* x, T alpha, T* table, int64_t skip = -1) {
  constexpr int64_t strip = 64;
  const int64_t strips = (width + strip - 1) / strip;
  parallel_for(strips, std::max<int64_t>((1 << 15) / std::max<int64_t>(n * strip, 1), 1), [=](int64_t begin, int64_t end) {
    const int64_t first = begin * strip, count = std::min(end * strip, width) - first;
    isa::run([=] {
      for (int64_t i = 0; i < n; ++i) {
        if (index[i] == skip) continue;
        const T* from = x + i * width + first;
        T* to = table + index[i] * width + first;
        for (int64_t j = 0; j < count; ++j) to[j] += alpha * from[j];
      }
    });
  });
}

}  // namespace gradus::kernels
