#include "kernels/few_rows.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "core/isa.h"
#include "gradus/dtype.h"
#include "kernels/matrix_view.h"
#include "kernels/naive_product.h"

namespace gradus {
namespace {

/// Small integers, whose products are exact in any order; rows lie apart, and what is between them stays as it was.
template <class T>
void check_few_rows(int64_t rows, int64_t N, int64_t K) {
  CAPTURE(rows);
  CAPTURE(N);
  CAPTURE(K);
  const int64_t ldx = K + 3, ldw = K + 1, ldy = N + 2;
  std::vector<T> x(static_cast<size_t>(rows * ldx)), w(static_cast<size_t>(N * ldw));
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(i % 7) - 3;
  for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<T>(i % 5) - 2;
  for (const bool add : {false, true}) {
    std::vector<T> y(static_cast<size_t>(rows * ldy), T(9)), expected = y, products(static_cast<size_t>(rows * N));
    kernels::few_rows_product(rows, N, K, x.data(), ldx, w.data(), ldw, add, y.data(), ldy);
    kernels::naive_product<T>({x.data(), rows, K, ldx}, {w.data(), K, N, ldw, kernels::Trans::Yes},
                              kernels::MatrixView(products.data(), rows, N));
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t n = 0; n < N; ++n) {
        T& to = expected[static_cast<size_t>(i * ldy + n)];
        to = products[static_cast<size_t>(i * N + n)] + (add ? to : T(0));
      }
    CHECK(y == expected);
  }
}

}  // namespace

TEST_CASE("a product of few rows is the naive one, with whole lanes and with a rest") {
  for (const int64_t K : {1, 31, 32, 100, 256})
    for (const int64_t N : {1, 5, 96})
      for (const int64_t rows : {1, 2, 4}) {
        check_few_rows<float>(rows, N, K);
        check_few_rows<double>(rows, N, K);
      }
}

}  // namespace gradus
