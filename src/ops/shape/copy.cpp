#include "gradus/ops/shape.h"

#include <cmath>

#include "autograd/record.h"
#include "autograd/strided.h"
#include "core/check.h"
#include "gradus/ops/reduction.h"
#include "ops/elementwise.h"

namespace gradus {

Tensor clone(const Tensor& x) {
  impl_of("clone", x);
  Tensor y = new_tensor("clone", x.shape(), x.dtype());
  copy_elements(x, y);
  return record("clone", y, wrt(x, [](const Tensor& dy) { return dy; }));
}

Tensor contiguous(const Tensor& x) { return impl_of("contiguous", x).contiguous ? x : clone(x); }

Tensor to(const Tensor& x, DType dtype) {
  if (impl_of("to", x).dtype == dtype) return x;
  if (dtype == DType::Int64 && is_floating_point(x.dtype())) {
    // Outside this range a conversion has no defined result.
    dispatch_floating("to", x.dtype(), [&]<class T>() {
      const Tensor good = map_new<bool, T>("to", x, [](T v) { return v >= T(-0x1p63) && v < T(0x1p63); });
      check<ValueError>(all(good).item<bool>(), "to: the tensor of shape {} has NaN or a value beyond int64; clamp or mask it first",
                        x.shape());
    });
  }
  Tensor y = new_tensor("to", x.shape(), dtype);
  copy_elements(x, y);
  if (!is_floating_point(dtype)) return y;
  return record("to_copy", y, wrt(x, [](const Tensor& dy) { return dy; }));
}

}  // namespace gradus
