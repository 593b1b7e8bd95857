#pragma once

#include <cstdint>

#include "core/function_ref.h"

namespace gradus {

/// Calls body(piece) for each piece in [0, pieces), on the pool's threads and on this one, and returns when all are done.
/// Pieces run in any order; the first exception is thrown again here. A call from inside a piece, or while another thread
/// uses the pool, runs on the calling thread alone.
void run_pieces(int64_t pieces, FunctionRef<void(int64_t piece)> body);

/// From now on what this thread computes runs on it alone, and leaves the pool to others.
void leave_pool_to_others() noexcept;

template <class Body>
void parallel_pieces(int64_t pieces, const Body& body) {
  if (pieces == 1) return body(int64_t{0});
  run_pieces(pieces, body);
}

/// Elements that a thread takes at a time in loops that do little with each, and multiplications of a matrix product. Measured on two cores
/// of an Intel Xeon with AVX-512: 2^15 products of floats take 5 µs, 2^18 multiplications in libxsmm's kernels 4 µs, many times what it
/// takes to hand a piece to a thread that is awake. Where results depend on how work is cut (sums), so do their bits.
inline constexpr int64_t elements_a_piece = 1 << 15, multiplications_a_piece = 1 << 18;

/// Splits [0, n) into pieces of `grain` elements (the last may be shorter) and calls body(begin, end) for each.
template <class Body>
void parallel_for(int64_t n, int64_t grain, const Body& body) {
  if (n <= grain) {
    if (n > 0) body(int64_t{0}, n);
    return;
  }
  parallel_pieces((n + grain - 1) / grain, [&](int64_t piece) {
    const int64_t begin = piece * grain;
    body(begin, begin + grain < n ? begin + grain : n);
  });
}

}  // namespace gradus
