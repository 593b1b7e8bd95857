#include "core/allocator.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "core/check.h"
#include "gradus/memory.h"

namespace gradus {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kClassesPerDoubling = 4;
constexpr std::size_t kClasses = 64 * kClassesPerDoubling;

struct SizeClass {
  std::size_t index;
  std::size_t bytes;
};

/// Sizes are rounded up to a quarter of a power of two, so a block wastes at most a fifth.
SizeClass size_class(std::size_t bytes) noexcept {
  bytes = std::max(bytes, kAlignment);
  const auto doubling = static_cast<std::size_t>(std::bit_width(bytes - 1)) - 1;  // 2^doubling < bytes <= 2^(doubling+1)
  const std::size_t quarter = std::max<std::size_t>((std::size_t{1} << doubling) / kClassesPerDoubling, 1);
  const std::size_t steps = (bytes - (std::size_t{1} << doubling) + quarter - 1) / quarter;
  const std::size_t rounded = (std::size_t{1} << doubling) + steps * quarter;
  return {doubling * kClassesPerDoubling + steps - 1, (rounded + kAlignment - 1) / kAlignment * kAlignment};
}

struct Cache {
  std::mutex mutex;
  std::array<std::vector<void*>, kClasses> free;
  MemoryStats stats;

  void drop() noexcept {
    for (auto& blocks : free) {
      for (void* block : blocks) std::free(block);
      blocks.clear();
    }
    stats.cached_bytes = 0;
  }
};

/// Never destroyed: tensors in static storage may be freed after it would be.
Cache& cache() {
  static Cache& instance = *new Cache;
  return instance;
}

}  // namespace

void* allocate(std::size_t bytes) {
  const SizeClass wanted = size_class(bytes);
  Cache& c = cache();
  {
    std::lock_guard lock(c.mutex);
    auto& blocks = c.free[wanted.index];
    c.stats.live_bytes += wanted.bytes;
    c.stats.peak_bytes = std::max(c.stats.peak_bytes, c.stats.live_bytes);
    if (!blocks.empty()) {
      void* block = blocks.back();
      blocks.pop_back();
      c.stats.cached_bytes -= wanted.bytes;
      return block;
    }
  }
  if (void* block = std::aligned_alloc(kAlignment, wanted.bytes)) return block;
  release_cached_memory();
  if (void* block = std::aligned_alloc(kAlignment, wanted.bytes)) return block;
  std::lock_guard lock(c.mutex);
  c.stats.live_bytes -= wanted.bytes;
  fail<OutOfMemoryError>("allocate: no memory for {} bytes; {} bytes are in use by tensors", bytes, c.stats.live_bytes);
}

void deallocate(void* block, std::size_t bytes) noexcept {
  const SizeClass freed = size_class(bytes);
  Cache& c = cache();
  std::lock_guard lock(c.mutex);
  c.stats.live_bytes -= freed.bytes;
  try {
    c.free[freed.index].push_back(block);
    c.stats.cached_bytes += freed.bytes;
  } catch (const std::bad_alloc&) {
    std::free(block);
  }
}

MemoryStats memory_stats() noexcept {
  std::lock_guard lock(cache().mutex);
  return cache().stats;
}

void reset_peak_memory() noexcept {
  std::lock_guard lock(cache().mutex);
  cache().stats.peak_bytes = cache().stats.live_bytes;
}

void release_cached_memory() noexcept {
  std::lock_guard lock(cache().mutex);
  cache().drop();
}

}  // namespace gradus
