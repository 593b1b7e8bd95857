#include "text/unicode.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

namespace {

using gradus::text::Break;
using gradus::text::Category;
using gradus::text::CodePoint;

std::vector<std::u32string> clusters(std::u32string_view text) {
  std::vector<std::u32string> found;
  for (size_t at = 0, end = 0; at < text.size(); at = end) {
    end = gradus::text::grapheme_end(text, at);
    found.emplace_back(text.substr(at, end - at));
  }
  return found;
}

using Clusters = std::vector<std::u32string>;

TEST_CASE("a code point has its category, white space by its property") {
  CHECK(CodePoint(U'a').category() == Category::Letter);
  CHECK(CodePoint(U'\u0301').category() == Category::Mark);
  CHECK(CodePoint(U'\u00BD').category() == Category::Number);
  CHECK(CodePoint(U'\u3002').category() == Category::Punctuation);
  CHECK(CodePoint(U'\u20AC').category() == Category::Symbol);
  for (char32_t space : {U' ', U'\n', U'\u0085', U'\u00A0', U'\u2028', U'\u3000'}) CHECK(CodePoint(space).is_space());
  CHECK_FALSE(CodePoint(U'\u200B').is_space());
  CHECK(CodePoint(U'\u0378').category() == Category::Other);  // not assigned
  CHECK(CodePoint(char32_t{0xD800}).category() == Category::Other);
  CHECK(CodePoint(char32_t{0x10FFFF}).category() == Category::Other);
}

TEST_CASE("a code point is a word's, Han, or neither") {
  for (char32_t c : {U'a', U'_', U'9', U'\u0301', U'\u200D', U'\u6F22'}) CHECK(CodePoint(c).is_word());
  for (char32_t c : {U'-', U'\u00B2', U' ', U'\U0001F600'}) CHECK_FALSE(CodePoint(c).is_word());
  for (char32_t c : {U'\u4E00', U'\u9FFF', U'\u3400', U'\u3005', U'\u3007', U'\U00020000', U'\U000323AF'}) CHECK(CodePoint(c).is_han());
  for (char32_t c : {U'\u3042', U'\uAC00', U'\u3002', U'a'}) CHECK_FALSE(CodePoint(c).is_han());
}

// The expected clusters are those of \X of PyPI's regex 2024.11.6, and so the rules of Unicode Standard Annex #29.

TEST_CASE("marks, selectors and modifiers stay with their base") {
  CHECK(clusters(U"e\u0301a") == Clusters{U"e\u0301", U"a"});
  CHECK(clusters(U"\u2764\uFE0F") == Clusters{U"\u2764\uFE0F"});
  CHECK(clusters(U"\U0001F44D\U0001F3FD!") == Clusters{U"\U0001F44D\U0001F3FD", U"!"});
  CHECK(clusters(U"\u0301x") == Clusters{U"\u0301", U"x"});
  CHECK(clusters(U"\u0600a") == Clusters{U"\u0600a"});  // a sign that stands before its digits
  CHECK(clusters(U"\u0E01\u0E47\u0E01\u0E33") == Clusters{U"\u0E01\u0E47", U"\u0E01\u0E33"});
}

TEST_CASE("a joiner joins pictographs, and nothing else") {
  const std::u32string family = U"\U0001F469\u200D\U0001F469\u200D\U0001F467";
  CHECK(clusters(family + U"x") == Clusters{family, U"x"});
  CHECK(clusters(U"a\u200Db") == Clusters{U"a\u200D", U"b"});
  CHECK(clusters(U"\U0001F469\u200Da\u200D\U0001F469") == Clusters{U"\U0001F469\u200D", U"a\u200D", U"\U0001F469"});
}

TEST_CASE("regional indicators make flags two by two") {
  CHECK(clusters(U"\U0001F1EB\U0001F1F7\U0001F1E9\U0001F1EA\U0001F1EE") ==
        Clusters{U"\U0001F1EB\U0001F1F7", U"\U0001F1E9\U0001F1EA", U"\U0001F1EE"});
  CHECK(clusters(U"\U0001F1EB\u0301\U0001F1F7") == Clusters{U"\U0001F1EB\u0301", U"\U0001F1F7"});
}

TEST_CASE("the letters of a Hangul syllable are one cluster, two syllables are two") {
  CHECK(clusters(U"\u1112\u1161\u11AB") == Clusters{U"\u1112\u1161\u11AB"});
  CHECK(clusters(U"\uD55C\uAE00") == Clusters{U"\uD55C", U"\uAE00"});
  CHECK(clusters(U"\uAC00\u11A8\uAC01\u1161") == Clusters{U"\uAC00\u11A8", U"\uAC01", U"\u1161"});
}

TEST_CASE("Devanagari's vowel signs, and consonants that a virama joins, are one cluster") {
  CHECK(clusters(U"\u0928\u092E\u0938\u094D\u0924\u0947") == Clusters{U"\u0928", U"\u092E", U"\u0938\u094D\u0924\u0947"});
  CHECK(clusters(U"\u0915\u094D\u200D\u0937\u093F") == Clusters{U"\u0915\u094D\u200D\u0937\u093F"});
  CHECK(clusters(U"\u0915\u0937") == Clusters{U"\u0915", U"\u0937"});
}

TEST_CASE("controls and line ends stand alone, but for CR LF") {
  CHECK(clusters(U"\r\n\n") == Clusters{U"\r\n", U"\n"});
  CHECK(clusters(U"a\n\u0301") == Clusters{U"a", U"\n", U"\u0301"});
  CHECK(clusters(U"").empty());
}

}  // namespace
