#include "text/ngrams.h"

#include <algorithm>

#include "core/check.h"
#include "text/unicode.h"

namespace gradus::text {

void NGramNumbers::sort(std::vector<int64_t>& numbers) { std::sort(numbers.begin(), numbers.end()); }

int64_t count_matches(const std::vector<int64_t>& ngrams, const std::vector<const std::vector<int64_t>*>& others) {
  int64_t matches = 0;
  for (auto at = ngrams.begin(); at != ngrams.end();) {
    const auto end = std::upper_bound(at, ngrams.end(), *at);
    std::ptrdiff_t most = 0;
    for (const auto* other : others) {
      const auto [first, last] = std::equal_range(other->begin(), other->end(), *at);
      most = std::max(most, last - first);
    }
    matches += std::min(most, end - at);
    at = end;
  }
  return matches;
}

bool is_python_space(char32_t c) noexcept { return (c >= 0x1C && c <= 0x1F) || CodePoint(c).is_space(); }

std::vector<std::u32string_view> python_split(std::u32string_view text) {
  std::vector<std::u32string_view> words;
  for (size_t at = 0; at < text.size();) {
    if (is_python_space(text[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < text.size() && !is_python_space(text[end])) ++end;
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

void check_references(const char* op, size_t hypotheses, const std::vector<std::vector<std::string>>& references) {
  check<ShapeError>(hypotheses == references.size(), "{}: {} hypotheses and references for {}; each hypothesis needs its own", op,
                    hypotheses, references.size());
  check<ValueError>(hypotheses > 0, "{}: there are no sentences, so there is no score", op);
  for (size_t i = 0; i < references.size(); ++i)
    check<ValueError>(!references[i].empty(), "{}: hypothesis {} has no references; it needs one at least", op, i);
}

std::string reference_count(const std::vector<std::vector<std::string>>& references) {
  const size_t first = references[0].size();
  const bool same = std::all_of(references.begin(), references.end(), [&](const auto& list) { return list.size() == first; });
  return same ? fmt::format("nrefs:{}", first) : "nrefs:var";
}

std::vector<std::vector<std::string>> each_alone(const std::vector<std::string>& references) {
  std::vector<std::vector<std::string>> lists;
  lists.reserve(references.size());
  for (const std::string& reference : references) lists.push_back({reference});
  return lists;
}

}  // namespace gradus::text
