#include "gradus/ops/normalization.h"

#include "core/random.h"
#include "gradus/creation.h"
#include "ops/elementwise.h"

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

}  // namespace

Tensor dropout(const Tensor& x, double p, bool training) {
  constexpr Op op("dropout");
  op.takes(x);
  op.check<ValueError>(p >= 0 && p <= 1, "p {} is not a probability; give 0 to 1", p);
  op.check<DTypeError>(is_floating_point(x.dtype()), "takes float32 or float64, got {}", name(x.dtype()));
  if (!training || p == 0 || x.numel() == 0) return x;
  if (p == 1) return x * zeros_like(x);
  // One draw an element in row-major order, as PyTorch's bernoulli_ draws.
  const Tensor kept = op.empty(x.shape(), DType::Bool);
  LockedGenerator()->uniform_double_below(1 - p, x.numel(), kept.data<bool>());
  return scaled_where(op, kept, x, 1 / (1 - p));
}

}  // namespace gradus
