#pragma once

#include <cstdint>

/// libxsmm's kernels for one size each, made at run time; without libxsmm there are none.
namespace gradus::kernels {

/// y (rows, width) = x (rows, K) w (K, width), or y += it.
using SmallKernel = void (*)(const float* w, const float* x, float* y, ...);

/// Whether there are kernels for this machine, or for the instruction set that GRADUS_ISA names. Where the system does not run code that a
/// program made, there are none.
bool has_small_kernels() noexcept;

/// Keeps kernels in place while it lives, if they still are: at the end of the program they go, while other threads may still compute.
class KernelUse {
 public:
  KernelUse() noexcept;
  ~KernelUse();
  KernelUse(const KernelUse&) = delete;
  KernelUse& operator=(const KernelUse&) = delete;
  /// Whether kernels may be called.
  explicit operator bool() const noexcept { return allowed_; }

 private:
  bool allowed_ = false;
};

/// The kernel for these sizes, to be called in a KernelUse; null when there is none. Kernels are kept, so that asking again is cheap. The
/// rows of w, x and y lie ldw, ldx and ldy apart. With `transposed`, x is stored as (K, rows).
SmallKernel small_kernel(int64_t width, int64_t rows, int64_t K, int64_t ldw, int64_t ldx, bool add, int64_t ldy, bool transposed = false);

/// The widest w that a kernel keeps in registers' reach.
inline constexpr int64_t kernel_width = 64;

/// Numbers in a row of w, up to which a kernel reads it as quickly as a packed block.
inline constexpr int64_t narrow = 128;

/// "libxsmm 1.17-3651", or "without libxsmm", and why where it is there but of no use.
const char* small_kernel_library() noexcept;

}  // namespace gradus::kernels
