#include "gradus/text/chrf.h"

#include <cstddef>

#include "core/check.h"
#include "text/ngrams.h"
#include "text/utf8.h"

namespace gradus::text {
namespace {

constexpr int64_t kMostChrfOrder = 100;
constexpr std::u32string_view kPunctuation = U"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// The n-grams of one order.
struct MatchCounts {
  int64_t hypothesis = 0, reference = 0, matches = 0;
};

/// F of the counts, in percent. Floating-point operations are in sacreBLEU's order, for its digits.
double f_score(const std::vector<MatchCounts>& counts, const ChrfOptions& options) {
  constexpr double epsilon = 1e-16;
  const auto factor = static_cast<double>(options.beta * options.beta);
  double sum = 0, precisions = 0, recalls = 0;
  int64_t effective_orders = 0;
  for (const MatchCounts& c : counts) {
    const double precision = c.hypothesis > 0 ? static_cast<double>(c.matches) / static_cast<double>(c.hypothesis) : epsilon;
    const double recall = c.reference > 0 ? static_cast<double>(c.matches) / static_cast<double>(c.reference) : epsilon;
    const double divisor = factor * precision + recall;
    sum += divisor > 0 ? (1 + factor) * precision * recall / divisor : epsilon;
    if (c.hypothesis == 0 || c.reference == 0) continue;
    precisions += precision;
    recalls += recall;
    ++effective_orders;
  }
  if (options.eps_smoothing) return 100 * sum / static_cast<double>(counts.size());
  if (effective_orders == 0) return 0;
  precisions /= static_cast<double>(effective_orders);
  recalls /= static_cast<double>(effective_orders);
  if (precisions + recalls == 0) return 0;
  return 100 * ((1 + factor) * precisions * recalls / (factor * precisions + recalls));
}

/// Words with a punctuation mark at the end, or else at the beginning, split off.
std::vector<std::string> words_and_punctuation(std::u32string_view text) {
  const auto is_punctuation = [](char32_t c) { return kPunctuation.find(c) != kPunctuation.npos; };
  std::vector<std::string> words;
  for (const std::u32string_view word : python_split(text)) {
    size_t cut = 0;
    if (word.size() > 1 && is_punctuation(word.back())) cut = word.size() - 1;
    else if (word.size() > 1 && is_punctuation(word.front())) cut = 1;
    if (cut > 0) words.push_back(encode_utf8(word.substr(0, cut)));
    words.push_back(encode_utf8(word.substr(cut)));
  }
  return words;
}

/// Scores sentences, each by itself.
class Scorer {
 public:
  Scorer(const char* op, const ChrfOptions& options) : op_(op), options_(options) {
    const int64_t chars = options.char_order, words = options.word_order;
    check<ValueError>(chars >= 0 && words >= 0 && chars + words > 0 && chars <= kMostChrfOrder && words <= kMostChrfOrder,
                      "{}: char_order is {} and word_order {}; they must be 0 to {}, and not both 0", op, chars, words, kMostChrfOrder);
    constexpr int64_t most_beta = 1'000'000;
    check<ValueError>(options.beta >= 0 && options.beta <= most_beta, "{}: beta is {}; it must be 0 to {}", op, options.beta, most_beta);
  }

  /// The counts with the reference that gives the best score, the first of equals.
  std::vector<MatchCounts> best_counts(std::string_view hypothesis, const std::vector<std::string>& references) const {
    NGramNumbers numbers;
    const NGrams own = ngrams_of(numbers, hypothesis);
    std::vector<MatchCounts> best;
    double best_score = -1;
    for (const std::string& reference : references) {
      std::vector<MatchCounts> counts = compare(own, ngrams_of(numbers, reference));
      const double score = f_score(counts, options_);
      if (score <= best_score) continue;
      best_score = score;
      best = std::move(counts);
    }
    return best;
  }

 private:
  using NGrams = std::vector<std::vector<int64_t>>;  // by order, words behind characters

  NGrams ngrams_of(NGramNumbers& numbers, std::string_view sentence) const {
    std::u32string text = decode_utf8(op_, sentence);
    if (options_.lowercase) text = decode_utf8(op_, encode_lower(text));
    std::u32string characters;
    for (const std::u32string_view word : python_split(text)) characters += word;
    NGrams all = numbers.sorted(options_.whitespace ? text : characters, static_cast<size_t>(options_.char_order));
    if (options_.word_order > 0)
      for (auto& of_order : word_numbers(numbers, text)) all.push_back(std::move(of_order));
    return all;
  }

  NGrams word_numbers(NGramNumbers& numbers, std::u32string_view text) const {
    return numbers.sorted(words_and_punctuation(text), static_cast<size_t>(options_.word_order));
  }

  static std::vector<MatchCounts> compare(const NGrams& hypothesis, const NGrams& reference) {
    std::vector<MatchCounts> counts(hypothesis.size());
    for (size_t n = 0; n < counts.size(); ++n) {
      counts[n].reference = static_cast<int64_t>(reference[n].size());
      counts[n].hypothesis = reference[n].empty() ? 0 : static_cast<int64_t>(hypothesis[n].size());
      counts[n].matches = count_matches(hypothesis[n], {&reference[n]});
    }
    return counts;
  }

  const char* op_;
  const ChrfOptions& options_;
};

ChrfScore scored(const char* op, const std::vector<std::string>& hypotheses, const std::vector<std::vector<std::string>>& references,
                 const ChrfOptions& options) {
  const Scorer scorer(op, options);
  check_references(op, hypotheses.size(), references);
  std::vector<MatchCounts> total(static_cast<size_t>(options.char_order + options.word_order));
  for (size_t i = 0; i < hypotheses.size(); ++i) {
    const std::vector<MatchCounts> counts = scorer.best_counts(hypotheses[i], references[i]);
    for (size_t n = 0; n < total.size(); ++n) {
      total[n].hypothesis += counts[n].hypothesis;
      total[n].reference += counts[n].reference;
      total[n].matches += counts[n].matches;
    }
  }
  ChrfScore score;
  score.score = f_score(total, options);
  score.name = fmt::format("chrF{}{}", options.beta, std::string(static_cast<size_t>(options.word_order), '+'));
  score.signature = fmt::format("{}|case:{}|eff:{}|nc:{}|nw:{}|space:{}|version:gradus-" GRADUS_VERSION, reference_count(references),
                                options.lowercase ? "lc" : "mixed", options.eps_smoothing ? "no" : "yes", options.char_order,
                                options.word_order, options.whitespace ? "yes" : "no");
  return score;
}

}  // namespace

ChrfScore corpus_chrf(const std::vector<std::string>& hypotheses, const std::vector<std::vector<std::string>>& references,
                      const ChrfOptions& options) {
  return scored("corpus_chrf", hypotheses, references, options);
}

ChrfScore corpus_chrf(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references, const ChrfOptions& options) {
  return corpus_chrf(hypotheses, each_alone(references), options);
}

ChrfScore sentence_chrf(std::string_view hypothesis, const std::vector<std::string>& references, const ChrfOptions& options) {
  return scored("sentence_chrf", {std::string(hypothesis)}, {references}, options);
}

std::string ChrfScore::str(int width) const { return fmt::format("{}|{} = {:.{}f}", name, signature, score, width); }

}  // namespace gradus::text
