#include "kernels/embedding.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <type_traits>
#include <vector>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/parallel.h"
#include "gradus/random.h"

namespace gradus {
namespace {

/// What sum_rows promises, one element after the other: few terms of a row in T, many in double, all in their order.
template <class T>
std::vector<T> naive_sum_rows(const kernels::RowTerms<T>& terms, const T* x, int64_t rows, int64_t width, const std::vector<T>& old) {
  std::vector<T> y = old;
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<int64_t> mine;
    for (int64_t i = 0; i < terms.n; ++i)
      if (terms.to[i] == row) mine.push_back(i);
    const bool many = std::is_same_v<T, float> && std::ssize(mine) > kernels::most_terms_in_own_type;
    T* to = y.data() + row * width;
    std::vector<double> wide(to, to + width);
    for (const int64_t i : mine)
      for (int64_t j = 0; j < width; ++j) {
        to[j] += x[i * width + j];
        wide[static_cast<size_t>(j)] += static_cast<double>(x[i * width + j]);
      }
    if (many) std::transform(wide.begin(), wide.end(), to, [](double sum) { return static_cast<T>(sum); });
  }
  return y;
}

/// `n` terms, every third of them to row 0 or to the last.
template <class T>
void check_sum_rows(DType dtype, int64_t n, int64_t rows, int64_t width) {
  CAPTURE(n);
  CAPTURE(rows);
  CAPTURE(width);
  std::vector<int64_t> to = randint(rows, {n}).to_vector<int64_t>();
  for (size_t i = 0; i < to.size(); i += 3) to[i] = i % 2 == 0 ? 0 : rows - 1;
  const std::vector<T> x = randn({n, width}, {.dtype = dtype}).to_vector<T>(), old = randn({rows, width}, {.dtype = dtype}).to_vector<T>();
  const kernels::RowTerms<T> terms{n, to.data(), nullptr, nullptr};
  const std::vector<T> zeros(old.size());
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    std::vector<T> y(old.size(), T(7));
    kernels::sum_rows(terms, x.data(), rows, width, y.data());
    CHECK(y == naive_sum_rows(terms, x.data(), rows, width, zeros));
    y = old;
    kernels::sum_rows(terms, x.data(), rows, width, y.data(), kernels::Onto::Old);
    CHECK(y == naive_sum_rows(terms, x.data(), rows, width, old));
  }
}

}  // namespace

TEST_CASE("sums of rows have the bits of plain loops: one tile or several, rows with few terms and with many, none at all") {
  const int threads = get_num_threads();
  manual_seed(5);
  for (const int64_t n : {0, 5, 40, 400}) {
    check_sum_rows<float>(float32, n, 30, 7);
    check_sum_rows<float>(float32, n, 700, 300);
    check_sum_rows<double>(float64, n, 700, 300);
    check_sum_rows<float>(float32, n, 3, 100'000);
  }
  set_num_threads(threads);
}

}  // namespace gradus
