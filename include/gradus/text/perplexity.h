#pragma once

#include "gradus/export.h"

namespace gradus::text {

/// e to the mean negative log-likelihood of a token in nats, which is what `cross_entropy` gives: how many equally likely tokens the model
/// hesitates between (Jelinek and others, "Perplexity: a measure of the difficulty of speech recognition tasks", 1977). The mean must be
/// one over tokens, not over batches of different sizes.
GRADUS_API double perplexity(double mean_nats) noexcept;

/// The mean negative log-likelihood in bits: mean_nats / ln 2. For characters this is the bits per character (BPC) of language models.
GRADUS_API double bits_per_token(double mean_nats) noexcept;

}  // namespace gradus::text
