#pragma once

#include <string>
#include <vector>

#include "gradus/text/bleu.h"

namespace gradus::text {

/// The tokens of a sentence, as sacreBLEU's tokenizer of that name makes them.
std::vector<std::u32string> bleu_tokens(std::u32string text, BleuTokenizer tokenizer);

}  // namespace gradus::text
