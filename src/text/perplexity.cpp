#include "gradus/text/perplexity.h"

#include <cmath>
#include <numbers>

namespace gradus::text {

double perplexity(double mean_nats) noexcept { return std::exp(mean_nats); }

double bits_per_token(double mean_nats) noexcept { return mean_nats / std::numbers::ln2; }

}  // namespace gradus::text
