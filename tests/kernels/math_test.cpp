#include "kernels/math.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/isa.h"

using gradus::kernels::vexp;
using gradus::kernels::vlog;
using gradus::kernels::vsigmoid;
using gradus::kernels::vtanh;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kTiny = std::numeric_limits<float>::denorm_min();
constexpr float kSmall = std::numeric_limits<float>::min();
constexpr float kLarge = std::numeric_limits<float>::max();

/// Floats of every size from `from` to `to`, of one sign: their bit patterns in even steps.
std::vector<float> between(float from, float to, uint32_t count = 200000) {
  const uint32_t first = std::bit_cast<uint32_t>(from), last = std::bit_cast<uint32_t>(to);
  const uint32_t step = (last - first) / count + 1;
  std::vector<float> values;
  for (uint64_t bits = first; bits <= last; bits += step) values.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  values.push_back(to);
  return values;
}

std::vector<float> both_signs(float from, float to) {
  std::vector<float> values = between(from, to);
  const std::vector<float> negative = between(-from, -to);
  values.insert(values.end(), negative.begin(), negative.end());
  return values;
}

/// f over x, as the library's loops compute it: in the instruction set of this machine.
template <class F>
std::vector<float> in_a_loop(const std::vector<float>& x, F f) {
  std::vector<float> y(x.size());
  gradus::isa::run([from = x.data(), to = y.data(), n = x.size(), f] {
    for (size_t i = 0; i < n; ++i) to[i] = f(from[i]);
  });
  return y;
}

/// How far y is from the exact value, in units of the float that lies there.
double ulps(float y, double exact) {
  const auto nearest = static_cast<float>(exact);
  if (y == nearest) return 0;
  if (!std::isfinite(nearest) || !std::isfinite(y)) return INFINITY;
  const float magnitude = std::max(std::fabs(nearest), kSmall);
  const double unit = static_cast<double>(std::nextafter(magnitude, kInf)) - static_cast<double>(magnitude);
  return std::fabs(static_cast<double>(y) - exact) / unit;
}

/// The largest error of f over x against `exact`, one by one and in a loop.
template <class F, class G>
double largest_error(const std::vector<float>& x, F f, G exact) {
  const std::vector<float> y = in_a_loop(x, f);
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double right = exact(static_cast<double>(x[i]));
    worst = std::max({worst, ulps(f(x[i]), right), ulps(y[i], right)});
  }
  return worst;
}

constexpr auto exp_of = [](float x) { return vexp(x); };
constexpr auto log_of = [](float x) { return vlog(x); };
constexpr auto tanh_of = [](float x) { return vtanh(x); };
constexpr auto sigmoid_of = [](float x) { return vsigmoid(x); };
double sigmoid_exact(double x) { return 1 / (1 + std::exp(-x)); }

bool is_zero_with_sign(float x, bool negative) { return x == 0 && std::signbit(x) == negative; }

}  // namespace

TEST_CASE("exp is within 2 units in the last place, denormal results included") {
  CHECK(largest_error(both_signs(1e-30F, 88.7F), exp_of, [](double x) { return std::exp(x); }) <= 2);
  CHECK(largest_error(between(-87.0F, -103.0F), exp_of, [](double x) { return std::exp(x); }) <= 2);
}

TEST_CASE("log is within 2 units in the last place, from the smallest to the largest float") {
  CHECK(largest_error(between(kTiny, kLarge), log_of, [](double x) { return std::log(x); }) <= 2);
  CHECK(largest_error(between(0.5F, 2.0F), log_of, [](double x) { return std::log(x); }) <= 2);
}

TEST_CASE("tanh is within 3 units in the last place") {
  CHECK(largest_error(both_signs(kTiny, 20.0F), tanh_of, [](double x) { return std::tanh(x); }) <= 3);
  CHECK(largest_error(both_signs(0.5F, 0.7F), tanh_of, [](double x) { return std::tanh(x); }) <= 3);
}

TEST_CASE("sigmoid is within 2.5 units in the last place") {
  CHECK(largest_error(both_signs(kTiny, 87.0F), sigmoid_of, sigmoid_exact) <= 2.5);
}

TEST_CASE("exp at the ends of its range") {
  CHECK(vexp(0.0F) == 1);
  CHECK(vexp(-0.0F) == 1);
  CHECK(vexp(kTiny) == 1);
  CHECK(vexp(kInf) == kInf);
  CHECK(vexp(kLarge) == kInf);
  CHECK(vexp(89.0F) == kInf);
  CHECK(vexp(88.72F) < kInf);
  CHECK(is_zero_with_sign(vexp(-kInf), false));
  CHECK(is_zero_with_sign(vexp(-kLarge), false));
  CHECK(is_zero_with_sign(vexp(-104.5F), false));
  CHECK(std::isnan(vexp(kNan)));
}

TEST_CASE("log at the ends of its range") {
  CHECK(is_zero_with_sign(vlog(1.0F), false));
  CHECK(vlog(0.0F) == -kInf);
  CHECK(vlog(-0.0F) == -kInf);
  CHECK(vlog(kInf) == kInf);
  CHECK(std::isnan(vlog(-1.0F)));
  CHECK(std::isnan(vlog(-kTiny)));
  CHECK(std::isnan(vlog(-kInf)));
  CHECK(std::isnan(vlog(kNan)));
}

TEST_CASE("tanh and sigmoid at the ends of their range") {
  CHECK(vtanh(kInf) == 1);
  CHECK(vtanh(-kInf) == -1);
  CHECK(vtanh(kLarge) == 1);
  CHECK(is_zero_with_sign(vtanh(0.0F), false));
  CHECK(is_zero_with_sign(vtanh(-0.0F), true));
  CHECK(vtanh(kTiny) == kTiny);
  CHECK(std::isnan(vtanh(kNan)));
  CHECK(vsigmoid(0.0F) == 0.5F);
  CHECK(vsigmoid(-0.0F) == 0.5F);
  CHECK(vsigmoid(kInf) == 1);
  CHECK(vsigmoid(-kInf) == 0);
  CHECK(vsigmoid(kLarge) == 1);
  CHECK(vsigmoid(-kLarge) == 0);
  CHECK(std::isnan(vsigmoid(kNan)));
}

TEST_CASE("a loop gives at the ends of the range what a single call gives") {
  const std::vector<float> ends{kInf,    -kInf,  kNan,    0.0F,  -0.0F,   kTiny, -kTiny, kSmall,
                                -kSmall, kLarge, -kLarge, 89.0F, -104.5F, 1.0F,  -1.0F};
  const auto same = [](float a, float b) { return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b); };
  const auto check_loop = [&](auto f) {
    const std::vector<float> y = in_a_loop(ends, f);
    for (size_t i = 0; i < ends.size(); ++i) {
      CAPTURE(ends[i]);
      const bool at_an_end = !std::isfinite(f(ends[i])) || f(ends[i]) == 0 || std::fabs(f(ends[i])) == 1;
      if (at_an_end) CHECK(same(f(ends[i]), y[i]));
      else CHECK(ulps(y[i], static_cast<double>(f(ends[i]))) <= 2);
    }
  };
  check_loop(exp_of);
  check_loop(log_of);
  check_loop(tanh_of);
  check_loop(sigmoid_of);
}

TEST_CASE("the double versions are the C library's") {
  for (const double x : {-3.5, -0.1, 0.0, 1e-12, 0.7, 40.0}) {
    CHECK(vexp(x) == std::exp(x));
    CHECK(vtanh(x) == std::tanh(x));
    CHECK(vsigmoid(x) == 1 / (1 + std::exp(-x)));
  }
  CHECK(vlog(2.5) == std::log(2.5));
}
