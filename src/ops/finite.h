#pragma once

#include "core/dispatch.h"
#include "gradus/autograd.h"
#include "gradus/tensor.h"
#include "kernels/finite.h"

namespace gradus {

/// Whether no element of x, which is floating-point, is NaN or infinite.
inline bool all_finite(const Tensor& x) {
  NoGradGuard no_grad;
  const Tensor dense = x.is_contiguous() ? x : x.contiguous();
  return dispatch_floating("isfinite", x.dtype(), [&]<class T>() { return kernels::all_finite(dense.numel(), 1, dense.data<T>()); });
}

}  // namespace gradus
