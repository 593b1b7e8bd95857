#pragma once

#include <cstddef>

#include "gradus/export.h"

namespace gradus {

/// What the allocator holds, in bytes, rounded up to its size classes.
struct MemoryStats {
  std::size_t live_bytes = 0;    ///< in tensors now, and in weights' packed forms (once more a float32 weight, half with "medium")
  std::size_t peak_bytes = 0;    ///< the most that was live at once, since the start or reset_peak_memory()
  std::size_t cached_bytes = 0;  ///< freed and kept for the next tensor of that size
};

/// The allocator's figures at this moment, over all threads.
GRADUS_API MemoryStats memory_stats() noexcept;

/// Lets the peak start again from what is live now, to see what a part of a program needs.
GRADUS_API void reset_peak_memory() noexcept;

/// Gives every cached block back to the system. It is done unasked where memory ends, in gradus or in any `new` of the program: the library
/// sets a new_handler, which calls the one that was there when it finds nothing more to give.
GRADUS_API void release_cached_memory() noexcept;

}  // namespace gradus
