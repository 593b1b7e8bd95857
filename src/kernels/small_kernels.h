#pragma once

#include <cstdint>

#include "core/gate.h"

/// libxsmm's kernels for one size each, made at run time; without libxsmm there are none.
namespace gradus::kernels {

/// y (rows, width) = x (rows, K) w (K, width), or y += it.
using SmallKernel = void (*)(const float* w, const float* x, float* y, ...);

/// Whether there are kernels for this machine, or for the instruction set that GRADUS_ISA names. Where the system does not run code that a
/// program made, there are none.
bool has_small_kernels() noexcept;

/// What a caller of kernels holds meanwhile: it keeps them in place, for at the end of the program they go, while other threads may still
/// compute. False where there are none to call, or no longer.
Passage use_small_kernels() noexcept;

/// The kernel for these sizes, to be called while use_small_kernels() is held; null when there is none. Kernels are kept, so that asking
/// again is cheap. The rows of w, x and y lie ldw, ldx and ldy apart. With `transposed`, x is stored as (K, rows).
SmallKernel small_kernel(int64_t width, int64_t rows, int64_t K, int64_t ldw, int64_t ldx, bool add, int64_t ldy, bool transposed = false);

/// The widest w that a kernel keeps in registers' reach.
inline constexpr int64_t kernel_width = 64;

/// Lays w out for a kernel: to (K, width), dense, with to[k, n] = from[n * n_stride + k * k_stride]. One of the strides is 1.
void pack_block(int64_t K, int64_t width, const float* from, int64_t n_stride, int64_t k_stride, float* to);

/// Numbers in a row of w, up to which a kernel reads it as quickly as a packed block.
inline constexpr int64_t narrow = 128;

/// "libxsmm 1.17-3651", or "without libxsmm", and why where it is there but of no use.
const char* small_kernel_library() noexcept;

}  // namespace gradus::kernels
