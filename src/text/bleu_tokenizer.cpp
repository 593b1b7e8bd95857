#include "text/bleu_tokenizer.h"

#include <cstddef>
#include <string_view>
#include <utility>

#include "text/ngrams.h"
#include "text/replace_all.h"
#include "text/unicode.h"
#include "text/utf8.h"

/// The published tokenizers are lists of regular expressions. They are written out here in their order, since what one of them has consumed
/// it does not look at again, as in "..".
namespace gradus::text {
namespace {

bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
bool is_period_or_comma(char32_t c) { return c == U'.' || c == U','; }

/// Every ASCII punctuation mark but apostrophe, comma, period and hyphen; and the space.
bool is_symbol_of_13a(char32_t c) {
  return (c >= U'{' && c <= U'~') || (c >= U'[' && c <= U'`') || (c >= U' ' && c <= U'&') || (c >= U'(' && c <= U'+') ||
         (c >= U':' && c <= U'@') || c == U'/';
}

/// Sets spaces around each character that `is` one.
template <class Is>
std::u32string set_apart(std::u32string_view text, const Is& is) {
  std::u32string spaced;
  for (char32_t c : text) {
    if (is(c)) spaced += {U' ', c, U' '};
    else spaced += c;
  }
  return spaced;
}

/// Two characters of two kinds, one after the other, get spaces: before the first, between them, behind the second.
struct Spaces {
  bool before, behind;
};
template <class First, class Second>
std::u32string part(std::u32string_view text, const First& first, const Second& second, Spaces spaces) {
  std::u32string parted;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i + 1 == text.size() || !first(text[i]) || !second(text[i + 1])) {
      parted += text[i];
      continue;
    }
    if (spaces.before) parted += U' ';
    parted += {text[i], U' ', text[i + 1]};
    if (spaces.behind) parted += U' ';
    ++i;
  }
  return parted;
}

std::u32string part_western(std::u32string_view text) {
  const auto no_digit = [](char32_t c) { return !is_digit(c); };
  std::u32string parted = set_apart(text, is_symbol_of_13a);
  parted = part(parted, no_digit, is_period_or_comma, {.before = false, .behind = true});
  parted = part(parted, is_period_or_comma, no_digit, {.before = true, .behind = false});
  return part(parted, is_digit, [](char32_t c) { return c == U'-'; }, {.before = false, .behind = true});
}

std::u32string part_13a(std::u32string text) {
  replace_all(text, U"<skipped>", U"");
  replace_all(text, U"-\n", U"");
  replace_all(text, U"\n", U" ");
  replace_all(text, U"&quot;", U"\"");
  replace_all(text, U"&amp;", U"&");
  replace_all(text, U"&lt;", U"<");
  replace_all(text, U"&gt;", U">");
  return part_western(U' ' + text + U' ');
}

/// What sacreBLEU takes for Chinese. Its two ranges beyond U+FFFF are written with five digits behind \u, which Python reads as four and a
/// digit; so they are U+2001 to U+2A6D and U+2F81 to U+2FA1, and are here too, for equal numbers.
bool is_chinese(char32_t c) {
  constexpr std::pair<char32_t, char32_t> ranges[] = {{0x2001, 0x2A6D}, {0x2E80, 0x2FDF}, {0x2FF0, 0x303F}, {0x3100, 0x312F},
                                                      {0x31A0, 0x31BF}, {0x31C0, 0x31EF}, {0x3200, 0x33FF}, {0x3400, 0x4DB5},
                                                      {0x4E00, 0x9FBB}, {0xF900, 0xFA2D}, {0xFA30, 0xFA6A}, {0xFA70, 0xFAD9},
                                                      {0xFE10, 0xFE1F}, {0xFE30, 0xFE4F}, {0xFF00, 0xFFEF}};
  for (const auto& [first, last] : ranges)
    if (c >= first && c <= last) return true;
  return false;
}

std::u32string part_zh(std::u32string_view text) {
  while (!text.empty() && is_python_space(text.front())) text.remove_prefix(1);
  return part_western(set_apart(text, is_chinese));
}

std::u32string part_international(std::u32string_view text) {
  const auto no_number = [](char32_t c) { return CodePoint(c).category() != Category::Number; };
  const auto is_punctuation = [](char32_t c) { return CodePoint(c).category() == Category::Punctuation; };
  std::u32string parted = part(text, no_number, is_punctuation, {.before = false, .behind = true});
  parted = part(parted, is_punctuation, no_number, {.before = true, .behind = false});
  return set_apart(parted, [](char32_t c) { return CodePoint(c).category() == Category::Symbol; });
}

std::u32string part_by(BleuTokenizer tokenizer, std::u32string text) {
  switch (tokenizer) {
    case BleuTokenizer::V13a: return part_13a(std::move(text));
    case BleuTokenizer::Char: return set_apart(text, [](char32_t) { return true; });
    case BleuTokenizer::Zh: return part_zh(text);
    case BleuTokenizer::Intl: return part_international(text);
    case BleuTokenizer::None: break;
  }
  return text;
}

}  // namespace

std::vector<std::u32string> bleu_tokens(std::u32string text, BleuTokenizer tokenizer) {
  while (!text.empty() && is_python_space(text.back())) text.pop_back();
  const std::u32string parted = part_by(tokenizer, std::move(text));
  const std::vector<std::u32string_view> words = python_split(parted);
  return {words.begin(), words.end()};
}

std::vector<std::string> tokenize_for_bleu(std::string_view text, BleuTokenizer tokenizer) {
  std::vector<std::string> tokens;
  for (const std::u32string& token : bleu_tokens(decode_utf8("tokenize_for_bleu", text), tokenizer)) tokens.push_back(encode_utf8(token));
  return tokens;
}

}  // namespace gradus::text
