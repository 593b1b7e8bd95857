#pragma once

#include <cmath>
#include <numbers>
#include <type_traits>

#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "kernels/math.h"

/// Numbers and tensors under the same names, so that a derivative is written once for both: as a loop over numbers, and, while the backward
/// pass is recorded, as public operations on tensors.
namespace gradus {

inline float exp_of(float v) { return kernels::vexp(v); }
inline double exp_of(double v) { return kernels::vexp(v); }
inline Tensor exp_of(const Tensor& v) { return exp(v); }
inline float log_of(float v) { return kernels::vlog(v); }
inline double log_of(double v) { return kernels::vlog(v); }
inline Tensor log_of(const Tensor& v) { return log(v); }
/// ln(1 + v): in float the error that 1 + v makes is divided out again (W. Kahan), so that loops vectorise.
inline float log1p_of(float v) {
  const float u = 1 + v, d = u - 1;
  return d == 0 ? v : kernels::vlog(u) * (v / d);
}
inline double log1p_of(double v) { return std::log1p(v); }
inline Tensor log1p_of(const Tensor& v) { return log1p(v); }
inline float tanh_of(float v) { return kernels::vtanh(v); }
inline double tanh_of(double v) { return kernels::vtanh(v); }
inline Tensor tanh_of(const Tensor& v) { return tanh(v); }
inline float sigmoid_of(float v) { return kernels::vsigmoid(v); }
inline double sigmoid_of(double v) { return kernels::vsigmoid(v); }
inline Tensor sigmoid_of(const Tensor& v) { return sigmoid(v); }

/// `c` beside a number or a tensor of T's kind, in arithmetic and comparisons.
template <class T>
auto factor(double c) {
  if constexpr (std::is_same_v<T, Tensor>) return c;
  else return static_cast<T>(c);
}

/// max(v, low), which at `low` has the derivative 1.
template <class T>
T at_least(const T& v, double low) {
  if constexpr (std::is_same_v<T, Tensor>) return clamp(v, low);
  else return v < static_cast<T>(low) ? static_cast<T>(low) : v;
}

/// min(v, high)
template <class T>
T at_most(const T& v, double high) {
  if constexpr (std::is_same_v<T, Tensor>) return clamp(v, {}, high);
  else return v > static_cast<T>(high) ? static_cast<T>(high) : v;
}

/// low <= v <= high
template <class T>
auto is_within(const T& v, double low, double high) {
  if constexpr (std::is_same_v<T, Tensor>) return (v >= low) & (v <= high);
  else return v >= static_cast<T>(low) && v <= static_cast<T>(high);
}
/// v <= low or v >= high
template <class T>
auto is_beyond(const T& v, double low, double high) {
  if constexpr (std::is_same_v<T, Tensor>) return (v <= low) | (v >= high);
  else return v <= static_cast<T>(low) || v >= static_cast<T>(high);
}

/// a where the condition holds, b elsewhere; T tells numbers from tensors.
template <class T, class Condition, class A, class B>
T choose(const Condition& condition, const A& a, const B& b) {
  if constexpr (!std::is_same_v<T, Tensor>) return condition ? static_cast<T>(a) : static_cast<T>(b);
  else if constexpr (std::is_arithmetic_v<A> && std::is_arithmetic_v<B>)
    return where(condition, full({}, static_cast<double>(a), {.dtype = DType::Float64}), static_cast<double>(b));
  else return where(condition, a, b);
}

}  // namespace gradus
