#include "kernels/blas.h"

#include <cblas.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "core/check.h"
#include "core/fork.h"
#include "core/gate.h"
#include "core/isa.h"
#include "core/span.h"
#include "core/thread_pool.h"
#include "kernels/bfloat16_gemm.h"
#include "kernels/blas_call.h"
#include "kernels/blocked_gemm.h"
#include "kernels/naive_product.h"

// OpenBLAS exports these to choose its kernels again, but declares them in no header.
extern "C" {
void gotoblas_dynamic_quit() __attribute__((weak));
void gotoblas_dynamic_init() __attribute__((weak));
}

namespace gradus::kernels {
namespace {

CBLAS_TRANSPOSE cblas(Trans trans) { return trans == Trans::Yes ? CblasTrans : CblasNoTrans; }
blasint cblas(int64_t size) { return static_cast<blasint>(size); }

/// C = A B + beta C by OpenBLAS, on this thread.
void call(const MatrixView<const float>& a, const MatrixView<const float>& b, float beta, const MatrixView<float>& c) {
  const BlasCall use;
  cblas_sgemm(CblasRowMajor, cblas(a.trans), cblas(b.trans), cblas(c.rows), cblas(c.cols), cblas(a.cols), 1, a.data, cblas(a.ld), b.data,
              cblas(b.ld), beta, c.data, cblas(c.ld));
}

void call(const MatrixView<const double>& a, const MatrixView<const double>& b, double beta, const MatrixView<double>& c) {
  const BlasCall use;
  cblas_dgemm(CblasRowMajor, cblas(a.trans), cblas(b.trans), cblas(c.rows), cblas(c.cols), cblas(a.cols), 1, a.data, cblas(a.ld), b.data,
              cblas(b.ld), beta, c.data, cblas(c.ld));
}

/// Compares a product of small integers, which every order of summation gives exactly, with the naive one.
template <class T>
bool product_is_right(Trans ta, Trans tb, int64_t n) {
  const auto size = static_cast<size_t>(n * n);
  std::vector<T> a(size), b(size), c(size), expected(size);
  for (size_t i = 0; i < size; ++i) {
    a[i] = static_cast<T>(i % 7) - 3;
    b[i] = static_cast<T>(i % 5) - 2;
  }
  const MatrixView<const T> left(a.data(), n, n, n, ta), right(b.data(), n, n, n, tb);
  call(left, right, T(0), MatrixView(c.data(), n, n));
  naive_product<T>(left, right, MatrixView(expected.data(), n, n));
  return c == expected;
}

/// OpenBLAS has kernels for products below 100^3 multiplications and others above: both are tried, in both precisions.
bool products_are_right() {
  for (int64_t n : {24, 104})
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

/// The kernels to choose in the place of those that OpenBLAS chose, or null where these are right. On processors newer than itself it falls
/// back: to its AVX2 kernels, half the speed of those for AVX-512, or to those of 2004 (Prescott), a seventh: 8 and 56 GFLOP/s of float64
/// on an Intel Xeon of 2023.
const char* better_kernels(const std::string& first) {
  const auto is = [&](std::initializer_list<const char*> names) { return std::find(names.begin(), names.end(), first) != names.end(); };
  if (is({"Prescott"}) && isa::level() == isa::Level::Avx2) return "Haswell";
  return is({"Prescott", "Haswell", "Zen"}) && isa::level() == isa::Level::Avx512 ? "SkylakeX" : nullptr;
}

std::string prepare() {
  openblas_set_num_threads(1);
  const std::string first = openblas_get_corename();
  if (std::getenv("OPENBLAS_CORETYPE")) return version() + ", " + first + " kernels (as OPENBLAS_CORETYPE says)";
  const char* better = better_kernels(first);
  const bool ready = prepare_blas_call();
  if (better && ready && gotoblas_dynamic_quit && gotoblas_dynamic_init) {
    choose_kernels(better);
    if (!products_are_right()) choose_kernels(nullptr);
  }
  const std::string second = openblas_get_corename();
  return version() + ", " + second + " kernels" + (second == first ? "" : " (chosen over " + first + ")");
}

constinit Once<std::string> description;

const std::string& prepared() { return description.get(prepare); }

[[maybe_unused]] const bool registered = at_fork(ForkOrder::Blas, {.before =
                                                                       [] {
                                                                         description.close();
                                                                         close_blas();
                                                                       },
                                                                   .after =
                                                                       [] {
                                                                         open_blas();
                                                                         description.open();
                                                                       }});

// How OpenBLAS's products are cut into tiles, one thread each; timed on the machine of docs/performance.md, two cores of a Zen 4.
constexpr int64_t tile_work = 1 << 19;  // multiplications that are worth a thread
constexpr int64_t broad_tile = 384;     // rows or columns from which on it costs little that every tile packs the whole other operand
constexpr int64_t most_narrow_tiles = 4;
constexpr int64_t tile_step = 32;  // tiles are multiples of this, as OpenBLAS's micro-kernels like them

/// Rows or columns of the result that one piece of work covers. More than a few tiles are made only where they stay broad. A power of two
/// goes evenly over threads.
int64_t tile_length(int64_t length, int64_t multiplications) {
  const int64_t most = std::max(most_narrow_tiles, length / broad_tile);
  const auto wanted = static_cast<uint64_t>(std::clamp<int64_t>(multiplications / tile_work, 1, most));
  const auto tiles = static_cast<int64_t>(std::bit_floor(wanted));
  return std::max((length / tiles + tile_step - 1) / tile_step * tile_step, tile_step);
}

/// M N K, or the largest integer where that is beyond it.
int64_t product_of(int64_t M, int64_t N, int64_t K) {
  int64_t mn = 0, mnk = 0;
  const bool beyond = __builtin_mul_overflow(M, N, &mn) || __builtin_mul_overflow(mn, K, &mnk);
  return beyond ? std::numeric_limits<int64_t>::max() : mnk;
}

template <class T>
void check_sizes(const MatrixView<const T>& a, const MatrixView<const T>& b, const MatrixView<T>& c) {
  constexpr int64_t limit = std::numeric_limits<blasint>::max();
  check<ShapeError>(std::max({c.rows, c.cols, a.cols, a.ld, b.ld, c.ld}) <= limit,
                    "matmul: [{}, {}] x [{}, {}]: a size or stride is beyond {}, BLAS's limit", a.rows, a.cols, b.rows, b.cols, limit);
}

/// By OpenBLAS, in tiles of the rows or the columns of C, whichever are more.
template <class T>
void tiled_gemm(const MatrixView<const T>& a, const MatrixView<const T>& b, const MatrixView<T>& c, Output output) {
  const T beta = output == Output::Accumulate ? 1 : 0;
  const bool by_rows = c.rows > c.cols;
  const int64_t length = by_rows ? c.rows : c.cols;
  parallel_for(length, tile_length(length, product_of(c.rows, c.cols, a.cols)), [&](int64_t begin, int64_t end) {
    const int64_t n = end - begin;
    if (by_rows) call(a.some_rows(begin, n), b, beta, c.some_rows(begin, n));
    else call(a, b.some_cols(begin, n), beta, c.some_cols(begin, n));
  });
}

}  // namespace

template <class T>
void gemm(const std::type_identity_t<MatrixView<const T>>& a, const std::type_identity_t<MatrixView<const T>>& b, const MatrixView<T>& c,
          Output output, Keeper keep_b) {
  prepared();
  const profiling::Span span(profiling::Kind::Kernel, "gemm");
  if (c.rows == 0 || c.cols == 0) return;
  if (a.cols == 0) {
    if (output == Output::Overwrite)
      for (int64_t i = 0; i < c.rows; ++i) std::fill_n(c.at(i, 0), c.cols, T(0));
    return;
  }
  check_sizes(a, b, c);
  if constexpr (std::is_same_v<T, float>)
    if (bfloat16_gemm(a, b, c, output, nullptr, keep_b) || blocked_gemm(a, b, c, output, nullptr, keep_b)) return;
  tiled_gemm(a, b, c, output);
}
template void gemm(const MatrixView<const float>&, const MatrixView<const float>&, const MatrixView<float>&, Output, Keeper);
template void gemm(const MatrixView<const double>&, const MatrixView<const double>&, const MatrixView<double>&, Output, Keeper);

template <class T>
void gemm_and_row(const std::type_identity_t<MatrixView<const T>>& a, const std::type_identity_t<MatrixView<const T>>& b, const T* row,
                  const MatrixView<T>& c, Keeper keep_b) {
  check_sizes(a, b, c);
  if constexpr (std::is_same_v<T, float>) {
    const profiling::Span span(profiling::Kind::Kernel, "gemm");
    if (bfloat16_gemm(a, b, c, Output::Overwrite, row, keep_b) || blocked_gemm(a, b, c, Output::Overwrite, row, keep_b)) return;
  }
  for (int64_t i = 0; i < c.rows; ++i) std::copy_n(row, c.cols, c.at(i, 0));
  gemm(a, b, c, Output::Accumulate);
}
template void gemm_and_row(const MatrixView<const float>&, const MatrixView<const float>&, const float*, const MatrixView<float>&, Keeper);
template void gemm_and_row(const MatrixView<const double>&, const MatrixView<const double>&, const double*, const MatrixView<double>&,
                           Keeper);

std::string blas_description() { return prepared(); }

}  // namespace gradus::kernels
