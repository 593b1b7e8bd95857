#include "gradus/text/perplexity.h"

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>
#include <limits>

#include "gradus/error.h"

using namespace gradus;

TEST_CASE("perplexity of a guess among n equal tokens is n, and its bits are log2 n") {
  for (double n : {1.0, 2.0, 27.0, 50257.0}) {
    CHECK(text::perplexity(3 * std::log(n), 3) == doctest::Approx(n).epsilon(1e-14));
    CHECK(text::bits_per_character(10 * std::log(n), 10) == doctest::Approx(std::log2(n)).epsilon(1e-14));
  }
}

TEST_CASE("perplexity and bits per character of nothing are NaN, of too much infinite, and of less than nothing refused") {
  CHECK(std::isnan(text::perplexity(0, 0)));
  CHECK(std::isnan(text::perplexity(std::numeric_limits<double>::quiet_NaN(), 1)));
  CHECK(text::perplexity(1e6, 1) == std::numeric_limits<double>::infinity());
  CHECK_THROWS_AS(text::perplexity(1, -1), ValueError);
  CHECK(std::isnan(text::bits_per_character(0, 0)));
  CHECK_THROWS_AS(text::bits_per_character(1, -1), ValueError);
}
