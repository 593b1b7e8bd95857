#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/math.h"

namespace gradus::kernels {
namespace {

float share_below(float x) {
  const float t = near_size(x), tail = vnormal_tail(t, vbell(t));
  return x < 0 ? tail : 1 - tail;
}

}  // namespace

TEST_CASE("the normal distribution in float keeps its digits in both tails") {
  double below = 0, above = 0, bell = 0;
  for (float x = -13; x <= 13; x += 0x1p-12F) {
    const double exact = std::erfc(-static_cast<double>(x) * std::sqrt(0.5)) / 2, growth = 1 + static_cast<double>(x) * x / 2;
    const double error = std::fabs(static_cast<double>(share_below(x)) - exact);
    (x < 0 ? below : above) = std::max(x < 0 ? below : above, error / (x < 0 ? exact * growth : 1));
    const double height = std::exp(-static_cast<double>(x) * x / 2);
    bell = std::max(bell, std::fabs(static_cast<double>(vbell(x)) - height) / (height * growth));
  }
  CHECK(below < 3.5e-7);  // the square of x is rounded, of which its exponential makes x^2 / 2 times as much
  CHECK(above < 1.5e-7);
  CHECK(bell < 1.2e-7);

  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(share_below(0.0F) == 0.5F);
  for (float x : {20.0F, 5000.0F, 1e30F, infinity}) {
    CHECK(share_below(-x) == 0);
    CHECK(share_below(x) == 1);
  }
  CHECK(std::isnan(share_below(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("gelu and its slope keep their digits and reach their limits") {
  double value = 0, slope = 0;
  for (float x = -13; x <= 13; x += 0x1p-10F) {
    const double v = x, below = std::erfc(-v * std::sqrt(0.5)) / 2, growth = 1 + v * v / 2;
    value = std::max(value, std::fabs(static_cast<double>(vgelu(x)) - v * below) / std::max(std::fabs(v * below) * growth, 1e-37));
    slope = std::max(slope,
                     std::fabs(static_cast<double>(vgelu_slope(x)) - vgelu_slope(v)) / (x < -1 ? std::fabs(vgelu_slope(v)) * growth : 1));
  }
  CHECK(value < 3.5e-7);
  CHECK(slope < 6e-7);
  const auto limits = [](auto far) {
    CHECK(vgelu(far) == far);
    CHECK(vgelu(-far) == 0);
    CHECK(vgelu_slope(far) == 1);
    CHECK(vgelu_slope(-far) == 0);
  };
  for (float far : {20.0F, 1e30F, std::numeric_limits<float>::infinity()}) limits(far);
  for (double far : {50.0, 1e300, std::numeric_limits<double>::infinity()}) limits(far);
  CHECK(std::isnan(vgelu(std::numeric_limits<float>::quiet_NaN())));
  CHECK(std::isnan(vgelu_slope(std::numeric_limits<double>::quiet_NaN())));
}

}  // namespace gradus::kernels
