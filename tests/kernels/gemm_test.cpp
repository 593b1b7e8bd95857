#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "gradus/error.h"
#include "gradus/nn/containers.h"
#include "gradus/parallel.h"
#include "kernels/blas.h"
#include "kernels/naive_product.h"
#include "ops/op_test.h"

using namespace gradus;
using kernels::gemm;
using kernels::MatrixView;
using kernels::Output;
using kernels::Trans;

namespace {

struct Product {
  int64_t M, N, K;
  Trans trans_a = Trans::No, trans_b = Trans::No;
  Output output = Output::Overwrite;
  int64_t gap = 0;  // elements between stored rows
};

/// Numbers from [-1, 1), always the same.
template <class T>
std::vector<T> numbers(int64_t n, uint64_t seed) {
  std::vector<T> values(static_cast<size_t>(n));
  for (T& v : values) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    v = static_cast<T>(static_cast<double>(seed >> 11) * 0x1p-52 - 1);
  }
  return values;
}

template <class T>
struct Operands {
  int64_t lda, ldb, ldc;
  std::vector<T> a, b, c;
  MatrixView<const T> left, right;
  MatrixView<T> result;

  explicit Operands(const Product& p)
      : lda((p.trans_a == Trans::No ? p.K : p.M) + p.gap),
        ldb((p.trans_b == Trans::No ? p.N : p.K) + p.gap),
        ldc(p.N + p.gap),
        a(numbers<T>((p.trans_a == Trans::No ? p.M : p.K) * lda, 1)),
        b(numbers<T>((p.trans_b == Trans::No ? p.K : p.N) * ldb, 2)),
        c(numbers<T>(p.M * ldc, 3)),
        left(a.data(), p.M, p.K, lda, p.trans_a),
        right(b.data(), p.K, p.N, ldb, p.trans_b),
        result(c.data(), p.M, p.N, ldc) {}
};

template <class T>
std::vector<T> computed(const Product& p) {
  Operands<T> o(p);
  gemm(o.left, o.right, o.result, p.output);
  return o.c;
}

/// The same by its definition, summed in double.
template <class T>
std::vector<T> expected(const Product& p) {
  Operands<T> o(p);
  kernels::naive_product<double>(o.left, o.right, o.result, p.output == Output::Accumulate);
  return o.c;
}

/// Every element, those in the gaps included, is within K roundings of the definition.
template <class T>
void check_product(const Product& p, const std::vector<T>& ours, const std::vector<T>& right) {
  CAPTURE(p.M);
  CAPTURE(p.N);
  CAPTURE(p.K);
  CAPTURE(p.gap);
  CAPTURE(p.output == Output::Accumulate);
  const double tolerance = (static_cast<double>(p.K) + 4) * static_cast<double>(std::numeric_limits<T>::epsilon());
  double worst = 0;
  for (size_t i = 0; i < ours.size(); ++i) worst = std::max(worst, std::fabs(static_cast<double>(ours[i]) - static_cast<double>(right[i])));
  CHECK(worst <= tolerance);
}

/// Every row of the result is `row` before the product is added, as gemm_and_row promises.
template <class T>
void check_with_row(const Product& p) {
  Operands<T> ours(p), right(p);
  const std::vector<T> row = numbers<T>(p.N, 4);
  kernels::gemm_and_row(ours.left, ours.right, row.data(), ours.result);
  for (int64_t i = 0; i < p.M; ++i) std::copy_n(row.data(), p.N, right.result.at(i, 0));
  kernels::naive_product<double>(right.left, right.right, right.result, true);
  check_product(p, ours.c, right.c);
}

template <class T>
void check_product(const Product& p) {
  check_product(p, computed<T>(p), expected<T>(p));
}

constexpr Trans kBoth[] = {Trans::No, Trans::Yes};

}  // namespace

TEST_CASE("gemm agrees with the definition, for all transposes and odd sizes") {
  const int64_t sizes[][3] = {{1, 1, 1},    {1, 5, 3},    {5, 1, 3},    {3, 5, 1},   {7, 11, 13},
                              {33, 65, 17}, {64, 64, 64}, {2, 300, 31}, {129, 3, 40}};
  for (const auto& [M, N, K] : sizes)
    for (const Trans a : kBoth)
      for (const Trans b : kBoth) {
        check_product<float>({M, N, K, a, b});
        check_product<double>({M, N, K, a, b});
      }
}

TEST_CASE("gemm agrees with the definition where it goes over columns and sums in several parts") {
  for (const Trans a : kBoth)
    for (const Trans b : kBoth) check_product<float>({20, 530, 800, a, b, kernels::accumulate_if(a == b), 1});
}

TEST_CASE("gemm agrees with the definition where A is transposed and its strips lie far apart") {
  // Of a chunk's rows all, some, or few; blocks that one thread takes with a chunk, and those that several do; sums in one part and in two.
  const int64_t sizes[][3] = {{64, 64, 40}, {30, 200, 20}, {130, 330, 70}, {200, 64, 600}, {600, 300, 33}, {1030, 150, 20}};
  for (const auto& [M, N, K] : sizes)
    for (const Trans b : kBoth)
      for (const Output output : {Output::Overwrite, Output::Accumulate}) check_product<float>({M, N, K, Trans::Yes, b, output, 770});
}

TEST_CASE("gemm skips what lies between the rows") {
  for (const Trans a : kBoth)
    for (const Trans b : kBoth) {
      check_product<float>({6, 9, 4, a, b, Output::Overwrite, 3});
      check_product<double>({150, 70, 90, a, b, Output::Accumulate, 5});
    }
}

TEST_CASE("gemm overwrites the result, or accumulates in it") {
  for (const Output output : {Output::Overwrite, Output::Accumulate}) {
    check_product<float>({5, 6, 7, Trans::No, Trans::Yes, output});
    check_product<float>({70, 66, 40, Trans::Yes, Trans::No, output, 1});
    check_product<double>({5, 6, 7, Trans::Yes, Trans::No, output, 2});
  }
}

TEST_CASE("a product of nothing is zero, and what accumulates stays") {
  check_product<float>({3, 4, 0});
  check_product<float>({3, 4, 0, Trans::Yes, Trans::Yes, Output::Accumulate, 2});
  check_product<double>({3, 4, 0, Trans::No, Trans::Yes, Output::Accumulate});
  check_product<double>({0, 4, 3});
  check_product<double>({3, 0, 4});
}

TEST_CASE("what is overwritten is not read, be it NaN") {
  for (const int64_t K : {0, 2}) {
    const std::vector<double> a(4, 1), b(4, 2);
    std::vector<double> c(4, op_test::kNan);
    gemm({a.data(), 2, K, 2}, {b.data(), K, 2}, MatrixView(c.data(), 2, 2));
    CHECK(c == std::vector<double>(4, K == 0 ? 0 : 4));
  }
}

TEST_CASE("gemm_and_row adds a row to every row of the product, for sizes of every kernel") {
  for (const Trans a : kBoth)
    for (const Trans b : kBoth)
      for (const int64_t gap : {0, 3}) {
        check_with_row<float>({5, 6, 7, a, b, Output::Overwrite, gap});
        check_with_row<float>({70, 200, 40, a, b, Output::Overwrite, gap});
        check_with_row<float>({65, 520, 800, a, b, Output::Overwrite, gap});
        check_with_row<double>({70, 66, 40, a, b, Output::Overwrite, gap});
        check_with_row<float>({3, 4, 0, a, b, Output::Overwrite, gap});
      }
}

TEST_CASE("a view's rows, columns and transpose are those of the matrix that it shows") {
  const std::vector<int> stored{1, 2, 3, 0, 4, 5, 6, 0};  // rows 1 2 3 and 4 5 6, four apart
  const MatrixView<const int> plain(stored.data(), 2, 3, 4), turned = plain.transposed();
  CHECK(turned.rows == 3);
  CHECK(turned.cols == 2);
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t j = 0; j < 3; ++j) CHECK(turned(j, i) == plain(i, j));
  CHECK(plain.some_cols(1, 2)(1, 1) == 6);
  CHECK(turned.some_rows(1, 2)(1, 1) == 6);
  CHECK(turned.some_cols(1, 1)(2, 0) == 6);
  CHECK(plain.some_rows(1, 1)(0, 2) == 6);
}

TEST_CASE("gemm refuses sizes beyond BLAS's integers") {
  const float a = 1;
  float c = 0;
  const int64_t large = int64_t{1} << 40;
  const std::string text = op_test::error_of<ShapeError>([&] { gemm({&a, 1, large}, {&a, large, 1}, MatrixView(&c, 1, 1)); });
  CHECK(text.find("matmul: [1, 1099511627776] x [1099511627776, 1]: a size or stride is beyond 2147483647") == 0);
}

TEST_CASE("gemm gives the same bits for every number of threads") {
  const int before = get_num_threads();
  const Product products[] = {{300, 700, 400}, {1000, 130, 256, Trans::Yes}, {64, 2048, 128, Trans::No, Trans::Yes}, {513, 515, 517}};
  for (const Product& p : products) {
    set_num_threads(1);
    const std::vector<float> one = computed<float>(p);
    const std::vector<double> one_double = computed<double>(p);
    for (const int threads : {2, 8}) {
      CAPTURE(threads);
      set_num_threads(threads);
      CHECK(computed<float>(p) == one);
      CHECK(computed<double>(p) == one_double);
    }
    check_product<float>(p);
  }
  set_num_threads(before);
}
