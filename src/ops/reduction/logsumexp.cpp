#include "gradus/ops/reduction.h"

#include <limits>

#include "autograd/op.h"
#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "ops/reduction/reduction.h"

namespace gradus {
namespace {

/// dy e^(x - total). An element of -infinity has no share, also where all are; and what nobody asks for is 0, also where the share is NaN.
Tensor softmax_share(const Tensor& x, const Tensor& dy, const Tensor& total) {
  Tensor none;
  {
    NoGradGuard no_grad;
    const Tensor difference = sub(x, total);
    none = logical_and(isnan(difference), logical_or(eq(x, -std::numeric_limits<double>::infinity()), eq(dy, 0)));
  }
  return mul(dy, masked_fill(exp(sub(x, total)), none, 0));
}

}  // namespace

Tensor logsumexp(const Tensor& x, const Dims& dims, bool keepdim) {
  constexpr Op op("logsumexp");
  const Reduced r = reduced(op, x, dims);
  const Tensor v = is_floating_point(x.dtype()) ? x : x.to(DType::Float32);
  Tensor y;
  if (r.count == 0) y = full(keepdim ? r.keep : r.squeezed, -std::numeric_limits<double>::infinity(), {.dtype = v.dtype()});
  else {
    NoGradGuard no_grad;
    const Tensor top = amax(v, dims, true), shift = where(isfinite(top), top, 0.0);
    y = add(log(sum(exp(sub(v, shift)), dims, true)), shift).reshape(keepdim ? r.keep : r.squeezed);
  }
  return op.record(y, wrt(v, [v = Saved(v), keep = r.keep](const Tensor& dy, const Tensor& out) {
                     return softmax_share(*v, dy.reshape(keep), out.reshape(keep));
                   }));
}

}  // namespace gradus
