#include "kernels/blas.h"

#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "core/isa.h"
#include "core/thread_pool.h"

// OpenBLAS exports these to choose its kernels again, but declares them in no header.
extern "C" {
void gotoblas_dynamic_quit() __attribute__((weak));
void gotoblas_dynamic_init() __attribute__((weak));
}

namespace gradus::kernels {
namespace {

/// A product small enough to check by hand, large enough to reach the main kernel.
bool product_is_right() {
  constexpr int n = 24;
  float a[n * n], b[n * n], c[n * n];
  for (int i = 0; i < n * n; ++i) {
    a[i] = static_cast<float>(i % 7) - 3;
    b[i] = static_cast<float>(i % 5) - 2;
  }
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a, n, b, n, 0, c, n);
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) {
      float sum = 0;
      for (int k = 0; k < n; ++k) sum += a[i * n + k] * b[k * n + j];
      if (std::fabs(sum - c[i * n + j]) > 1e-3F) return false;
    }
  return true;
}

void choose_kernels(const char* core) {
  if (core) setenv("OPENBLAS_CORETYPE", core, 1);
  else unsetenv("OPENBLAS_CORETYPE");
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
}

/// OpenBLAS falls back to its AVX2 kernels on processors newer than itself; on one with AVX-512 that is half the speed.
std::string prepare() {
  openblas_set_num_threads(1);
  const std::string first = openblas_get_corename();
  std::string description = std::string(openblas_get_config()).substr(0, 15) + ", " + first + " kernels";
  const bool outdated = first == "Haswell" || first == "Zen";
  const bool replaceable = gotoblas_dynamic_quit && gotoblas_dynamic_init && !std::getenv("OPENBLAS_CORETYPE");
  if (isa::level() != isa::Level::Avx512 || !outdated || !replaceable) return description;
  choose_kernels("SkylakeX");
  if (!product_is_right()) choose_kernels(nullptr);
  unsetenv("OPENBLAS_CORETYPE");
  openblas_set_num_threads(1);
  const std::string second = openblas_get_corename();
  if (second != first) description = std::string(openblas_get_config()).substr(0, 15) + ", " + second + " kernels (chosen over " + first + ")";
  return description;
}

const std::string& prepared() {
  static const std::string description = prepare();
  return description;
}

void call(Trans ta, Trans tb, int64_t M, int64_t N, int64_t K, float alpha, const float* a, int64_t lda, const float* b, int64_t ldb,
          float beta, float* c, int64_t ldc) {
  cblas_sgemm(CblasRowMajor, ta == Trans::Yes ? CblasTrans : CblasNoTrans, tb == Trans::Yes ? CblasTrans : CblasNoTrans,
              static_cast<blasint>(M), static_cast<blasint>(N), static_cast<blasint>(K), alpha, a, static_cast<blasint>(lda), b,
              static_cast<blasint>(ldb), beta, c, static_cast<blasint>(ldc));
}

void call(Trans ta, Trans tb, int64_t M, int64_t N, int64_t K, double alpha, const double* a, int64_t lda, const double* b, int64_t ldb,
          double beta, double* c, int64_t ldc) {
  cblas_dgemm(CblasRowMajor, ta == Trans::Yes ? CblasTrans : CblasNoTrans, tb == Trans::Yes ? CblasTrans : CblasNoTrans,
              static_cast<blasint>(M), static_cast<blasint>(N), static_cast<blasint>(K), alpha, a, static_cast<blasint>(lda), b,
              static_cast<blasint>(ldb), beta, c, static_cast<blasint>(ldc));
}

constexpr int64_t kTileWork = 1 << 22;  // multiplications that are worth handing to another thread
constexpr int64_t kMaxTiles = 16;

}  // namespace

template <class T>
void gemm(Trans trans_a, Trans trans_b, int64_t M, int64_t N, int64_t K, T alpha, const T* a, int64_t lda, const T* b, int64_t ldb, T beta,
          T* c, int64_t ldc) {
  prepared();
  if (M == 0 || N == 0) return;
  lda = std::max<int64_t>(lda, 1), ldb = std::max<int64_t>(ldb, 1);
  if (K == 0) {
    for (int64_t i = 0; i < M; ++i)
      for (int64_t j = 0; j < N; ++j) c[i * ldc + j] = beta == 0 ? T(0) : beta * c[i * ldc + j];
    return;
  }
  const int64_t tiles = std::clamp<int64_t>(M * N / 64 * K / (kTileWork / 64), 1, kMaxTiles);
  const bool by_rows = M > N;
  const int64_t length = by_rows ? M : N;
  const int64_t tile = std::max<int64_t>((length / tiles + 31) / 32 * 32, 32);
  parallel_for(length, tile, [&](int64_t begin, int64_t end) {
    if (by_rows) call(trans_a, trans_b, end - begin, N, K, alpha, a + (trans_a == Trans::Yes ? begin : begin * lda), lda, b, ldb, beta, c + begin * ldc, ldc);
    else call(trans_a, trans_b, M, end - begin, K, alpha, a, lda, b + (trans_b == Trans::Yes ? begin * ldb : begin), ldb, beta, c + begin, ldc);
  });
}
template void gemm(Trans, Trans, int64_t, int64_t, int64_t, float, const float*, int64_t, const float*, int64_t, float, float*, int64_t);
template void gemm(Trans, Trans, int64_t, int64_t, int64_t, double, const double*, int64_t, const double*, int64_t, double, double*, int64_t);

std::string blas_description() { return prepared(); }

}  // namespace gradus::kernels
