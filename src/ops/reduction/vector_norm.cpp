#include "gradus/ops/reduction.h"

#include <cmath>
#include <limits>

#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "kernels/reduce.h"
#include "ops/reduction/reduction.h"

namespace gradus {
namespace {

Tensor norm_of(const Tensor& x, double p, const Dims& dims, const Reduced& r, bool keepdim) {
  constexpr Op op("norm");
  NoGradGuard no_grad;
  if (p == 1)
    return summed(
        op, x, r, keepdim, [](double v) { return std::fabs(v); }, [](double v) { return v; });
  if (p == 2) return root_of_squares(op, x, r, keepdim, 1);
  if (std::isinf(p)) {
    op.check<ValueError>(r.count > 0 || p > 0, "shape {} has no element, and so no norm of order {}", x.shape(), p);
    if (r.count == 0) return zeros(keepdim ? r.keep : r.squeezed, {.dtype = x.dtype()});
    return p > 0 ? amax(abs(x), dims, keepdim) : amin(abs(x), dims, keepdim);
  }
  op.check<ValueError>(r.count > 0 || p >= 0, "shape {} has no element, and so no norm of order {}", x.shape(), p);
  // Other orders are rare: they are made of public operations, in double, so that the library has no loops for them.
  const Tensor terms = p == 0 ? ne(x, 0).to(DType::Float64) : pow(abs(x.to(DType::Float64)), p);
  const Tensor total = sum(terms, r.dims, keepdim);
  return (p == 0 ? total : pow(total, 1 / p)).to(x.dtype());
}

/// |x|^e with x's sign, 0 at 0.
Tensor signed_power(const Tensor& x, double e) { return mul(sign(x), masked_fill(pow(abs(x), e), eq(x, 0), 0)); }

/// d norm / dx, as in PyTorch: 0 where the norm is 0, shared evenly among equal largest elements for infinity.
Tensor norm_gradient(const Tensor& x, double p, const Tensor& dy, const Tensor& y, const Reduced& r) {
  if (p == 0) return zeros_like(x);
  if (p == 1) return mul(sign(x), dy);
  if (std::isinf(p)) {
    Tensor share;
    {
      NoGradGuard no_grad;
      const Tensor equals = logical_or(eq(abs(x), y), isnan(x)).to(x.dtype());
      share = mul(sign(x), div(equals, sum(equals, r.dims, true).reshape(r.keep)));
    }
    return mul(dy, share);
  }
  if (p == 2) return mul(dy, masked_fill(div(x, y), eq(y, 0), 0));
  // Nothing is divided by a norm that is 0: in the second derivative it would come back as NaN, also in what only dy depends on.
  const Tensor none = eq(y, 0);
  return mul(signed_power(x, p - 1), masked_fill(div(dy, pow(masked_fill(y, none, 1), p - 1)), none, 0));
}

}  // namespace

Tensor root_of_squares(Op op, const Tensor& x, const Reduced& r, bool keepdim, double n) {
  NoGradGuard no_grad;
  const auto root = [n](double sum) { return std::sqrt(sum / n); };
  Tensor y = summed(
      op, x, r, keepdim, [](double v) { return v * v; }, root);
  if (x.dtype() == DType::Float32 || r.count == 0) return y;
  // Squares of float64 can be too large, or too small, for float64; those of numbers brought near 1 are not.
  constexpr double large = 1e150, small = 1e-140;
  const Tensor shape_kept = y.reshape(r.keep);
  if (all(logical_and(lt(shape_kept, large), gt(shape_kept, small))).item<bool>()) return y;
  const Tensor largest = amax(abs(x), r.dims, true);
  const Tensor scale = where(logical_and(isfinite(largest), gt(largest, 0)), largest, 1.0);
  const Tensor scaled = summed(
      op, div(x, scale), r, keepdim, [](double v) { return v * v; }, root);
  return mul(scaled, scale.reshape(scaled.shape()));
}

Tensor norm(const Tensor& x, double p, const Dims& dims, bool keepdim, std::optional<DType> dtype) {
  constexpr Op op("norm");
  const DType out = dtype.value_or(impl_of(op, x).dtype);
  op.check<DTypeError>(is_floating_point(out), "{} has no norm of its own kind; convert with .to(gradus::float32) or give a dtype",
                       name(out));
  const Tensor v = x.to(out);
  const Reduced r = reduced(op, v, dims);
  return op.record(norm_of(v, p, dims, r, keepdim), wrt(v, [p, v = Saved(v), r](const Tensor& dy, const Tensor& y) {
                     return norm_gradient(*v, p, dy.reshape(r.keep), y.reshape(r.keep), r);
                   }));
}

}  // namespace gradus
