#include "gradus/ops/normalization.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "autograd/op.h"
#include "core/dispatch.h"
#include "core/random.h"
#include "gradus/creation.h"

namespace gradus {

Tensor dropout(const Tensor& x, double p, bool training) {
  constexpr Op op("dropout");
  op.takes(x);
  op.check<ValueError>(p >= 0 && p <= 1, "p {} is not a probability; give 0 to 1", p);
  op.check<DTypeError>(is_floating_point(x.dtype()), "takes float32 or float64, got {}", name(x.dtype()));
  if (!training || p == 0 || x.numel() == 0) return x;
  if (p == 1) return x * zeros_like(x);
  // 0 or 1 / (1 - p), one draw an element in row-major order, as PyTorch's bernoulli_ draws.
  Tensor scale = op.empty(x.shape(), x.dtype());
  {
    LockedGenerator generator;
    dispatch_floating(op, x.dtype(), [&]<class T>() {
      const T kept = static_cast<T>(1 / (1 - p));
      T* to = scale.data<T>();
      std::array<double, 512> draws;
      for (int64_t i = 0, n = x.numel(); i < n; i += std::ssize(draws)) {
        const int64_t count = std::min(n - i, std::ssize(draws));
        generator->uniform_double(count, draws.data());
        for (int64_t k = 0; k < count; ++k) to[i + k] = draws[static_cast<size_t>(k)] < 1 - p ? kept : T(0);
      }
    });
  }
  return x * scale;
}

}  // namespace gradus
