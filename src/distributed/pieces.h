#pragma once

#include <algorithm>
#include <cstdint>

namespace gradus::distributed {

/// f(offset, size) for pieces of so many bytes that MPI, whose counts are ints, can send.
template <class F>
void in_pieces(int64_t bytes, const F& f) {
  constexpr int64_t longest = int64_t{1} << 28;
  for (int64_t at = 0; at < bytes; at += longest) f(at, static_cast<int>(std::min(longest, bytes - at)));
}

}  // namespace gradus::distributed
