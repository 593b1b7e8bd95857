#include "gradus/ops/reduction.h"

#include "core/check.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/shape.h"
#include "ops/reduction/reduction.h"

namespace gradus {
namespace {

/// The sum of squared distances from the mean, over max(0, n - correction).
struct Moments {
  Tensor variance, mean;
  Reduced r;
  double n;
};

Moments moments(const char* op, const Tensor& x, const Dims& dims, int64_t correction, bool keepdim) {
  Moments m{.variance = {}, .mean = {}, .r = reduced(op, x, dims), .n = 0};
  check<DTypeError>(is_floating_point(x.dtype()), "{}: takes float32 or float64, got {}; convert with .to(gradus::float32)", op,
                    name(x.dtype()));
  m.n = std::max<double>(0, static_cast<double>(m.r.count - correction));
  NoGradGuard no_grad;
  m.mean = mean(x, dims, true);
  const Tensor centred = sub(x, m.mean);
  m.variance = div(sum(mul(centred, centred), dims, keepdim), m.n);
  return m;
}

Tensor variance_gradient(const Tensor& x, const Tensor& dy, const Reduced& r, double n) {
  return mul(mul(sub(x, mean(x, r.dims, true)), 2 / n), reshape(dy, r.keep));
}

}  // namespace

Tensor var(const Tensor& x, const Dims& dims, int64_t correction, bool keepdim) {
  const Moments m = moments("var", x, dims, correction, keepdim);
  return record("var", m.variance, wrt(x, [x = Saved(x), r = m.r, n = m.n](const Tensor& dy) { return variance_gradient(*x, dy, r, n); }));
}

Tensor std(const Tensor& x, const Dims& dims, int64_t correction, bool keepdim) {
  const Moments m = moments("std", x, dims, correction, keepdim);
  Tensor y;
  {
    NoGradGuard no_grad;
    y = sqrt(m.variance);
  }
  return record("std", y, wrt(x, [x = Saved(x), r = m.r, n = m.n](const Tensor& dy, const Tensor& out) {
                  const Tensor half = masked_fill(div(dy, mul(out, 2)), eq(out, 0), 0);
                  return variance_gradient(*x, half, r, n);
                }));
}

std::pair<Tensor, Tensor> var_mean(const Tensor& x, const Dims& dims, int64_t correction, bool keepdim) {
  return {var(x, dims, correction, keepdim), mean(x, dims, keepdim)};
}

std::pair<Tensor, Tensor> std_mean(const Tensor& x, const Dims& dims, int64_t correction, bool keepdim) {
  return {std(x, dims, correction, keepdim), mean(x, dims, keepdim)};
}

}  // namespace gradus
