#include "kernels/small_kernels.h"

#include <algorithm>
#include <cstring>

#ifdef GRADUS_LIBXSMM
#  include <libxsmm.h>
#  include <sys/mman.h>

#  include <array>
#  include <cinttypes>
#  include <cstdio>
#  include <cstdlib>
#  include <memory>
#  include <mutex>
#  include <new>
#  include <unordered_map>

#  include "core/fork.h"
#  include "core/isa.h"
#endif

namespace gradus::kernels {
namespace {

using Four = float __attribute__((vector_size(16)));

Four load_four(const float* p) {
  Four v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
void store_four(Four v, float* p) { std::memcpy(p, &v, sizeof v); }

/// to[k, n] = from[n, k] for 4 x 4 elements, rows `width` and `stride` apart.
void transpose_four(const float* from, int64_t stride, float* to, int64_t width) {
  const Four a = load_four(from), b = load_four(from + stride), c = load_four(from + 2 * stride), d = load_four(from + 3 * stride);
  const Four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const Four ef = __builtin_shufflevector(a, b, 2, 6, 3, 7), gh = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  store_four(__builtin_shufflevector(ab, cd, 0, 1, 4, 5), to);
  store_four(__builtin_shufflevector(ab, cd, 2, 3, 6, 7), to + width);
  store_four(__builtin_shufflevector(ef, gh, 0, 1, 4, 5), to + 2 * width);
  store_four(__builtin_shufflevector(ef, gh, 2, 3, 6, 7), to + 3 * width);
}

}  // namespace

void pack_block(int64_t K, int64_t width, const float* from, int64_t n_stride, int64_t k_stride, float* to) {
  if (n_stride == 1) {
    for (int64_t k = 0; k < K; ++k) std::copy_n(from + k * k_stride, width, to + k * width);
    return;
  }
  const int64_t whole_K = K / 4 * 4, whole_width = width / 4 * 4;
  constexpr int64_t strip = 16;  // of k at a time: the lines written stay in the nearest cache
  for (int64_t k0 = 0; k0 < whole_K; k0 += strip)
    for (int64_t n = 0; n < whole_width; n += 4)
      for (int64_t k = k0; k < std::min(k0 + strip, whole_K); k += 4)
        transpose_four(from + n * n_stride + k, n_stride, to + k * width + n, width);
  for (int64_t k = 0; k < K; ++k)
    for (int64_t n = k < whole_K ? whole_width : 0; n < width; ++n) to[k * width + n] = from[n * n_stride + k * k_stride];
}

#ifdef GRADUS_LIBXSMM

namespace {

/// What tells kernels apart.
struct Sizes {
  int64_t width, rows, K, ldw, ldx, ldy;
  bool add, transposed;
  bool operator==(const Sizes&) const = default;
};

struct Hash {
  std::size_t operator()(const Sizes& s) const noexcept {
    uint64_t hash = s.add ? 1 : s.transposed ? 2 : 0;
    for (const int64_t size : {s.width, s.rows, s.K, s.ldw, s.ldx, s.ldy}) hash = hash * 31 + static_cast<uint64_t>(size);
    return hash ^ hash >> 6 ^ hash >> 12;
  }
};

/// Whether a page can be had that is written first and run then, and `bytes` of address space at all. libxsmm does not ask: without room
/// for its tables it crashes, and a kernel that found no such page it leaves in ordinary memory, where the first call is a crash.
bool has_room(std::size_t bytes, int protection) noexcept {
  void* room = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return false;
  munmap(room, bytes);
  return true;
}
constexpr std::size_t for_tables = std::size_t{32} << 20, for_a_kernel = std::size_t{1} << 20;
constexpr int writable = PROT_READ | PROT_WRITE, runnable = writable | PROT_EXEC;

/// Whether the system runs what lies at `kernel`. Where there is no list of the mappings, has_room has had the last word.
bool can_run(SmallKernel kernel) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(kernel);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> maps(std::fopen("/proc/self/maps", "re"), std::fclose);
  if (!maps) return true;
  for (std::array<char, 512> line; std::fgets(line.data(), line.size(), maps.get());) {
    std::uintptr_t begin = 0, end = 0;
    char execute = '-';
    if (std::sscanf(line.data(), "%" SCNxPTR "-%" SCNxPTR " %*c%*c%c", &begin, &end, &execute) == 3 && address >= begin && address < end)
      return execute == 'x';
  }
  return false;
}

SmallKernel dispatched(const Sizes& s) noexcept {
  // libxsmm counts columns first: its C (width, rows) is y, its A (width, K) is w, its B (K, rows) is x.
  const auto lda = static_cast<libxsmm_blasint>(s.ldw), ldb = static_cast<libxsmm_blasint>(s.ldx),
             ldc = static_cast<libxsmm_blasint>(s.ldy);
  const float alpha = 1, beta = s.add ? 1 : 0;
  const int flags = s.transposed ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE, prefetch = LIBXSMM_GEMM_PREFETCH_NONE;
  return libxsmm_smmdispatch(static_cast<libxsmm_blasint>(s.width), static_cast<libxsmm_blasint>(s.rows), static_cast<libxsmm_blasint>(s.K),
                             &lda, &ldb, &ldc, &alpha, &beta, &flags, &prefetch);
}

/// All kernels that have been asked for, null those that cannot be. Never destroyed: threads may compute until the program has ended.
class Kernels {
 public:
  std::mutex mutex;

  SmallKernel find(const Sizes& sizes) {
    std::lock_guard lock(mutex);
    if (const auto found = made_.find(sizes); found != made_.end()) return found->second;
    if (!has_room(for_a_kernel, runnable)) return nullptr;  // another time there may be
    SmallKernel& kernel = made_[sizes];
    kernel = dispatched(sizes);
    if (kernel && !can_run(kernel)) kernel = nullptr;
    return kernel;
  }

 private:
  std::unordered_map<Sizes, SmallKernel, Hash> made_;
};
Kernels& all_kernels() {
  static Kernels& instance = *new Kernels;
  return instance;
}

/// A product of small integers, which is exact.
bool product_is_right(SmallKernel kernel) noexcept {
  constexpr std::size_t n = 16;
  std::array<float, n * n> w, x, y, expected;
  expected.fill(0);
  for (std::size_t i = 0; i < n * n; ++i) {
    w[i] = static_cast<float>(i % 7) - 3;
    x[i] = static_cast<float>(i % 5) - 2;
  }
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < n; ++k)
      for (std::size_t j = 0; j < n; ++j) expected[i * n + j] += x[i * n + k] * w[k * n + j];
  kernel(w.data(), x.data(), y.data());
  return y == expected;
}

enum class State { Usable, NotAskedFor, NotRunnable, NoMemory, Wrong };

/// Open while kernels may be called. libxsmm frees them when the program ends, where other threads, and objects in static storage, may
/// still compute: from then on OpenBLAS makes the products.
constinit Gate gate;

State prepare() {
  if (isa::level() == isa::Level::Baseline) return State::NotAskedFor;
  if (!has_room(for_tables, writable)) return State::NoMemory;
  if (!has_room(for_a_kernel, runnable)) return State::NotRunnable;
  libxsmm_init();
  std::atexit([] { gate.close(); });  // called before libxsmm's own, which libxsmm_init registered
  if (isa::level() == isa::Level::Avx2) libxsmm_set_target_archid(LIBXSMM_X86_AVX2);
  const SmallKernel kernel = dispatched({16, 16, 16, 16, 16, 16, false, false});
  if (!kernel || !can_run(kernel)) return State::NotRunnable;
  return product_is_right(kernel) ? State::Usable : State::Wrong;
}

constinit Once<State> once;

State state() noexcept { return once.get(prepare); }

[[maybe_unused]] const bool prepared = at_fork(ForkOrder::SmallKernels, {.before =
                                                                             [] {
                                                                               once.close();
                                                                               all_kernels().mutex.lock();
                                                                             },
                                                                         .after =
                                                                             [] {
                                                                               all_kernels().mutex.unlock();
                                                                               once.open();
                                                                             },
                                                                         .in_child = [] { gate.empty(); }});

}  // namespace

bool has_small_kernels() noexcept { return state() == State::Usable; }

Passage use_small_kernels() noexcept { return has_small_kernels() ? Passage::unless_closed(gate) : Passage(); }

SmallKernel small_kernel(int64_t width, int64_t rows, int64_t K, int64_t ldw, int64_t ldx, bool add, int64_t ldy, bool transposed) {
  if (!has_small_kernels()) return nullptr;
  // Among more than a few, it takes 50 ns to find a kernel again, a twentieth of a small product; this finds the latest ones in 20.
  struct Entry {
    Sizes sizes;
    SmallKernel kernel;
  };
  constexpr uint64_t entries = 64;
  static thread_local Entry table[entries] = {};
  const Sizes sizes{width, rows, K, ldw, ldx, ldy, add, transposed};
  Entry& entry = table[Hash()(sizes) % entries];
  if (!entry.kernel || entry.sizes != sizes) entry = {sizes, all_kernels().find(sizes)};
  return entry.kernel;
}

const char* small_kernel_library() noexcept {
  switch (state()) {
    case State::Usable:
    case State::NotAskedFor: return "libxsmm " LIBXSMM_VERSION;
    case State::NotRunnable: return "without libxsmm, as this system runs no code made by the program";
    case State::NoMemory: return "without libxsmm, for which there was no memory";
    case State::Wrong: return "without libxsmm, whose kernels are wrong on this processor";
  }
  return "without libxsmm";
}

#else

bool has_small_kernels() noexcept { return false; }
Passage use_small_kernels() noexcept { return {}; }
SmallKernel small_kernel(int64_t, int64_t, int64_t, int64_t, int64_t, bool, int64_t, bool) { return nullptr; }
const char* small_kernel_library() noexcept { return "without libxsmm"; }

#endif

}  // namespace gradus::kernels
