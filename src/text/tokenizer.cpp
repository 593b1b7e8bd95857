#include <algorithm>

#include "gradus/text.h"
#include "text/utf8.h"

namespace gradus::text {

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

}  // namespace gradus::text
