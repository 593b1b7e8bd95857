#include "kernels/strided.h"

#include <algorithm>

#include "core/thread_pool.h"

namespace gradus::kernels {

template <size_t N>
void Walk<N>::parallel_pieces(FunctionRef<void(const Places& places, int64_t rows, int64_t n)> piece) const {
  const int64_t n = row_length();
  if (single_row()) {
    parallel_for(n, pointwise_grain, [&](int64_t begin, int64_t end) {
      Places places = start_;
      for (size_t k = 0; k < N; ++k) places[k] += begin * strides_[0][k];
      piece(places, 1, end - begin);
    });
    return;
  }
  parallel_for(rows(), std::max<int64_t>(pointwise_grain / std::max<int64_t>(n, 1), 1), [&](int64_t begin, int64_t end) {
    for_each_run(begin, end, [&](const Places& places, int64_t count) { piece(places, count, n); });
  });
}
template class Walk<2>;
template class Walk<3>;
template class Walk<4>;

}  // namespace gradus::kernels
