#include "core/allocator.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/fork.h"
#include "gradus/memory.h"

// gcc and clang say in two ways that the address sanitizer watches.
#if defined(__has_feature)
#  if __has_feature(address_sanitizer)
#    define GRADUS_ADDRESS_SANITIZER
#  endif
#elif defined(__SANITIZE_ADDRESS__)
#  define GRADUS_ADDRESS_SANITIZER
#endif
#ifdef GRADUS_ADDRESS_SANITIZER
#  include <sanitizer/asan_interface.h>
#endif

namespace gradus {
namespace {

/// Tells the address sanitizer, if there is one, which bytes of a block may be used: a block is larger than what was asked for, and one in
/// the cache belongs to nobody.
void allow_use([[maybe_unused]] const void* block, [[maybe_unused]] std::size_t used, [[maybe_unused]] std::size_t bytes) noexcept {
#ifdef GRADUS_ADDRESS_SANITIZER
  ASAN_UNPOISON_MEMORY_REGION(block, used);
  ASAN_POISON_MEMORY_REGION(static_cast<const std::byte*>(block) + used, bytes - used);
#endif
}

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kClassesPerDoubling = 4;
constexpr std::size_t kClasses = 64 * kClassesPerDoubling;
constexpr std::size_t kMost = std::size_t{1} << 62;

struct SizeClass {
  std::size_t index;
  std::size_t bytes;
};

/// Sizes without a storage's header are rounded up to a quarter of a power of two, so a block wastes at most a fifth, and numbers of
/// elements that are powers of two, which are the most frequent, waste nothing.
SizeClass size_class(std::size_t bytes) noexcept {
  bytes = std::max(bytes, 2 * kAlignment) - kAlignment;
  const auto doubling = static_cast<std::size_t>(std::bit_width(bytes - 1)) - 1;  // 2^doubling < bytes <= 2^(doubling+1)
  const std::size_t quarter = std::max<std::size_t>((std::size_t{1} << doubling) / kClassesPerDoubling, 1);
  const std::size_t steps = (bytes - (std::size_t{1} << doubling) + quarter - 1) / quarter;
  const std::size_t rounded = (std::size_t{1} << doubling) + steps * quarter;
  return {doubling * kClassesPerDoubling + steps - 1, (rounded + kAlignment - 1) / kAlignment * kAlignment + kAlignment};
}

/// A block in the cache holds where the next one is, so that keeping it needs no memory.
struct FreeBlock {
  FreeBlock* next;
};

struct Cache {
  std::mutex mutex;
  std::array<FreeBlock*, kClasses> free{};
  MemoryStats stats;

  void* take(const SizeClass& wanted) noexcept {
    FreeBlock*& first = free[wanted.index];
    if (!first) return nullptr;
    stats.cached_bytes -= wanted.bytes;
    return std::exchange(first, first->next);
  }
  void keep(void* block, const SizeClass& size) noexcept {
    FreeBlock*& first = free[size.index];
    allow_use(block, sizeof(FreeBlock), size.bytes);
    first = new (block) FreeBlock{first};
    stats.cached_bytes += size.bytes;
  }
  /// How many bytes that was.
  std::size_t drop() noexcept {
    for (FreeBlock*& first : free)
      while (first) std::free(std::exchange(first, first->next));
    return std::exchange(stats.cached_bytes, 0);
  }
};

/// Never destroyed: tensors in static storage may be freed after it would be.
static_assert(std::is_trivially_destructible_v<Cache>);
constinit Cache cache;

std::size_t drop_cached_memory() noexcept {
  std::lock_guard lock(cache.mutex);
  return cache.drop();
}

/// Room kept for the moment when memory ends: it pays for the strings, vectors and closures on the way to the next place that can say so, a
/// tensor or a node, which then throws OutOfMemoryError. It comes from malloc, which may have free blocks although the system has no more
/// to give: a small one in use at the heap's end keeps the rest from going back. Hardly a page of it is touched before.
class Reserve {
 public:
  bool spent() const noexcept { return spent_.load(std::memory_order_relaxed); }

  /// False when there is none left.
  bool spend() noexcept {
    void* room = room_.exchange(nullptr);
    if (!room) return false;
    spent_.store(true);
    std::free(room);
    return true;
  }

  bool fill() noexcept {
    void* room = std::malloc(bytes);
    if (!room && drop_cached_memory() > 0) room = std::malloc(bytes);
    if (!room) return false;
    std::free(room_.exchange(room));
    spent_.store(false);
    return true;
  }

 private:
  static constexpr std::size_t bytes = std::size_t{4} << 20;

  std::atomic<void*> room_{nullptr};
  std::atomic<bool> spent_{false};
};
constinit Reserve reserve;
std::new_handler next_handler = nullptr;

/// What `operator new` calls when it finds no memory, and tries again after: cached blocks serve every part of the program.
void make_room() {
  if (drop_cached_memory() > 0 || reserve.spend()) return;
  if (!next_handler) throw std::bad_alloc();
  next_handler();
}

[[maybe_unused]] const bool prepared = [] {
  reserve.fill();
  next_handler = std::set_new_handler(make_room);
  return at_fork(ForkOrder::Blocks, {.before = [] { cache.mutex.lock(); }, .after = [] { cache.mutex.unlock(); }});
}();

[[noreturn]] __attribute__((cold, noinline)) void fail_without_memory(std::size_t bytes) {
  fail<OutOfMemoryError>("allocate: no memory for {} bytes; {} bytes are in use by tensors", bytes, memory_stats().live_bytes);
}

/// Once the reserve is gone, nothing is begun before it can be had again.
void check_reserve(std::size_t bytes) {
  if (reserve.spent() && !reserve.fill()) [[unlikely]]
    fail_without_memory(bytes);
}

/// A block that was not in the cache, whose other blocks are given up for it if need be.
void* new_block(const SizeClass& wanted) noexcept {
  if (void* block = std::aligned_alloc(kAlignment, wanted.bytes)) return block;
  return drop_cached_memory() > 0 ? std::aligned_alloc(kAlignment, wanted.bytes) : nullptr;
}

}  // namespace

void* allocate(std::size_t bytes) {
  if (bytes > kMost) fail_without_memory(bytes);
  check_reserve(bytes);
  const SizeClass wanted = size_class(bytes);
  std::size_t peak = 0;
  {
    std::lock_guard lock(cache.mutex);
    peak = cache.stats.peak_bytes;
    cache.stats.live_bytes += wanted.bytes;
    cache.stats.peak_bytes = std::max(peak, cache.stats.live_bytes);
    if (void* block = cache.take(wanted)) {
      allow_use(block, bytes, wanted.bytes);
      return block;
    }
  }
  if (void* block = new_block(wanted)) {
    allow_use(block, bytes, wanted.bytes);
    return block;
  }
  {
    std::lock_guard lock(cache.mutex);
    cache.stats.live_bytes -= wanted.bytes;
    cache.stats.peak_bytes = std::max(peak, cache.stats.live_bytes);
  }
  fail_without_memory(bytes);
}

void deallocate(void* block, std::size_t bytes) noexcept {
  const SizeClass freed = size_class(bytes);
  std::lock_guard lock(cache.mutex);
  cache.stats.live_bytes -= freed.bytes;
  cache.keep(block, freed);
}

void* allocate_object(std::size_t bytes) {
  check_reserve(bytes);
  if (void* object = std::malloc(bytes)) return object;
  void* object = drop_cached_memory() > 0 ? std::malloc(bytes) : nullptr;
  if (!object) fail_without_memory(bytes);
  return object;
}

void deallocate_object(void* object) noexcept { std::free(object); }

MemoryStats memory_stats() noexcept {
  std::lock_guard lock(cache.mutex);
  return cache.stats;
}

void reset_peak_memory() noexcept {
  std::lock_guard lock(cache.mutex);
  cache.stats.peak_bytes = cache.stats.live_bytes;
}

void release_cached_memory() noexcept { drop_cached_memory(); }

}  // namespace gradus
