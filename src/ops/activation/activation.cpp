#include "gradus/ops/activation.h"

#include <cmath>
#include <cstdlib>
#include <numbers>
#include <type_traits>

#include "gradus/ops/elementwise.h"
#include "kernels/math.h"
#include "ops/elementwise.h"
#include "ops/number_or_tensor.h"

namespace gradus {
namespace {

// Where a function has reached its limit in T, v need not be larger as a factor: infinite, it would make NaN of the 0 that it meets.

/// Beyond it e^(-v^2 / 2) is 0, and 1 + tanh of what gelu takes it of is 0 or 2.
constexpr double far_for_gelu = 40;
/// Beyond it e^-|v| is 0.
constexpr double far_for_exp = 800;
/// Beyond it 1 + |v| is |v|.
constexpr double far_for_softsign = 1e30;

template <class T>
T held(const T& v, double far) {
  return at_most(at_least(v, -far), far);
}

template <class T>
T gelu_slope(const T& v) {
  if constexpr (!std::is_same_v<T, Tensor>) return kernels::vgelu_slope(v);
  else {
    const Tensor w = held(v, far_for_gelu);
    return (erf(w * (1 / std::numbers::sqrt2)) + 1) * 0.5 + w * exp(w * w * -0.5) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
  }
}

Tensor gelu_exact(const Op& op, const Tensor& x) {
  return pointwise(
      op, x, [](auto v) { return kernels::vgelu(v); }, OfInput{[](const auto& v) { return gelu_slope(v); }});
}

constexpr double scale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi, cubic = 0.044715;

Tensor gelu_tanh(const Op& op, const Tensor& x) {
  return pointwise(
      op, x,
      []<class T>(T v) {
        const T t = tanh_of(static_cast<T>(scale) * (v + static_cast<T>(cubic) * v * v * v));
        return T(0.5) * at_least(v, -far_for_gelu) * (T(1) + t);
      },
      OfInput{[]<class T>(const T& v) {
        const T w = held(v, far_for_gelu), t = tanh_of((w + w * w * w * factor<T>(cubic)) * factor<T>(scale));
        const T slope = (w * w * factor<T>(3 * cubic) + factor<T>(1)) * factor<T>(scale);
        return (t + factor<T>(1)) * factor<T>(0.5) + w * factor<T>(0.5) * (factor<T>(1) - t * t) * slope;
      }});
}

/// tanh(ln(1 + e^v)) = (u^2 - 1) / (u^2 + 1) with u = 1 + e^v, in terms that do not cancel.
template <class T>
T tanh_softplus(const T& v) {
  if constexpr (std::is_same_v<T, Tensor>) return tanh(softplus(v));
  else {
    const T e = exp_of(v > T(20) ? T(20) : v), n = e * (e + 2);
    return n / (n + 2);
  }
}

/// positive * x where x > 0, negative * (e^(rate x) - 1) elsewhere.
Tensor exponential_unit(const Op& op, const Tensor& x, double negative, double positive, double rate) {
  check_real(op, x);
  return pointwise(
      op, x,
      [=]<class T>(T v) {
        return v > T(0) ? v * static_cast<T>(positive) : std::expm1(v * static_cast<T>(rate)) * static_cast<T>(negative);
      },
      OfInput{[=]<class T>(const T& v) {
        return choose<T>(v > factor<T>(0), positive, exp_of(at_most(v, 0) * factor<T>(rate)) * factor<T>(negative * rate));
      }});
}

}  // namespace

Tensor gelu(const Tensor& x, std::string_view approximate) {
  constexpr Op op("gelu");
  check_real(op, x);
  op.check<ValueError>(approximate == "none" || approximate == "tanh", "approximate is \"{}\"; it must be \"none\" or \"tanh\"",
                       approximate);
  return approximate == "none" ? gelu_exact(op, x) : gelu_tanh(op, x);
}

Tensor silu(const Tensor& x) {
  constexpr Op op("silu");
  check_real(op, x);
  return pointwise(
      op, x, [](auto v) { return at_least(v, -far_for_exp) * kernels::vsigmoid(v); }, OfInput{[]<class T>(const T& v) {
        const T w = held(v, far_for_exp), s = sigmoid_of(w);
        return s * (w * (factor<T>(1) - s) + factor<T>(1));
      }});
}

Tensor mish(const Tensor& x) {
  constexpr Op op("mish");
  check_real(op, x);
  return pointwise(
      op, x, [](auto v) { return at_least(v, -far_for_exp) * tanh_softplus(v); }, OfInput{[]<class T>(const T& v) {
        const T w = held(v, far_for_exp), t = tanh_softplus(w);
        return t + w * sigmoid_of(w) * (factor<T>(1) - t * t);
      }});
}

Tensor elu(const Tensor& x, double alpha) { return exponential_unit(Op("elu"), x, alpha, 1, 1); }

Tensor celu(const Tensor& x, double alpha) {
  constexpr Op op("celu");
  op.check<ValueError>(alpha != 0, "alpha must not be 0, it divides x");
  return exponential_unit(op, x, alpha, 1, 1 / alpha);
}

Tensor selu(const Tensor& x) {
  constexpr double alpha = 1.6732632423543772848170429916717, lambda = 1.0507009873554804934193349852946;
  return exponential_unit(Op("selu"), x, alpha * lambda, lambda, 1);
}

Tensor softsign(const Tensor& x) {
  return pointwise(
      Op("softsign"), x,
      []<class T>(T v) {
        const T w = held(v, far_for_softsign);
        return w / (1 + std::fabs(w));
      },
      OfInput{[]<class T>(const T& v) {
        using std::abs;
        const T d = abs(v) + factor<T>(1);
        return factor<T>(1) / (d * d);
      }});
}

Tensor tanhshrink(const Tensor& x) {
  return pointwise(
      Op("tanhshrink"), x, [](auto v) { return v - tanh_of(v); }, OfInput{[](const auto& v) {
        const auto t = tanh_of(v);
        return t * t;
      }});
}

Tensor softplus(const Tensor& x, double beta, double threshold) {
  constexpr Op op("softplus");
  check_real(op, x);
  const auto f = [beta, threshold]<class T>(T v) {
    const T b = static_cast<T>(beta), scaled = v * b;
    // ln(1 + e^s) = s + ln(1 + e^-s), which does not overflow under a high threshold.
    return scaled > static_cast<T>(threshold) ? v : (at_least(scaled, 0) + std::log1p(std::exp(-std::fabs(scaled)))) / b;
  };
  return op.record(unary<Takes::Reals>(op, x, f), wrt(x, [x = Saved(x), beta, threshold](const Tensor& dy) {
                     const Tensor scaled = *x * beta;
                     return dy * where(scaled > threshold, 1.0, sigmoid(scaled));
                   }));
}

Tensor logsigmoid(const Tensor& x) {
  constexpr Op op("logsigmoid", "log_sigmoid");
  check_real(op, x);
  return pointwise(
      op, x,
      []<class T>(T v) {
        return (v < T(0) ? v : v == v ? T(0) : v) - std::log1p(std::exp(-std::fabs(v)));
      },
      OfInput{[]<class T>(const T& v) { return sigmoid_of(-v); }});
}

Tensor glu(const Tensor& x, int64_t dim) {
  constexpr Op op("glu");
  check_real(op, x);
  const Shape& shape = x.shape();
  op.check<ShapeError>(shape.size() > 0, "a scalar has no halves");
  dim = wrap_dim(op, dim, shape.size());
  op.check<ShapeError>(shape[dim] % 2 == 0, "shape {} has {} elements along dimension {}, which do not halve", shape, shape[dim], dim);
  const int64_t half = shape[dim] / 2;
  return x.narrow(dim, 0, half) * sigmoid(x.narrow(dim, half, half));
}

}  // namespace gradus
