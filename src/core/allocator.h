#pragma once

#include <cstddef>

namespace gradus {

/// A block of at least `bytes` bytes, aligned to 64. Freed blocks are kept by size class and handed out again: a training step
/// asks for the same sizes every time, and fresh pages cost as much as the arithmetic. Throws OutOfMemoryError.
void* allocate(std::size_t bytes);

/// Gives a block from `allocate(bytes)` back.
void deallocate(void* block, std::size_t bytes) noexcept;

}  // namespace gradus
