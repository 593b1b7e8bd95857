#include "gradus/ops/reduction.h"

#include "core/check.h"
#include "ops/reduction/reduction.h"

namespace gradus {
namespace {

/// The distances from the mean, and what their squares are divided by: max(0, n - correction).
struct Distances {
  Tensor from_mean;
  Reduced r;
  double n;
};

Distances distances(Op op, const Tensor& x, const Dims& dims, int64_t correction) {
  Distances d{.from_mean = {}, .r = reduced(op, x, dims), .n = 0};
  op.check<DTypeError>(is_floating_point(x.dtype()), "takes float32 or float64, got {}; convert with .to(gradus::float32)",
                       name(x.dtype()));
  d.n = std::max<double>(0, static_cast<double>(d.r.count - correction));
  NoGradGuard no_grad;
  d.from_mean = x - mean(x, dims, true);
  return d;
}

Tensor variance_gradient(const Tensor& x, const Tensor& dy, const Reduced& r, double n) {
  return (x - mean(x, r.dims, true)) * (2 / n) * dy.reshape(r.keep);
}

}  // namespace

Tensor var(const Tensor& x, const Dims& dims, int64_t correction, bool keepdim) {
  constexpr Op op("var");
  const Distances d = distances(op, x, dims, correction);
  Tensor y = summed(
      op, d.from_mean, d.r, keepdim, [](double v) { return v * v; }, [n = d.n](double v) { return v / n; });
  return op.record(y, wrt(x, [x = Saved(x), r = d.r, n = d.n](const Tensor& dy) { return variance_gradient(*x, dy, r, n); }));
}

Tensor std(const Tensor& x, const Dims& dims, int64_t correction, bool keepdim) {
  constexpr Op op("std");
  const Distances d = distances(op, x, dims, correction);
  return op.record(root_of_squares(op, d.from_mean, d.r, keepdim, d.n),
                   wrt(x, [x = Saved(x), r = d.r, n = d.n](const Tensor& dy, const Tensor& out) {
                     const Tensor half = (dy / out / 2).masked_fill(out.eq(0), 0);
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
