#pragma once

#include <cstddef>

namespace gradus {

/// A block of at least `bytes` bytes, aligned to 64. Freed blocks are kept by size class and handed out again: a training step
/// asks for the same sizes every time, and fresh pages cost as much as the arithmetic. Throws OutOfMemoryError.
void* allocate(std::size_t bytes);

/// Gives a block from `allocate(bytes)` back.
void deallocate(void* block, std::size_t bytes) noexcept;

/// Memory for one of the small objects that a graph is made of. Like `operator new`, but throws OutOfMemoryError.
void* allocate_object(std::size_t bytes);

/// Gives memory from `allocate_object` back.
void deallocate_object(void* object) noexcept;

/// The base of small objects whose memory comes from `allocate_object`.
struct SmallObject {
  static void* operator new(std::size_t bytes) { return allocate_object(bytes); }
  static void operator delete(void* object) noexcept { deallocate_object(object); }
};

}  // namespace gradus
