#include "kernels/blas_call.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <thread>

#include "core/check.h"
#include "gradus/memory.h"

// OpenBLAS exports these, but declares them in no header.
extern "C" {
void* blas_memory_alloc(int position) __attribute__((weak));
void blas_memory_free(void* buffer) __attribute__((weak));
}

namespace gradus::kernels {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{128} << 20;  // what OpenBLAS takes on x86-64 and ARM, and more than elsewhere
constexpr std::size_t most_buffers = 256;

constinit std::atomic<int> calls{0};  // under way
constinit std::atomic<int> ready{0};  // buffers there are for them; 0 while closed
constinit std::mutex entrance;        // held by who makes a buffer, and while closed

/// OpenBLAS's buffers, which it keeps. Guarded by `entrance`.
class Buffers {
 public:
  int count() const noexcept { return count_; }

  /// Has OpenBLAS make one more; false where there is no memory for it.
  bool add() noexcept {
    if (static_cast<std::size_t>(count_) == most_buffers || !has_room()) return false;
    if (!blas_memory_alloc || !blas_memory_free) return ++count_;
    // OpenBLAS hands out a free buffer before it makes one, so those that are known are held until a new one comes.
    std::array<void*, most_buffers> held{};
    std::size_t n = 0;
    bool fresh = false;
    while (!fresh && n < most_buffers) {
      void* buffer = blas_memory_alloc(0);
      if (!buffer) break;
      held[n++] = buffer;
      fresh = std::find(known_.begin(), known_.begin() + count_, buffer) == known_.begin() + count_;
      if (fresh) known_[static_cast<std::size_t>(count_++)] = buffer;
    }
    while (n > 0) blas_memory_free(held[--n]);
    return fresh;
  }

 private:
  static bool has_room() noexcept {
    for (int attempt = 0; attempt < 2; ++attempt) {
      void* room = mmap(nullptr, buffer_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (room != MAP_FAILED) return munmap(room, buffer_bytes) == 0;
      release_cached_memory();
    }
    return false;
  }

  int count_ = 0;
  std::array<void*, most_buffers> known_{};
};
constinit Buffers buffers;

/// The way in where there are more calls than buffers.
void enter_slowly() {
  do {
    calls.fetch_sub(1);
    {
      const std::lock_guard lock(entrance);
      const bool full = calls.load() >= buffers.count();
      if (full && !buffers.add() && buffers.count() == 0)
        fail<OutOfMemoryError>("matmul: no memory for the {} bytes that OpenBLAS needs to multiply", buffer_bytes);
      ready.store(buffers.count());
    }
    std::this_thread::yield();
  } while (calls.fetch_add(1) >= ready.load());
}

/// OpenBLAS gives its buffers back when the program ends, and other threads may be at one. They are let finish; who comes later waits for
/// the end. The library's destructor runs before that of OpenBLAS, on which it depends.
[[gnu::destructor]] void close_at_the_end() { close_blas(); }

}  // namespace

BlasCall::BlasCall() {
  if (calls.fetch_add(1) >= ready.load()) [[unlikely]]
    enter_slowly();
}

BlasCall::~BlasCall() { calls.fetch_sub(1, std::memory_order_release); }

bool prepare_blas_call() noexcept {
  const std::lock_guard lock(entrance);
  if (buffers.count() == 0 && !buffers.add()) return false;
  ready.store(buffers.count());
  return true;
}

void close_blas() noexcept {
  entrance.lock();
  ready.store(0);
  while (calls.load() != 0) std::this_thread::yield();
}

void open_blas() noexcept {
  ready.store(buffers.count());
  entrance.unlock();
}

}  // namespace gradus::kernels
