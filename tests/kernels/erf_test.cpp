#include "kernels/math.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace gradus::kernels {

TEST_CASE("erf in float is within 2.5 units in the last place of the C library's") {
  double worst = 0;
  for (uint32_t bits = 0x00800000; bits < 0x7F800000; bits += 4099) {
    const auto x = std::bit_cast<float>(bits);
    const double exact = std::erf(static_cast<double>(x));
    const auto size = static_cast<float>(exact);
    const double unit = static_cast<double>(std::nextafter(size, 2.0F)) - static_cast<double>(size);
    worst = std::max(worst, std::fabs(static_cast<double>(verf(x)) - exact) / unit);
    worst = std::max(worst, std::fabs(static_cast<double>(verf(-x)) + exact) / unit);
  }
  CHECK(worst < 2.5);
  CHECK(verf(std::numeric_limits<float>::infinity()) == 1);
  CHECK(verf(-std::numeric_limits<float>::infinity()) == -1);
  CHECK(std::isnan(verf(std::numeric_limits<float>::quiet_NaN())));
  CHECK(verf(0.0F) == 0);
}

}  // namespace gradus::kernels
