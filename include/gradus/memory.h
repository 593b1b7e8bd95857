#pragma once

#include <cstddef>

#include "gradus/export.h"

namespace gradus {

/// What the allocator holds, in bytes, rounded up to its size classes.
struct MemoryStats {
  std::size_t live_bytes = 0;    ///< in tensors now
  std::size_t peak_bytes = 0;    ///< the most that was ever live at once
  std::size_t cached_bytes = 0;  ///< freed and kept for the next tensor of that size
};

/// The allocator's figures at this moment, over all threads.
GRADUS_API MemoryStats memory_stats() noexcept;

/// Gives every cached block back to the system.
GRADUS_API void release_cached_memory() noexcept;

}  // namespace gradus
