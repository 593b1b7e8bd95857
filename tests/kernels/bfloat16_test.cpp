#include "kernels/bfloat16.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "gradus/parallel.h"
#include "kernels/blas.h"
#include "medium_precision.h"

using namespace gradus::kernels;
using testing::MediumPrecision;

namespace {

constexpr Trans kForms[] = {Trans::No, Trans::Yes};

struct RoundedCase {
  int64_t M, N, K;
  Trans trans_a = Trans::No, trans_b = Trans::No;
  Output output = Output::Overwrite;
  int64_t gap = 0;  // elements between stored rows
  bool has_row = false;
};

std::vector<float> drawn(int64_t n, uint64_t seed) {
  std::vector<float> values(static_cast<size_t>(n));
  for (float& v : values) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    v = static_cast<float>(static_cast<double>(seed >> 11) * 0x1p-52 - 1);
  }
  return values;
}

struct RoundedOperands {
  std::vector<float> a, b, c, row;
  MatrixView<const float> left, right;
  MatrixView<float> result;

  explicit RoundedOperands(const RoundedCase& p)
      : a(drawn((p.trans_a == Trans::No ? p.M : p.K) * lda(p), 1)),
        b(drawn((p.trans_b == Trans::No ? p.K : p.N) * ldb(p), 2)),
        c(drawn(p.M * (p.N + p.gap), 3)),
        row(drawn(p.N, 4)),
        left(a.data(), p.M, p.K, lda(p), p.trans_a),
        right(b.data(), p.K, p.N, ldb(p), p.trans_b),
        result(c.data(), p.M, p.N, p.N + p.gap) {}

  static int64_t lda(const RoundedCase& p) { return (p.trans_a == Trans::No ? p.K : p.M) + p.gap; }
  static int64_t ldb(const RoundedCase& p) { return (p.trans_b == Trans::No ? p.N : p.K) + p.gap; }
};

std::vector<float> rounded_product(const RoundedCase& p) {
  RoundedOperands o(p);
  if (p.has_row) gemm_and_row(o.left, o.right, o.row.data(), o.result);
  else gemm(o.left, o.right, o.result, p.output);
  return o.c;
}

/// Of rounded operands, by the definition, in double: every element is within K roundings of float32, and the gaps are as they were.
void check_rounded(const RoundedCase& p) {
  CAPTURE(p.M);
  CAPTURE(p.N);
  CAPTURE(p.K);
  CAPTURE(p.gap);
  RoundedOperands o(p);
  const std::vector<float> before = o.c, ours = rounded_product(p);
  const double rounding = static_cast<double>(std::numeric_limits<float>::epsilon());
  bool is_right = true;
  for (int64_t i = 0; i < p.M; ++i)
    for (int64_t j = 0; j < p.N; ++j) {
      double sum = p.has_row ? static_cast<double>(o.row[static_cast<size_t>(j)])
                             : (p.output == Output::Accumulate ? static_cast<double>(o.result(i, j)) : 0);
      double size = std::fabs(sum);
      for (int64_t k = 0; k < p.K; ++k) {
        const double term = static_cast<double>(nearest_bfloat16(o.left(i, k))) * static_cast<double>(nearest_bfloat16(o.right(k, j)));
        sum += term, size += std::fabs(term);
      }
      const auto at = static_cast<size_t>(i * (p.N + p.gap) + j);
      is_right = is_right && std::fabs(static_cast<double>(ours[at]) - sum) <= static_cast<double>(p.K + 2) * rounding * size;
    }
  CHECK(is_right);
  bool gaps_stay = true;
  for (int64_t i = 0; i < p.M; ++i)
    for (int64_t j = p.N; j < p.N + p.gap; ++j) {
      const auto at = static_cast<size_t>(i * (p.N + p.gap) + j);
      gaps_stay = gaps_stay && ours[at] == before[at];
    }
  CHECK(gaps_stay);
}

}  // namespace

TEST_CASE("a number of bfloat16 is the nearest one, of two the even one, in float32's range") {
  CHECK(nearest_bfloat16(1) == 1);
  CHECK(nearest_bfloat16(1 + 0x1p-8F) == 1);
  CHECK(nearest_bfloat16(1 + 0x1p-8F + 0x1p-20F) == 1 + 0x1p-7F);
  CHECK(nearest_bfloat16(1 + 3 * 0x1p-8F) == 1 + 0x1p-6F);
  CHECK(nearest_bfloat16(-3.140625F) == -3.140625F);
  CHECK(nearest_bfloat16(3e38F) == doctest::Approx(3e38).epsilon(0x1p-9));
  CHECK(nearest_bfloat16(std::numeric_limits<float>::max()) == std::numeric_limits<float>::infinity());
  CHECK(nearest_bfloat16(1e-39F) == 0);
  CHECK(std::isnan(nearest_bfloat16(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("what is packed are the nearest numbers of bfloat16, for every form of an operand") {
  const MediumPrecision medium;
  if (!MediumPrecision::is_there()) return;
  constexpr int64_t rows = 21, K = 45;
  const auto value = [](float x) { return static_cast<Bfloat16>(std::bit_cast<uint32_t>(nearest_bfloat16(x)) >> 16); };
  for (const Trans trans : kForms) {
    const std::vector<float> stored = drawn(rows * K, 5);
    const MatrixView<const float> a(stored.data(), rows, K, trans == Trans::No ? K : rows, trans);
    std::vector<Bfloat16> left(static_cast<size_t>(bf16_size(rows, K))), right(left.size());
    pack_bf16_left(a, left.data());
    pack_bf16_right(a.transposed(), right.data());
    bool is_right = true;
    for (int64_t i = 0; i < bf16_edges(rows) * bf16_edge; ++i)
      for (int64_t k = 0; k < bf16_steps(K) * bf16_depth; ++k) {
        const Bfloat16 expected = i < rows && k < K ? value(a(i, k)) : Bfloat16{0};
        const int64_t tile = (i / bf16_edge * bf16_steps(K) + k / bf16_depth) * bf16_tile, in_i = i % bf16_edge, in_k = k % bf16_depth;
        is_right = is_right && left[static_cast<size_t>(tile + in_i * bf16_depth + in_k)] == expected &&
                   right[static_cast<size_t>(tile + in_k / 2 * bf16_depth + in_i * 2 + in_k % 2)] == expected;
      }
    CHECK(is_right);
  }
}

TEST_CASE("a product at medium precision is that of rounded operands, for all transposes, odd sizes and outputs") {
  const MediumPrecision medium;
  if (!MediumPrecision::is_there()) return;
  for (const Trans a : kForms)
    for (const Trans b : kForms) {
      for (const int64_t gap : {0, 3}) {
        check_rounded({16, 16, 16, a, b, Output::Overwrite, gap});
        check_rounded({17, 33, 65, a, b, Output::Accumulate, gap});
        check_rounded({70, 200, 40, a, b, Output::Overwrite, gap, true});
      }
      check_rounded({65, 530, 1100, a, b, accumulate_if(a == b), 1});
      check_rounded({65, 530, 1100, a, b, Output::Overwrite, 0, true});
      check_rounded({600, 40, 33, a, b});
    }
}

TEST_CASE("small products are those of float32, at medium precision too") {
  const RoundedCase few_rows{15, 64, 64}, few_terms{64, 64, 15};
  const std::vector<float> rows = rounded_product(few_rows), terms = rounded_product(few_terms);
  const MediumPrecision medium;
  CHECK(rounded_product(few_rows) == rows);
  CHECK(rounded_product(few_terms) == terms);
}

TEST_CASE("infinity and NaN go through a product at medium precision as they do at highest") {
  const MediumPrecision medium;
  constexpr float inf = std::numeric_limits<float>::infinity();
  std::vector<float> a(32 * 32, 1), b(32 * 32, 2), c(32 * 32);
  a[5] = inf, a[32 + 7] = std::numeric_limits<float>::quiet_NaN();
  a[64 + 1] = inf, a[64 + 2] = -inf;
  gemm({a.data(), 32, 32}, {b.data(), 32, 32}, MatrixView(c.data(), 32, 32));
  for (size_t j = 0; j < 32; ++j) {
    CHECK(c[j] == inf);
    CHECK(std::isnan(c[32 + j]));
    CHECK(std::isnan(c[64 + j]));
    CHECK(c[96 + j] == 64);
  }
}

TEST_CASE("products at medium precision have the same bits for every number of threads") {
  const MediumPrecision medium;
  const int before = gradus::get_num_threads();
  for (const RoundedCase& p :
       {RoundedCase{300, 700, 400}, {1000, 130, 256, Trans::Yes}, {64, 2048, 128, Trans::No, Trans::Yes}, {513, 515, 1100}}) {
    gradus::set_num_threads(1);
    const std::vector<float> one = rounded_product(p);
    for (const int threads : {2, 8}) {
      gradus::set_num_threads(threads);
      CHECK(rounded_product(p) == one);
    }
  }
  gradus::set_num_threads(before);
}
