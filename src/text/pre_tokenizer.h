#pragma once

#include <string_view>
#include <vector>

#include "core/function_ref.h"
#include "gradus/text/bpe.h"

namespace gradus::text {

/// What a pre-tokenizer is told; the names are those of tokenizer.json.
struct PreTokenizerOptions {
  PreTokenizer type = PreTokenizer::None;
  PrependScheme prepend_scheme = PrependScheme::Never;
  bool use_regex = true;  // ByteLevel: whether the text is cut at all
  bool split = true;      // Metaspace: likewise
};

constexpr std::string_view kMetaspace = "\u2581";

/// Calls visit for each word of a text, which is valid UTF-8. `is_beginning`: the text is not a part behind another.
void for_each_word(const PreTokenizerOptions& options, std::string_view text, bool is_beginning,
                   FunctionRef<void(std::string_view word)> visit);

}  // namespace gradus::text
