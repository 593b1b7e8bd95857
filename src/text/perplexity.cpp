#include "gradus/text/perplexity.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "core/check.h"

namespace gradus::text {

double perplexity(double nats, double tokens) {
  check<ValueError>(!(tokens < 0), "perplexity: {} tokens; there must be at least 0", tokens);
  return tokens > 0 ? std::exp(nats / tokens) : std::numeric_limits<double>::quiet_NaN();
}

double bits_per_character(double nats, double characters) {
  check<ValueError>(!(characters < 0), "bits_per_character: {} characters; there must be at least 0", characters);
  return characters > 0 ? nats / (std::numbers::ln2 * characters) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace gradus::text
