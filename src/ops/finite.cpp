#include "ops/finite.h"

#include "autograd/tensor_impl.h"
#include "core/dispatch.h"
#include "gradus/autograd.h"
#include "gradus/ops/elementwise.h"
#include "kernels/finite.h"

namespace gradus {

bool all_finite(const Tensor& x) {
  NoGradGuard no_grad;
  const Tensor dense = x.is_contiguous() ? x : x.contiguous();
  return dispatch_floating("isfinite", x.dtype(), [&]<class T>() { return kernels::all_finite(dense.numel(), 1, elements<T>(dense)); });
}

Tensor share_of(const Tensor& share, const Tensor& x) {
  if (!is_floating_point(x.dtype()) || all_finite(x)) return share * x;
  Tensor nothing;
  {
    NoGradGuard no_grad;
    nothing = (share == 0) & ~isfinite(x);
  }
  return share * where(nothing, 0.0, x);
}

}  // namespace gradus
