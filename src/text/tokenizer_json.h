#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gradus/text/bpe.h"
#include "text/added_tokens.h"
#include "text/bpe_model.h"
#include "text/pre_tokenizer.h"

namespace gradus::text {

/// What a decoder is told; the names are those of tokenizer.json.
struct DecoderOptions {
  Decoder type = Decoder::None;
  PrependScheme prepend_scheme = PrependScheme::Always;  // Metaspace: whether the first token's mark was put there
  std::string suffix = "</w>";                           // BPEDecoder
};

/// What a tokenizer.json holds.
struct TokenizerParts {
  PreTokenizerOptions pre_tokenizer;
  DecoderOptions decoder;
  std::vector<AddedToken> added;
  TokenIndex vocab;
  BPEModel::Merges merges;
  BPEModelOptions options;
};

/// Reads one. Throws IoError that starts with `place`, which says the operation and the file.
TokenizerParts parse_tokenizer(const std::string& place, std::string_view text);

/// Writes one.
std::string write_tokenizer(const PreTokenizerOptions& pre_tokenizer, const DecoderOptions& decoder, const std::vector<AddedToken>& added,
                            const BPEModel& model);

}  // namespace gradus::text
