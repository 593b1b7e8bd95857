#include "gradus/ops/activation.h"

#include <cmath>
#include <numbers>

#include "kernels/math.h"
#include "ops/elementwise.h"

namespace gradus {
namespace {

/// Numbers and tensors under the same names, so that a derivative is written once for both.
inline float exp_of(float v) { return kernels::vexp(v); }
inline double exp_of(double v) { return kernels::vexp(v); }
inline Tensor exp_of(const Tensor& v) { return exp(v); }
inline float tanh_of(float v) { return kernels::vtanh(v); }
inline double tanh_of(double v) { return kernels::vtanh(v); }
inline Tensor tanh_of(const Tensor& v) { return tanh(v); }
inline float sigmoid_of(float v) { return kernels::vsigmoid(v); }
inline double sigmoid_of(double v) { return kernels::vsigmoid(v); }
inline Tensor sigmoid_of(const Tensor& v) { return sigmoid(v); }
inline float erf_of(float v) { return kernels::verf(v); }
inline double erf_of(double v) { return kernels::verf(v); }
inline Tensor erf_of(const Tensor& v) { return erf(v); }

/// `c` as a factor of a number or a tensor of T's kind.
template <class T>
auto factor(double c) {
  if constexpr (std::is_same_v<T, Tensor>) return c;
  else return static_cast<T>(c);
}

void check_real(const char* op, const Tensor& x) {
  check<DTypeError>(is_floating_point(impl_of(op, x).dtype), "{}: takes float32 or float64, got {}; convert with .to(gradus::float32)", op,
                    name(x.dtype()));
}

Tensor gelu_exact(const Tensor& x) {
  return pointwise_by_input(
      "gelu", x, []<class T>(T v) { return v * T(0.5) * (T(1) + erf_of(v * static_cast<T>(1 / std::numbers::sqrt2))); },
      []<class T>(const T& v) {
        const auto half = factor<T>(0.5);
        const T below = (erf_of(v * factor<T>(1 / std::numbers::sqrt2)) + factor<T>(1)) * half;
        const T density = exp_of(v * v * factor<T>(-0.5)) * factor<T>(std::numbers::inv_sqrtpi / std::numbers::sqrt2);
        return below + v * density;
      });
}

constexpr double scale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi, cubic = 0.044715;

Tensor gelu_tanh(const Tensor& x) {
  return pointwise_by_input(
      "gelu", x,
      []<class T>(T v) { return T(0.5) * v * (T(1) + tanh_of(static_cast<T>(scale) * (v + static_cast<T>(cubic) * v * v * v))); },
      []<class T>(const T& v) {
        const T t = tanh_of((v + v * v * v * factor<T>(cubic)) * factor<T>(scale));
        const T slope = (v * v * factor<T>(3 * cubic) + factor<T>(1)) * factor<T>(scale);
        return (t + factor<T>(1)) * factor<T>(0.5) + v * factor<T>(0.5) * (factor<T>(1) - t * t) * slope;
      });
}

}  // namespace

Tensor gelu(const Tensor& x, std::string_view approximate) {
  check_real("gelu", x);
  check<ValueError>(approximate == "none" || approximate == "tanh", "gelu: approximate is \"{}\"; it must be \"none\" or \"tanh\"",
                    approximate);
  return approximate == "none" ? gelu_exact(x) : gelu_tanh(x);
}

Tensor silu(const Tensor& x) {
  check_real("silu", x);
  return pointwise_by_input(
      "silu", x, [](auto v) { return v * kernels::vsigmoid(v); },
      []<class T>(const T& v) {
        const T s = sigmoid_of(v);
        return s * (v * (factor<T>(1) - s) + factor<T>(1));
      });
}

Tensor leaky_relu(const Tensor& x, double negative_slope) {
  check_real("leaky_relu", x);
  Tensor y = dispatch_floating("leaky_relu", x.dtype(), [&]<class T>() {
    return map_new<T, T>("leaky_relu", x, [s = static_cast<T>(negative_slope)](T v) { return v > T(0) ? v : v * s; });
  });
  return record("leaky_relu", y,
                wrt(x, [x = Saved(x), negative_slope](const Tensor& dy) { return where(gt(*x, 0), dy, mul(dy, negative_slope)); }));
}

Tensor elu(const Tensor& x, double alpha) {
  check_real("elu", x);
  Tensor y = dispatch_floating("elu", x.dtype(), [&]<class T>() {
    return map_new<T, T>("elu", x, [a = static_cast<T>(alpha)](T v) { return v > T(0) ? v : a * std::expm1(v); });
  });
  return record("elu", y, wrt(x, [x = Saved(x), alpha](const Tensor& dy) {
                  return where(gt(*x, 0), dy, mul(dy, mul(exp(clamp(*x, {}, 0)), alpha)));
                }));
}

Tensor softplus(const Tensor& x, double beta, double threshold) {
  check_real("softplus", x);
  Tensor y = dispatch_floating("softplus", x.dtype(), [&]<class T>() {
    const T b = static_cast<T>(beta), top = static_cast<T>(threshold);
    return map_new<T, T>("softplus", x, [b, top](T v) { return v * b > top ? v : std::log1p(std::exp(v * b)) / b; });
  });
  return record("softplus", y, wrt(x, [x = Saved(x), beta, threshold](const Tensor& dy) {
                  const Tensor scaled = mul(*x, beta);
                  return mul(dy, where(gt(scaled, threshold), 1.0, sigmoid(scaled)));
                }));
}

Tensor logsigmoid(const Tensor& x) {
  check_real("logsigmoid", x);
  return pointwise_by_input(
      "log_sigmoid", x,
      []<class T>(T v) {
        return (v < T(0) ? v : v == v ? T(0) : v) - std::log1p(std::exp(-std::fabs(v)));
      },
      []<class T>(const T& v) { return sigmoid_of(-v); });
}

}  // namespace gradus
