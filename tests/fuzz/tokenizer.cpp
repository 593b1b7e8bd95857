#include <algorithm>
#include <string>
#include <vector>

#include "choices.h"
#include "gradus/error.h"
#include "gradus/text.h"

namespace {

using namespace gradus;

void check_lower_and_preprocess(const std::string& bytes) {
  const bool valid = text::is_valid_utf8(bytes);
  try {
    const std::string lower = text::lower(bytes), words = text::preprocess(bytes);
    fuzz::expect(valid, "text that is not UTF-8 is accepted");
    fuzz::expect(text::is_valid_utf8(lower) && text::is_valid_utf8(words), "UTF-8 becomes something else");
    fuzz::expect(text::lower(lower) == lower, "lower case has a lower case");
    fuzz::expect(text::preprocess(words) == words, "what is preprocessed changes again");
  } catch (const ValueError&) {
    fuzz::expect(!valid, "UTF-8 is refused");
  }
}

std::vector<std::string> check_tokenize(const std::string& bytes) {
  std::vector<std::string> tokens = text::tokenize(bytes);
  size_t letters = 0;
  for (const std::string& token : tokens) {
    fuzz::expect(!token.empty() && token.find(' ') == std::string::npos, "a token is empty or has a space");
    letters += token.size();
  }
  fuzz::expect(letters + static_cast<size_t>(std::count(bytes.begin(), bytes.end(), ' ')) == bytes.size(), "tokens lose bytes");
  return tokens;
}

void check_characters_and_words(const std::string& bytes) {
  if (!text::is_valid_utf8(bytes)) return;
  std::string together;
  for (const std::string& character : text::tokenize_characters(bytes)) {
    fuzz::expect(text::tokenize_characters(character).size() == 1, "a character has several");
    together += character;
  }
  fuzz::expect(together == bytes, "characters lose bytes");
  for (const bool split_han : {true, false})
    for (const std::string& word : text::tokenize_words(bytes, {.split_han = split_han}))
      fuzz::expect(!word.empty() && text::is_valid_utf8(word), "a word is empty, or no UTF-8");
}

/// Scores of a text in two halves.
void check_scores(const std::string& bytes, uint8_t choice) {
  if (!text::is_valid_utf8(bytes)) return;
  const std::vector<std::string> words = text::tokenize_words(bytes);
  std::string first, second;
  for (size_t i = 0; i < words.size(); ++i) (2 * i < words.size() ? first : second) += words[i] + (i % 3 == 0 ? "" : " ");
  const double bleu = text::sentence_bleu(first, {second, "a"}, {.tokenize = static_cast<text::BleuTokenizer>(choice % 5)}).score;
  const double chrf = text::sentence_chrf(first, {second}, {.word_order = choice % 3, .eps_smoothing = choice % 2 != 0}).score;
  constexpr double most = 100 + 1e-9;
  fuzz::expect(bleu >= 0 && bleu <= most && chrf >= 0 && chrf <= most, "a score is not within 0 and 100");
  const text::EditCounts counts = text::edit_counts(first, second), back = text::edit_counts(second, first);
  fuzz::expect(counts.distance() == back.distance() && counts.insertions == back.deletions, "an edit distance has two values");
}

void check_vocab(const std::vector<std::string>& tokens, int64_t min_freq) {
  const text::Vocab vocab(tokens, {.min_freq = min_freq});
  for (int64_t i = 0; i < vocab.size(); ++i) fuzz::expect(vocab.index(vocab.token(i)) == i, "a token has another index");
  for (const std::string& token : tokens) {
    const auto count = std::count(tokens.begin(), tokens.end(), token);
    fuzz::expect(vocab.contains(token) == (count >= min_freq || token == "<unk>"), "a token is there, or is not, against its count");
  }
  const text::Vocab again = text::Vocab::from_tokens(vocab.tokens());
  fuzz::expect(again.tokens() == vocab.tokens(), "a vocabulary does not come back");
}

}  // namespace

/// The first byte is a choice, the others are text of any kind.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  check_lower_and_preprocess(text);
  std::vector<std::string> tokens = check_tokenize(text);
  check_characters_and_words(text);
  check_scores(text.substr(0, 1000), bytes[0]);
  constexpr size_t few = 200;  // they are counted by the definition
  if (tokens.size() > few) tokens.resize(few);
  check_vocab(tokens, bytes[0] % 4);

  const size_t middle = text.size() / 2;
  const double score = text::bleu(text.substr(0, middle), text.substr(middle), 1 + bytes[0] % 4);
  fuzz::expect(score >= 0 && score <= 1, "BLEU is not within 0 and 1");
  const double own = text::bleu(text, text, 1);
  fuzz::expect(own == (tokens.empty() ? 0 : 1), "BLEU of a text and itself is not 1");
  return 0;
}
