#pragma once

#include <cstdint>

namespace gradus::kernels {

/// Asks for the memory 1 KB behind n elements, which a loop is about to read in order. The processor's own fetching stops at the end of a
/// page: keys and values of one head of attention, which reach it after 16 rows, are read at three quarters of the memory's speed without,
/// and a cell's weights at nine tenths.
template <class T>
inline void fetch_ahead(const T* from, int64_t n) {
  constexpr int64_t line = 64 / sizeof(T), ahead = 1024 / sizeof(T);
  for (int64_t i = 0; i < n; i += line) __builtin_prefetch(from + i + ahead);
}

}  // namespace gradus::kernels
