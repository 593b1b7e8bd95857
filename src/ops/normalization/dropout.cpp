#include "gradus/ops/normalization.h"

#include "core/random.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "ops/elementwise.h"
#include "ops/normalization/dropout.h"

namespace gradus {
namespace {

/// x factor where it is kept, and x times 0 elsewhere, where NaN and the infinities leave NaN. Its derivative is of the same form.
Tensor scaled_where(const Op& op, const Tensor& kept, const Tensor& x, double factor) {
  const Tensor y = with_type<Takes::Reals>(x.dtype(), [&]<class T>() {
    return map_new<T, T, uint8_t>(
        op, [f = static_cast<T>(factor)](T v, uint8_t is_kept) { return v * (static_cast<T>(is_kept) * f); }, x, kept);
  });
  return op.record(y, wrt(x, [op, kept = Saved(kept), factor](const Tensor& dy) { return scaled_where(op, *kept, dy, factor); }));
}

/// Which elements of x stay: one draw an element in row-major order, as PyTorch's bernoulli_ draws.
Tensor draw_kept(const Op& op, const Tensor& x, double p) {
  const Tensor kept = op.empty(x.shape(), DType::Bool);
  LockedGenerator()->uniform_double_below(1 - p, x.numel(), elements<bool>(kept));
  return kept;
}

}  // namespace

Tensor dropout(const Tensor& x, double p, bool training) {
  constexpr Op op("dropout");
  op.takes(x);
  op.check<ValueError>(p >= 0 && p <= 1, "p {} is not a probability; give 0 to 1", p);
  op.check<DTypeError>(is_floating_point(x.dtype()), "takes float32 or float64, got {}", name(x.dtype()));
  if (!training || p == 0 || x.numel() == 0) return x;
  if (p == 1) return x * zeros_like(x);
  return scaled_where(op, draw_kept(op, x, p), x, 1 / (1 - p));
}

Tensor relu_dropout(const Tensor& x, double p) {
  constexpr Op op("relu_dropout");
  if (p == 0 || p == 1 || x.numel() == 0 || !is_floating_point(x.dtype())) return dropout(relu(x), p);
  const double scale = 1 / (1 - p);
  const Tensor y = with_type<Takes::Reals>(x.dtype(), [&]<class T>() {
    return map_new<T, T, uint8_t>(
        op, [f = static_cast<T>(scale)](T v, uint8_t is_kept) { return (v < T(0) ? T(0) : v) * (static_cast<T>(is_kept) * f); }, x,
        draw_kept(op, x, p));
  });
  return op.record(y, wrt(x, [op, scale](const Tensor& dy, const Tensor& result) {
                     if (recording_backward()) return masked_fill(dy * scale, result <= 0, 0);
                     return binary<Takes::Reals>(op, dy, result,
                                                 [scale]<class T>(T d, T v) { return v <= T(0) ? T(0) : d * static_cast<T>(scale); });
                   }));
}

}  // namespace gradus
