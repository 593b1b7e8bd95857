#include "gradus/text/perplexity.h"

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>
#include <limits>

TEST_CASE("perplexity of a guess among n equal tokens is n, and its bits are log2 n") {
  for (double n : {1.0, 2.0, 27.0, 50257.0}) {
    CHECK(gradus::text::perplexity(std::log(n)) == doctest::Approx(n).epsilon(1e-14));
    CHECK(gradus::text::bits_per_token(std::log(n)) == doctest::Approx(std::log2(n)).epsilon(1e-14));
  }
  CHECK(std::isnan(gradus::text::perplexity(std::numeric_limits<double>::quiet_NaN())));
}
