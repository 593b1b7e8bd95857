#pragma once

#include "core/dispatch.h"
#include "gradus/autograd.h"
#include "gradus/ops/elementwise.h"
#include "gradus/tensor.h"
#include "kernels/finite.h"

namespace gradus {

/// Whether no element of x, which is floating-point, is NaN or infinite.
inline bool all_finite(const Tensor& x) {
  NoGradGuard no_grad;
  const Tensor dense = x.is_contiguous() ? x : x.contiguous();
  return dispatch_floating("isfinite", x.dtype(), [&]<class T>() { return kernels::all_finite(dense.numel(), 1, dense.data<T>()); });
}

/// share * x, where a share of 0 asks nothing of an x that is not finite, nor of its gradient.
inline Tensor share_of(const Tensor& share, const Tensor& x) {
  if (!is_floating_point(x.dtype()) || all_finite(x)) return mul(share, x);
  Tensor nothing;
  {
    NoGradGuard no_grad;
    nothing = (share == 0) & ~isfinite(x);
  }
  return mul(share, where(nothing, 0.0, x));
}

}  // namespace gradus
