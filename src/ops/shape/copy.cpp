#include "gradus/ops/shape.h"

#include <cmath>

#include "autograd/op.h"
#include "core/check.h"
#include "gradus/ops/reduction.h"
#include "ops/elementwise.h"

namespace gradus {

Tensor clone(const Tensor& x) {
  constexpr Op op("clone");
  op.takes(x);
  Tensor y = op.empty(x.shape(), x.dtype());
  copy_elements(x, y);
  return op.record(y, wrt(x, [](const Tensor& dy) { return dy; }));
}

Tensor contiguous(const Tensor& x) { return impl_of(Op("contiguous"), x).contiguous ? x : clone(x); }

Tensor to(const Tensor& x, DType dtype) {
  constexpr Op op("to", "to_copy");
  if (impl_of(op, x).dtype == dtype) return x;
  if (dtype == DType::Int64 && is_floating_point(x.dtype())) {
    // Outside this range a conversion has no defined result.
    dispatch_floating(op, x.dtype(), [&]<class T>() {
      const Tensor good = map_new<bool, T>(
          op, [](T v) { return v >= T(-0x1p63) && v < T(0x1p63); }, x);
      op.check<ValueError>(all(good).item<bool>(), "the tensor of shape {} has NaN or a value beyond int64; clamp or mask it first",
                           x.shape());
    });
  }
  Tensor y = op.empty(x.shape(), dtype);
  copy_elements(x, y);
  if (!is_floating_point(dtype)) return y;
  return op.record(y, wrt(x, [](const Tensor& dy) { return dy; }));
}

}  // namespace gradus
