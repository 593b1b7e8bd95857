#pragma once

#include "gradus/export.h"

namespace gradus::text {

/// e^(nats / tokens), where nats is the summed negative log-likelihood of that many tokens: among how many equally likely ones the model
/// hesitates, on average (Jelinek and others, "Perplexity: a measure of the difficulty of speech recognition tasks", 1977). From a
/// train::Mean of losses weighted by tokens: `perplexity(loss.sum(), loss.weight())`; of a mean, `perplexity(mean, 1)`. NaN for 0 tokens,
/// infinity where it leaves the range of numbers. Throws ValueError on a negative number of tokens.
GRADUS_API double perplexity(double nats, double tokens);

/// nats / (ln 2 * characters): the bits that the model needs for a character of the text, whatever its tokens are. NaN for 0 characters.
/// Throws ValueError on a negative number of characters.
GRADUS_API double bits_per_character(double nats, double characters);

}  // namespace gradus::text
