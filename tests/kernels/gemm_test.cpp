#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "gradus/error.h"
#include "gradus/nn/containers.h"
#include "gradus/parallel.h"
#include "kernels/blas.h"
#include "ops/op_test.h"

using namespace gradus;
using kernels::gemm;
using kernels::Trans;

namespace {

struct Product {
  int64_t M, N, K;
  Trans trans_a = Trans::No, trans_b = Trans::No;
  double alpha = 1, beta = 0;
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

  explicit Operands(const Product& p)
      : lda((p.trans_a == Trans::No ? p.K : p.M) + p.gap),
        ldb((p.trans_b == Trans::No ? p.N : p.K) + p.gap),
        ldc(p.N + p.gap),
        a(numbers<T>((p.trans_a == Trans::No ? p.M : p.K) * lda, 1)),
        b(numbers<T>((p.trans_b == Trans::No ? p.K : p.N) * ldb, 2)),
        c(numbers<T>(p.M * ldc, 3)) {}
};

template <class T>
std::vector<T> computed(const Product& p) {
  Operands<T> o(p);
  gemm<T>(p.trans_a, p.trans_b, p.M, p.N, p.K, static_cast<T>(p.alpha), o.a.data(), o.lda, o.b.data(), o.ldb, static_cast<T>(p.beta),
          o.c.data(), o.ldc);
  return o.c;
}

/// The same by its definition, summed in double.
template <class T>
std::vector<T> expected(const Product& p) {
  Operands<T> o(p);
  const auto at = [](const std::vector<T>& m, Trans trans, int64_t ld, int64_t i, int64_t j) {
    return static_cast<double>(m[static_cast<size_t>(trans == Trans::No ? i * ld + j : j * ld + i)]);
  };
  for (int64_t i = 0; i < p.M; ++i)
    for (int64_t j = 0; j < p.N; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < p.K; ++k) sum += at(o.a, p.trans_a, o.lda, i, k) * at(o.b, p.trans_b, o.ldb, k, j);
      T& c = o.c[static_cast<size_t>(i * o.ldc + j)];
      c = static_cast<T>(p.alpha * sum + p.beta * static_cast<double>(c));
    }
  return o.c;
}

/// Every element, those in the gaps included, is within K roundings of the definition.
template <class T>
void check_product(const Product& p) {
  CAPTURE(p.M);
  CAPTURE(p.N);
  CAPTURE(p.K);
  CAPTURE(p.alpha);
  CAPTURE(p.beta);
  CAPTURE(p.gap);
  const std::vector<T> ours = computed<T>(p), right = expected<T>(p);
  const double tolerance = (static_cast<double>(p.K) + 4) * static_cast<double>(std::numeric_limits<T>::epsilon());
  double worst = 0;
  for (size_t i = 0; i < ours.size(); ++i) worst = std::max(worst, std::fabs(static_cast<double>(ours[i]) - static_cast<double>(right[i])));
  CHECK(worst <= tolerance);
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
    for (const Trans b : kBoth) check_product<float>({20, 530, 800, a, b, 1, a == b ? 1.0 : 0.0, 1});
}

TEST_CASE("gemm skips what lies between the rows") {
  for (const Trans a : kBoth)
    for (const Trans b : kBoth) {
      check_product<float>({6, 9, 4, a, b, 1, 0, 3});
      check_product<double>({150, 70, 90, a, b, 1, 1, 5});
    }
}

TEST_CASE("gemm scales the product by alpha and adds beta times what was there") {
  for (const double alpha : {1.0, -0.5, 0.0})
    for (const double beta : {0.0, 1.0, 0.25}) {
      check_product<float>({5, 6, 7, Trans::No, Trans::Yes, alpha, beta});
      check_product<double>({5, 6, 7, Trans::Yes, Trans::No, alpha, beta, 2});
    }
}

TEST_CASE("a product of nothing is zero, and beta still counts") {
  check_product<float>({3, 4, 0, Trans::No, Trans::No, 1, 0});
  check_product<float>({3, 4, 0, Trans::Yes, Trans::Yes, 1, 1, 2});
  check_product<double>({3, 4, 0, Trans::No, Trans::Yes, 1, 0.5});
  check_product<double>({0, 4, 3});
  check_product<double>({3, 0, 4});
}

TEST_CASE("with beta 0 what was there is not read, be it NaN") {
  for (const int64_t K : {0, 2}) {
    const std::vector<double> a(4, 1), b(4, 2);
    std::vector<double> c(4, op_test::kNan);
    gemm<double>(Trans::No, Trans::No, 2, 2, K, 1, a.data(), 2, b.data(), 2, 0, c.data(), 2);
    CHECK(c == std::vector<double>(4, K == 0 ? 0 : 4));
  }
}

TEST_CASE("gemm refuses sizes beyond BLAS's integers") {
  const float a = 1;
  float c = 0;
  const int64_t large = int64_t{1} << 40;
  const std::string text =
      op_test::error_of<ShapeError>([&] { gemm<float>(Trans::No, Trans::No, 1, 1, large, 1, &a, large, &a, 1, 0, &c, 1); });
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
