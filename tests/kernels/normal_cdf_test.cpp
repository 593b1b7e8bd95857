#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/math.h"

namespace gradus::kernels {

TEST_CASE("the normal distribution in float keeps its digits in both tails") {
  double below = 0, above = 0, bell = 0;
  for (float x = -13; x <= 13; x += 0x1p-12F) {
    const double exact = std::erfc(-static_cast<double>(x) * std::sqrt(0.5)) / 2, growth = 1 + static_cast<double>(x) * x / 2;
    const double error = std::fabs(static_cast<double>(vnormal_cdf(x, vbell(x))) - exact);
    (x < 0 ? below : above) = std::max(x < 0 ? below : above, error / (x < 0 ? exact * growth : 1));
    const double height = std::exp(-static_cast<double>(x) * x / 2);
    bell = std::max(bell, std::fabs(static_cast<double>(vbell(x)) - height) / (height * growth));
  }
  CHECK(below < 3.5e-7);  // the square of x is rounded, of which its exponential makes x^2 / 2 times as much
  CHECK(above < 1.5e-7);
  CHECK(bell < 1.2e-7);

  const auto cdf = [](float x) { return vnormal_cdf(x, vbell(x)); };
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(cdf(0.0F) == 0.5F);
  CHECK(cdf(-20.0F) == 0);
  CHECK(cdf(20.0F) == 1);
  CHECK(cdf(-5000.0F) == 0);
  CHECK(cdf(-1e30F) == 0);
  CHECK(cdf(1e30F) == 1);
  CHECK(cdf(-infinity) == 0);
  CHECK(cdf(infinity) == 1);
  CHECK(std::isnan(cdf(std::numeric_limits<float>::quiet_NaN())));
}

}  // namespace gradus::kernels
