#include <string>
#include <vector>

#include "choices.h"
#include "gradus/error.h"
#include "gradus/text.h"

namespace {

using namespace gradus;

/// Whatever can be encoded comes back as indices that have tokens; byte-level text comes back as it was.
void check_use(const text::BPE& bpe, const std::string& bytes, bool keeps_all) {
  const std::string valid = text::is_valid_utf8(bytes) ? bytes : "a b";
  const std::vector<int64_t> ids = bpe.encode(valid);
  fuzz::expect(bpe.encode(valid) == ids, "a text has other indices for the second time");
  const std::string back = bpe.decode(ids, false);
  fuzz::expect(text::is_valid_utf8(back), "a decoded text is not UTF-8");
  if (keeps_all) fuzz::expect(back == valid, "a text does not come back from bytes");
  const text::BPE copy = text::BPE::from_str(bpe.to_str());
  fuzz::expect(copy.to_str() == bpe.to_str() && copy.encode(valid) == ids, "a tokenizer does not come back from its file");
}

void check_training(fuzz::Choices choices, const std::string& bytes) {
  constexpr text::PreTokenizer kinds[] = {text::PreTokenizer::None, text::PreTokenizer::Whitespace, text::PreTokenizer::WhitespaceSplit,
                                          text::PreTokenizer::ByteLevel, text::PreTokenizer::Metaspace};
  text::BPETrainOptions options{.vocab_size = 250 + choices.byte(), .min_frequency = choices.below(4)};
  options.pre_tokenizer = kinds[choices.below(5)];
  if (choices.flip()) {
    options.special_tokens = {"<s>", "?"};
    options.unk_token = "?";
    options.fuse_unk = choices.flip();
  }
  if (choices.flip()) options.end_of_word_suffix = "</w>";
  const bool keeps_all = options.pre_tokenizer == text::PreTokenizer::ByteLevel && options.end_of_word_suffix.empty();
  try {
    check_use(text::BPE::train({bytes, "a b ab"}, options), bytes, keeps_all);
  } catch (const ValueError&) {
    fuzz::expect(!text::is_valid_utf8(bytes), "UTF-8 is refused");
  }
}

}  // namespace

/// The first byte chooses: the others are a tokenizer.json, or five choices and a text to learn from.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  constexpr size_t choices = 8;
  if (size < choices) return 0;
  const std::string rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  if (bytes[0] % 2 == 0) {
    try {
      check_use(text::BPE::from_str(rest), "a <s> b\n", false);
    } catch (const IoError&) {
      return 0;
    }
  } else {
    check_training({bytes + 1, choices - 1}, rest.substr(choices - 1));
  }
  return 0;
}
