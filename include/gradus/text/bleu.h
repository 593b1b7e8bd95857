#pragma once

#include <string_view>

#include "gradus/export.h"

namespace gradus::text {

/// How close a translation is to its target, from 0 to 1, as d2l.ai's chapter on sequence to sequence learning defines it:
/// exp(min(0, 1 - len_target / len_prediction)) * prod_{n=1..k} p_n^(1/2^n), where p_n is the share of the prediction's n-grams that are
/// found in the target, each of the target's n-grams serving once. Both texts are split by tokenize().
/// The product ends at the prediction's length, as in the chapter's later edition: a prediction that has fewer than n tokens has no
/// n-grams. An empty prediction scores 0. Throws ValueError when k is below 1.
GRADUS_API double bleu(std::string_view prediction, std::string_view target, int k);

}  // namespace gradus::text
