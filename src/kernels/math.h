#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

/// exp, log, tanh, erf, the normal distribution and sigmoid for loops: the float versions are without branches or calls, so that a compiler
/// vectorises a loop over them. Reduction and coefficients follow S. L. Moshier's Cephes library (expf, logf, tanhf) but for erf; errors
/// stay within 2 units in the last place, 3 for tanh and 2.5 for erf. The double versions are the C library's: float64 is for reference
/// values.
namespace gradus::kernels {

inline double vexp(double x) { return std::exp(x); }
inline double vlog(double x) { return std::log(x); }
inline double vtanh(double x) { return std::tanh(x); }
inline double verf(double x) { return std::erf(x); }
inline double vbell(double x) { return std::exp(x * x * -0.5); }
inline double vsigmoid(double x) { return 1 / (1 + std::exp(-x)); }
inline double gate_sigmoid(double x) { return vsigmoid(x); }

namespace detail {

/// e^x = 2^n p for x in [-104, 89], with n = round(x / ln 2) and p = e^f. The low bits of `shifted` are n + 127, the exponent of 2^n.
struct ExpParts {
  static constexpr float round_bits = 12582912.0F + 127;  // 1.5 * 2^23: adding it leaves the rounded integer in the low bits
  uint32_t shifted;
  float p;
  int32_t n() const { return static_cast<int32_t>(shifted - std::bit_cast<uint32_t>(round_bits)); }
  /// 2^n p for n from -126 to 127.
  float value() const { return p * std::bit_cast<float>(shifted << 23); }
};

inline ExpParts exp_parts(float x) {
  const float shifted = x * 1.44269504088896341F + ExpParts::round_bits;
  const float n = shifted - ExpParts::round_bits;
  float f = n * -0.693145751953125F + x;
  f = n * -1.428606765330187045e-06F + f;
  float p = 0.000198527617612853646278381F;
  p = p * f + 0.00139304355252534151077271F;
  p = p * f + 0.00833336077630519866943359F;
  p = p * f + 0.0416664853692054748535156F;
  p = p * f + 0.166666671633720397949219F;
  p = p * f + 0.5F;
  p = f * f * p + f + 1.0F;
  return {std::bit_cast<uint32_t>(shifted), p};
}

inline float power_of_two(int32_t e) { return std::bit_cast<float>(static_cast<uint32_t>(e + 127) << 23); }

/// The bits of vexp for x in [-87, 87], and its values there beyond.
inline float bounded_exp(float x) {
  float v = x < -87.0F ? -87.0F : x;
  v = v > 87.0F ? 87.0F : v;
  return exp_parts(v).value();
}

}  // namespace detail

/// e^x, in the steps of N. Shibata's SLEEF (expf_u10), which PyTorch uses: with fused multiplications the bits are PyTorch's. Beyond the
/// range of float: 0 and infinity.
inline float vexp(float x) {
  float v = x < -104.0F ? -104.0F : x;
  v = v > 89.0F ? 89.0F : v;
  const detail::ExpParts parts = detail::exp_parts(v);
  // 2^n in two factors: one alone would leave the range of normal numbers at both ends.
  const int32_t n = parts.n(), half = n >> 1;
  return parts.p * detail::power_of_two(half) * detail::power_of_two(n - half);
}

/// e^(-t^2 / 2) for t from 0 to 14; 0 where that is below e^-87.
inline float vbell(float t) {
  const float v = t * t * -0.5F;
  const float bell = detail::exp_parts(v).value();
  return v < -87.0F ? 0.0F : bell;
}

/// ln x = e ln 2 + ln m with sqrt(1/2) <= m < sqrt(2).
inline float vlog(float x) {
  const bool tiny = x < 1.17549435e-38F;
  const float scaled = tiny ? x * 0x1p25F : x;
  const uint32_t bits = std::bit_cast<uint32_t>(scaled);
  auto e = static_cast<float>(static_cast<int32_t>(bits >> 23) - 126) - (tiny ? 25.0F : 0.0F);
  float m = std::bit_cast<float>((bits & 0x007FFFFFU) | 0x3F000000U);  // [0.5, 1)
  const bool low = m < 0.707106781186547524F;
  e = low ? e - 1 : e;
  m = low ? m + m - 1 : m - 1;
  const float z = m * m;
  float p = 7.0376836292e-2F;
  p = p * m - 1.1514610310e-1F;
  p = p * m + 1.1676998740e-1F;
  p = p * m - 1.2420140846e-1F;
  p = p * m + 1.4249322787e-1F;
  p = p * m - 1.6668057665e-1F;
  p = p * m + 2.0000714765e-1F;
  p = p * m - 2.4999993993e-1F;
  p = p * m + 3.3333331174e-1F;
  float y = p * m * z;
  y = y - e * 2.12194440e-4F - 0.5F * z;
  y = m + y + e * 0.693359375F;
  y = x == 0 ? -INFINITY : y;
  y = x < 0 ? NAN : y;
  return x < INFINITY ? y : x;  // infinity, and NaN, are their own logarithms
}

/// An odd polynomial near 0, where 1 - 2 / (e^2x + 1) would cancel.
inline float vtanh(float x) {
  const float z = x * x;
  float p = -5.70498872745e-3F;
  p = p * z + 2.06390887954e-2F;
  p = p * z - 5.37397155531e-2F;
  p = p * z + 1.33314422036e-1F;
  p = p * z - 3.33332819422e-1F;
  const float near = std::copysign(p * z * x + x, x);  // -0 stays -0
  const float far = 1 - 2 / (detail::bounded_exp(2 * x) + 1);
  return x < 0.625F && x > -0.625F ? near : far;
}

/// Near 0 an odd polynomial, further out 1 - e^q(|x|), where q approximates the logarithm of 1 - erf; both fitted for the smallest largest
/// error. From 4 on, erf is 1 in float.
inline float verf(float x) {
  const float z = x * x;
  float p = 7.889119297e-5F;
  p = p * z - 8.020841051e-4F;
  p = p * z + 5.189535208e-3F;
  p = p * z - 2.685444430e-2F;
  p = p * z + 1.128360033e-1F;
  p = p * z - 3.761262596e-1F;
  p = p * z + 1.283791065e-1F;
  const float near = p * x + x;
  const float size = x < 0 ? -x : x;
  const float t = size > 4 ? 4.0F : size;
  float q = 1.855748997e-4F;
  q = q * t - 2.939615631e-3F;
  q = q * t + 2.180535160e-2F;
  q = q * t - 1.030374318e-1F;
  q = q * t - 6.382256150e-1F;
  q = q * t - 1.127040029F;
  q = q * t - 3.537089215e-4F;
  const float far = 1 - vexp(q);
  return size < 1 ? near : x < 0 ? -far : far;
}

/// The share of the normal distribution that lies above t, from 0 to 14, for which bell = e^(-t^2 / 2) is at hand: bell P(t) / Q(t).
/// Coefficients by least squares, weighted anew until the largest error in [0, 13.5] was smallest (C. L. Lawson): 6e-8 (1 + t^2 / 2) of the
/// result, with what rounding adds 3.4e-7 (1 + t^2 / 2). All are positive, so that no term cancels another. From it are taken `less` times
/// bell.
inline float vnormal_tail(float t, float bell, float less = 0) {
  float p = 1.42560079e-2F;
  p = p * t + 1.075918138e-1F;
  p = p * t + 3.409580179e-1F;
  p = p * t + 0.5F;
  float q = 3.574679144e-2F;
  q = q * t + 2.692891956e-1F;
  q = q * t + 8.959217792e-1F;
  q = q * t + 1.479798162F;
  q = q * t + 1.0F;
  return (p / q - less) * bell;
}
inline double vnormal_tail(double t, double bell, double less = 0) { return std::erfc(t * 0.70710678118654752440) / 2 - less * bell; }

/// |x|, or 40 (float: 14) beyond it, where the tail of the normal distribution is 0. By fabs: a comparison with 0 made the loop over gelu a
/// fifth slower (g++ 12, AVX-512).
inline float near_size(float x) { return std::fabs(x) > 14 ? 14.0F : std::fabs(x); }
inline double near_size(double x) { return std::fabs(x) > 40 ? 40 : std::fabs(x); }

/// x times the share of the normal distribution below x: max(x, 0) less what the tail beyond |x| takes, which ends, so that both limits are
/// reached.
template <class T>
T vgelu(T x) {
  const T t = near_size(x);
  return (x > 0 ? x : T(0)) - t * vnormal_tail(t, vbell(t));  // of NaN, t is NaN
}

/// The derivative of vgelu.
template <class T>
T vgelu_slope(T x) {
  constexpr T density = T(0.39894228040143267794);  // of the normal distribution at 0
  const T t = near_size(x), below = vnormal_tail(t, vbell(t), t * density);
  return x < 0 ? below : 1 - below;
}

inline float vsigmoid(float x) { return 1 / (1 + vexp(-x)); }

/// The sigmoid of a gate: the same bits as vsigmoid, but no less than e^-87, which is nothing to what the gate multiplies.
inline float gate_sigmoid(float x) { return 1 / (1 + detail::bounded_exp(-x)); }

}  // namespace gradus::kernels
