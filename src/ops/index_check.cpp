#include "ops/index_check.h"

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "autograd/tensor_impl.h"
#include "core/thread_pool.h"

namespace gradus {

Shape place_of(int64_t i, const Shape& shape) {
  Shape place = shape;
  for (int64_t d = shape.size() - 1; d >= 0; --d) {
    place[d] = i % shape[d];
    i /= shape[d];
  }
  return place;
}

void check_indices(const char* op, const Tensor& index, int64_t low, int64_t limit, const char* what) {
  const int64_t* values = elements<int64_t>(index);
  const auto start = static_cast<uint64_t>(low), count = limit > low ? static_cast<uint64_t>(limit) - start : 0;
  const auto is_bad = [=](int64_t value) { return static_cast<uint64_t>(value) - start >= count; };
  std::atomic<bool> found = false;
  parallel_for(index.numel(), elements_a_piece, [&](int64_t begin, int64_t end) {
    bool bad = false;
    for (int64_t i = begin; i < end; ++i) bad |= is_bad(values[i]);  // without a way out, and so with vectors
    if (bad) found = true;
  });
  if (!found) return;
  const int64_t i = std::find_if(values, values + index.numel(), is_bad) - values;
  fail<IndexError>("{}: index {} at {} is out of range for {} {}", op, values[i], place_of(i, index.shape()), limit, what);
}

}  // namespace gradus
