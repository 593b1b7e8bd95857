#include <algorithm>
#include <cstddef>

#include "gradus/text/tokenizer.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace gradus::text {
namespace {

/// What a character of a word is. A character that belongs to none is a token of its own.
enum class Part { None, Space, Letter, Digit, Han };

Part part_of(char32_t c) {
  const CodePoint point(c);
  if (point.is_space()) return Part::Space;
  if (point.is_han() && point.category() != Category::Symbol && point.category() != Category::Punctuation) return Part::Han;
  if (point.category() == Category::Number) return Part::Digit;
  const bool is_letter = point.category() == Category::Letter || point.category() == Category::Mark || c == U'_';
  return is_letter ? Part::Letter : Part::None;
}

/// Whether the character between two others belongs to their word.
bool joins(char32_t c, Part before, Part behind) {
  if (c == U'\'' || c == U'\u2019') return before == Part::Letter && behind == Part::Letter;
  return (c == U'.' || c == U',') && before == Part::Digit && behind == Part::Digit;
}

/// Where the word that begins at `at` with a letter or digit ends.
size_t word_end(std::u32string_view text, size_t at) {
  Part last = part_of(text[at]);
  for (at = grapheme_end(text, at); at < text.size();) {
    const Part part = part_of(text[at]);
    const bool is_part = part == Part::Letter || part == Part::Digit;
    if (!is_part && (at + 1 == text.size() || grapheme_end(text, at) != at + 1 || !joins(text[at], last, part_of(text[at + 1])))) break;
    if (is_part) last = part;
    at = grapheme_end(text, at);
  }
  return at;
}

size_t han_end(std::u32string_view text, size_t at, bool split) {
  at = grapheme_end(text, at);
  while (!split && at < text.size() && part_of(text[at]) == Part::Han) at = grapheme_end(text, at);
  return at;
}

}  // namespace

std::string preprocess(std::string_view text) {
  std::u32string code_points = decode_utf8("preprocess", text);
  for (char32_t& c : code_points)
    if (c == U'\u202F' || c == U'\u00A0') c = U' ';
  const std::string small = encode_lower(code_points);

  // What is looked for is ASCII, so that bytes serve as well as code points from here on.
  std::string spaced;
  spaced.reserve(small.size() + 4);
  for (size_t i = 0; i < small.size(); ++i) {
    const bool punctuation = small[i] == ',' || small[i] == '.' || small[i] == '!' || small[i] == '?';
    if (i > 0 && punctuation && small[i - 1] != ' ') spaced += ' ';
    spaced += small[i];
  }
  return spaced;
}

std::vector<std::string> tokenize(std::string_view text) {
  std::vector<std::string> tokens;
  for (size_t at = text.find_first_not_of(' '); at < text.size(); at = text.find_first_not_of(' ', at)) {
    const size_t end = std::min(text.find(' ', at), text.size());
    tokens.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return tokens;
}

std::vector<std::string> tokenize_characters(std::string_view text) {
  const std::u32string code_points = decode_utf8("tokenize_characters", text);
  const std::u32string_view all = code_points;
  std::vector<std::string> characters;
  for (size_t at = 0, end = 0; at < all.size(); at = end) {
    end = grapheme_end(all, at);
    characters.push_back(encode_utf8(all.substr(at, end - at)));
  }
  return characters;
}

std::vector<std::string> tokenize_words(std::string_view text, const WordOptions& options) {
  const std::u32string code_points = decode_utf8("tokenize_words", text);
  const std::u32string_view all = code_points;
  std::vector<std::string> words;
  for (size_t at = 0, end = 0; at < all.size(); at = end) {
    const Part part = part_of(all[at]);
    if (part == Part::Space) end = at + 1;  // without a mark that somebody set on it
    else if (part == Part::Letter || part == Part::Digit) end = word_end(all, at);
    else if (part == Part::Han) end = han_end(all, at, options.split_han);
    else end = grapheme_end(all, at);
    if (part != Part::Space) words.push_back(encode_utf8(all.substr(at, end - at)));
  }
  return words;
}

}  // namespace gradus::text
