#include "kernels/blas.h"

#include <cblas.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "core/check.h"
#include "core/fork.h"
#include "core/isa.h"
#include "core/span.h"
#include "core/thread_pool.h"
#include "kernels/blas_call.h"
#include "kernels/blocked_gemm.h"

// OpenBLAS exports these to choose its kernels again, but declares them in no header.
extern "C" {
void gotoblas_dynamic_quit() __attribute__((weak));
void gotoblas_dynamic_init() __attribute__((weak));
}

namespace gradus::kernels {
namespace {

void call(Trans ta, Trans tb, int64_t M, int64_t N, int64_t K, float alpha, const float* a, int64_t lda, const float* b, int64_t ldb,
          float beta, float* c, int64_t ldc) {
  const BlasCall use;
  cblas_sgemm(CblasRowMajor, ta == Trans::Yes ? CblasTrans : CblasNoTrans, tb == Trans::Yes ? CblasTrans : CblasNoTrans,
              static_cast<blasint>(M), static_cast<blasint>(N), static_cast<blasint>(K), alpha, a, static_cast<blasint>(lda), b,
              static_cast<blasint>(ldb), beta, c, static_cast<blasint>(ldc));
}

void call(Trans ta, Trans tb, int64_t M, int64_t N, int64_t K, double alpha, const double* a, int64_t lda, const double* b, int64_t ldb,
          double beta, double* c, int64_t ldc) {
  const BlasCall use;
  cblas_dgemm(CblasRowMajor, ta == Trans::Yes ? CblasTrans : CblasNoTrans, tb == Trans::Yes ? CblasTrans : CblasNoTrans,
              static_cast<blasint>(M), static_cast<blasint>(N), static_cast<blasint>(K), alpha, a, static_cast<blasint>(lda), b,
              static_cast<blasint>(ldb), beta, c, static_cast<blasint>(ldc));
}

/// Compares a product of small integers, which every order of summation gives exactly, with the sums themselves.
template <class T>
bool product_is_right(Trans ta, Trans tb, int n) {
  const auto size = static_cast<size_t>(n);
  std::vector<T> a(size * size), b(size * size), c(size * size), expected(size * size, T(0));
  for (size_t i = 0; i < size * size; ++i) {
    a[i] = static_cast<T>(i % 7) - 3;
    b[i] = static_cast<T>(i % 5) - 2;
  }
  for (size_t i = 0; i < size; ++i)
    for (size_t k = 0; k < size; ++k)
      for (size_t j = 0; j < size; ++j)
        expected[i * size + j] +=
            (ta == Trans::Yes ? a[k * size + i] : a[i * size + k]) * (tb == Trans::Yes ? b[j * size + k] : b[k * size + j]);
  call(ta, tb, n, n, n, T(1), a.data(), n, b.data(), n, T(0), c.data(), n);
  return c == expected;
}

/// OpenBLAS has kernels for products below 100^3 multiplications and others above: both are tried, in both precisions.
bool products_are_right() {
  for (int n : {24, 104})
    for (Trans ta : {Trans::No, Trans::Yes})
      for (Trans tb : {Trans::No, Trans::Yes})
        if (!product_is_right<float>(ta, tb, n) || !product_is_right<double>(ta, tb, n)) return false;
  return true;
}

void choose_kernels(const char* core) {
  if (core) setenv("OPENBLAS_CORETYPE", core, 1);
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  unsetenv("OPENBLAS_CORETYPE");
  openblas_set_num_threads(1);
}

/// "OpenBLAS 0.3.21" out of "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH …".
std::string version() {
  const std::string config = openblas_get_config();
  return config.substr(0, config.find(' ', config.find(' ') + 1));
}

/// OpenBLAS falls back to its AVX2 kernels on processors newer than itself; on one with AVX-512 that is half the speed.
std::string prepare() {
  openblas_set_num_threads(1);
  const std::string first = openblas_get_corename();
  if (std::getenv("OPENBLAS_CORETYPE")) return version() + ", " + first + " kernels (as OPENBLAS_CORETYPE says)";
  const bool outdated = first == "Haswell" || first == "Zen";
  const bool ready = prepare_blas_call();
  if (isa::level() == isa::Level::Avx512 && outdated && ready && gotoblas_dynamic_quit && gotoblas_dynamic_init) {
    choose_kernels("SkylakeX");
    if (!products_are_right()) choose_kernels(nullptr);
  }
  const std::string second = openblas_get_corename();
  return version() + ", " + second + " kernels" + (second == first ? "" : " (chosen over " + first + ")");
}

constinit std::atomic<bool> preparing{false};

/// The description is never destroyed: a thread may ask for it until the program has ended.
const std::string& prepared() {
  static const std::string& description = []() -> const std::string& {
    preparing.store(true);
    return *new std::string(prepare());
  }();
  return description;
}

[[maybe_unused]] const bool registered = at_fork(ForkOrder::Blas, {.before =
                                                                       [] {
                                                                         if (preparing) prepared();
                                                                         close_blas();
                                                                       },
                                                                   .after = open_blas});

/// Rows or columns of the result that one piece of work covers. Every tile packs the whole of the other operand again, which costs little
/// only while tiles are broad, so more than four of them are made only where they stay so. A power of two goes evenly over threads.
int64_t tile_length(int64_t length, int64_t multiplications) {
  constexpr int64_t work = 1 << 19, broad = 384, step = 32;
  const int64_t most = std::max<int64_t>(4, length / broad);
  const auto tiles = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(std::clamp<int64_t>(multiplications / work, 1, most))));
  return std::max<int64_t>((length / tiles + step - 1) / step * step, step);
}

/// M N K, or the largest integer where that is beyond it.
int64_t product_of(int64_t M, int64_t N, int64_t K) {
  int64_t mn = 0, mnk = 0;
  const bool beyond = __builtin_mul_overflow(M, N, &mn) || __builtin_mul_overflow(mn, K, &mnk);
  return beyond ? std::numeric_limits<int64_t>::max() : mnk;
}

void check_sizes(std::initializer_list<int64_t> sizes, int64_t M, int64_t N, int64_t K) {
  constexpr int64_t limit = std::numeric_limits<blasint>::max();
  check<ShapeError>(std::max(sizes) <= limit, "matmul: [{}, {}] x [{}, {}]: a size or stride is beyond {}, BLAS's limit", M, K, K, N,
                    limit);
}

}  // namespace

template <class T>
void gemm(Trans trans_a, Trans trans_b, int64_t M, int64_t N, int64_t K, T alpha, const T* a, int64_t lda, const T* b, int64_t ldb, T beta,
          T* c, int64_t ldc) {
  prepared();
  const profiling::Span span(profiling::Kind::Kernel, "gemm");
  if (M == 0 || N == 0) return;
  lda = std::max<int64_t>(lda, 1), ldb = std::max<int64_t>(ldb, 1);
  if (K == 0) {
    for (int64_t i = 0; i < M; ++i)
      for (int64_t j = 0; j < N; ++j) c[i * ldc + j] = beta == 0 ? T(0) : beta * c[i * ldc + j];
    return;
  }
  check_sizes({M, N, K, lda, ldb, ldc}, M, N, K);
  if constexpr (std::is_same_v<T, float>)
    if (alpha == 1 && (beta == 0 || beta == 1) && blocked_gemm(trans_a, trans_b, M, N, K, a, lda, b, ldb, beta == 1, nullptr, c, ldc))
      return;
  const bool by_rows = M > N;
  const int64_t length = by_rows ? M : N;
  const int64_t tile = tile_length(length, product_of(M, N, K));
  parallel_for(length, tile, [&](int64_t begin, int64_t end) {
    if (by_rows)
      call(trans_a, trans_b, end - begin, N, K, alpha, a + (trans_a == Trans::Yes ? begin : begin * lda), lda, b, ldb, beta,
           c + begin * ldc, ldc);
    else
      call(trans_a, trans_b, M, end - begin, K, alpha, a, lda, b + (trans_b == Trans::Yes ? begin * ldb : begin), ldb, beta, c + begin,
           ldc);
  });
}
template void gemm(Trans, Trans, int64_t, int64_t, int64_t, float, const float*, int64_t, const float*, int64_t, float, float*, int64_t);
template void gemm(Trans, Trans, int64_t, int64_t, int64_t, double, const double*, int64_t, const double*, int64_t, double, double*,
                   int64_t);

template <class T>
void gemm_and_row(Trans trans_a, Trans trans_b, int64_t M, int64_t N, int64_t K, const T* a, int64_t lda, const T* b, int64_t ldb,
                  const T* row, T* c, int64_t ldc) {
  check_sizes({M, N, K, lda, ldb, ldc}, M, N, K);
  if constexpr (std::is_same_v<T, float>) {
    const profiling::Span span(profiling::Kind::Kernel, "gemm");
    if (blocked_gemm(trans_a, trans_b, M, N, K, a, lda, b, ldb, false, row, c, ldc)) return;
  }
  for (int64_t i = 0; i < M; ++i) std::copy_n(row, N, c + i * ldc);
  gemm<T>(trans_a, trans_b, M, N, K, 1, a, lda, b, ldb, 1, c, ldc);
}
template void gemm_and_row(Trans, Trans, int64_t, int64_t, int64_t, const float*, int64_t, const float*, int64_t, const float*, float*,
                           int64_t);
template void gemm_and_row(Trans, Trans, int64_t, int64_t, int64_t, const double*, int64_t, const double*, int64_t, const double*, double*,
                           int64_t);

std::string blas_description() { return prepared(); }

}  // namespace gradus::kernels
