#include "gradus/ops/reduction.h"

#include <cmath>
#include <limits>

#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/shape.h"
#include "kernels/reduce.h"
#include "ops/reduction/reduction.h"

namespace gradus {
namespace {

/// f(x), summed in double, then `finish` of each sum.
template <class F, class G>
Tensor summed(const Tensor& x, const Reduced& r, bool keepdim, F f, G finish) {
  Tensor y = new_tensor("norm", keepdim ? r.keep : r.squeezed, x.dtype());
  const Folded a = fold(x, r);
  std::vector<double> sums(static_cast<size_t>(y.numel()));
  dispatch_floating("norm", x.dtype(), [&]<class T>() {
    kernels::sum(a.outer, a.length, a.inner, a.dense.data<T>(), sums.data(), [f](T v) { return f(static_cast<double>(v)); });
    T* to = y.data<T>();
    for (size_t i = 0; i < sums.size(); ++i) to[i] = static_cast<T>(finish(sums[i]));
  });
  return y;
}

Tensor norm_of(const Tensor& x, double p, const Dims& dims, const Reduced& r, bool keepdim) {
  NoGradGuard no_grad;
  if (p == 1)
    return summed(
        x, r, keepdim, [](double v) { return std::fabs(v); }, [](double v) { return v; });
  if (p == 2)
    return summed(
        x, r, keepdim, [](double v) { return v * v; }, [](double v) { return std::sqrt(v); });
  if (std::isinf(p)) {
    check<ValueError>(r.count > 0 || p > 0, "norm: shape {} has no element, and so no norm of order {}", x.shape(), p);
    if (r.count == 0) return zeros(keepdim ? r.keep : r.squeezed, {.dtype = x.dtype()});
    return p > 0 ? amax(abs(x), dims, keepdim) : amin(abs(x), dims, keepdim);
  }
  check<ValueError>(r.count > 0 || p >= 0, "norm: shape {} has no element, and so no norm of order {}", x.shape(), p);
  // Other orders are rare: they are made of public operations, in double, so that the library has no loops for them.
  const Tensor terms = p == 0 ? to(ne(x, 0), DType::Float64) : pow(abs(to(x, DType::Float64)), p);
  const Tensor total = sum(terms, r.dims, keepdim);
  return to(p == 0 ? total : pow(total, 1 / p), x.dtype());
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
      share = mul(sign(x), div(equals, reshape(sum(equals, r.dims, true), r.keep)));
    }
    return mul(dy, share);
  }
  if (p == 2) return mul(dy, masked_fill(div(x, y), eq(y, 0), 0));
  return mul(signed_power(x, p - 1), masked_fill(div(dy, pow(y, p - 1)), eq(y, 0), 0));
}

}  // namespace

Tensor norm(const Tensor& x, double p, const Dims& dims, bool keepdim, std::optional<DType> dtype) {
  const DType out = dtype.value_or(impl_of("norm", x).dtype);
  check<DTypeError>(is_floating_point(out), "norm: {} has no norm of its own kind; convert with .to(gradus::float32) or give a dtype",
                    name(out));
  const Tensor v = to(x, out);
  const Reduced r = reduced("norm", v, dims);
  return record("norm", norm_of(v, p, dims, r, keepdim), wrt(v, [p, v = Saved(v), r](const Tensor& dy, const Tensor& y) {
                  return norm_gradient(*v, p, reshape(dy, r.keep), reshape(y, r.keep), r);
                }));
}

Tensor logsumexp(const Tensor& x, const Dims& dims, bool keepdim) {
  const Reduced r = reduced("logsumexp", x, dims);
  const Tensor v = is_floating_point(x.dtype()) ? x : to(x, DType::Float32);
  Tensor y;
  if (r.count == 0) y = full(keepdim ? r.keep : r.squeezed, -std::numeric_limits<double>::infinity(), {.dtype = v.dtype()});
  else {
    NoGradGuard no_grad;
    const Tensor top = amax(v, dims, true), shift = where(isfinite(top), top, 0.0);
    y = reshape(add(log(sum(exp(sub(v, shift)), dims, true)), shift), keepdim ? r.keep : r.squeezed);
  }
  return record("logsumexp", y, wrt(v, [v = Saved(v), keep = r.keep](const Tensor& dy, const Tensor& out) {
                  return mul(reshape(dy, keep), exp(sub(*v, reshape(out, keep))));
                }));
}

}  // namespace gradus
