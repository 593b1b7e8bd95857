#include <algorithm>
#include <cmath>
#include <map>

#include "core/check.h"
#include "gradus/text/bleu.h"
#include "gradus/text/tokenizer.h"

namespace gradus::text {
namespace {

using NGram = std::vector<std::string_view>;

template <class Visit>
void for_each_ngram(const std::vector<std::string>& tokens, size_t n, Visit visit) {
  for (size_t end = n; end <= tokens.size(); ++end)
    visit(NGram(tokens.begin() + static_cast<std::ptrdiff_t>(end - n), tokens.begin() + static_cast<std::ptrdiff_t>(end)));
}

/// p_n: the share of the prediction's n-grams that the target has too. Needs a prediction of at least n tokens.
double ngram_precision(const std::vector<std::string>& prediction, const std::vector<std::string>& target, size_t n) {
  std::map<NGram, int64_t> unmatched;
  for_each_ngram(target, n, [&](NGram ngram) { ++unmatched[std::move(ngram)]; });
  int64_t matches = 0;
  for_each_ngram(prediction, n, [&](const NGram& ngram) {
    const auto found = unmatched.find(ngram);
    if (found == unmatched.end() || found->second == 0) return;
    --found->second;
    ++matches;
  });
  return static_cast<double>(matches) / static_cast<double>(prediction.size() - n + 1);
}

}  // namespace

double bleu(std::string_view prediction, std::string_view target, int k) {
  check<ValueError>(k >= 1, "bleu: k is {}; it must be 1 or more, the length of the longest n-grams to compare", k);
  const std::vector<std::string> predicted = tokenize(prediction), expected = tokenize(target);
  if (predicted.empty()) return 0;
  double score = std::exp(std::min(0.0, 1 - static_cast<double>(expected.size()) / static_cast<double>(predicted.size())));
  const size_t longest = std::min(static_cast<size_t>(k), predicted.size());
  for (size_t n = 1; n <= longest && score > 0; ++n)
    score *= std::pow(ngram_precision(predicted, expected, n), std::exp2(-static_cast<double>(n)));
  return score;
}

}  // namespace gradus::text
