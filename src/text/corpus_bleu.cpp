#include <algorithm>
#include <cmath>
#include <cstddef>

#include "core/check.h"
#include "gradus/text/bleu.h"
#include "text/bleu_tokenizer.h"
#include "text/ngrams.h"
#include "text/utf8.h"

namespace gradus::text {
namespace {

constexpr int64_t kMostBleuOrder = 100;

struct Op {
  const char* name;
  bool effective_order;  // where the options do not say
};

const char* name_of(BleuTokenizer tokenizer) {
  switch (tokenizer) {
    case BleuTokenizer::V13a: return "13a";
    case BleuTokenizer::Char: return "char";
    case BleuTokenizer::Zh: return "zh";
    case BleuTokenizer::Intl: return "intl";
    case BleuTokenizer::None: break;
  }
  return "none";
}

double smooth_value_of(const BleuOptions& options) {
  return options.smooth_value.value_or(options.smooth_method == BleuSmoothing::Floor ? 0.1 : 1);
}

std::string name_of_smoothing(const BleuOptions& options) {
  switch (options.smooth_method) {
    case BleuSmoothing::Exp: return "exp";
    case BleuSmoothing::Floor: return fmt::format("floor[{:.2f}]", smooth_value_of(options));
    case BleuSmoothing::AddK: return fmt::format("add-k[{:.2f}]", smooth_value_of(options));
    case BleuSmoothing::None: break;
  }
  return "none";
}

void check_options(const Op& op, const BleuOptions& options) {
  check<ValueError>(options.max_ngram_order >= 1 && options.max_ngram_order <= kMostBleuOrder,
                    "{}: max_ngram_order is {}; it must be 1 to {}, the length of the longest n-grams to compare", op.name,
                    options.max_ngram_order, kMostBleuOrder);
  const bool takes_value = options.smooth_method == BleuSmoothing::Floor || options.smooth_method == BleuSmoothing::AddK;
  check<ValueError>(!options.smooth_value || takes_value, "{}: smooth_value is {}, but smoothing by {} takes none", op.name,
                    smooth_value_of(options), name_of_smoothing(options));
  check<ValueError>(!takes_value || (smooth_value_of(options) >= 0 && std::isfinite(smooth_value_of(options))),
                    "{}: smooth_value is {}; it must be 0 or more", op.name, smooth_value_of(options));
}

/// Adds a sentence to the counts.
class Counter {
 public:
  Counter(const Op& op, const BleuOptions& options, BleuScore& to) : op_(op), options_(options), to_(to) {}

  void add(std::string_view hypothesis, const std::vector<std::string>& references) {
    NGramNumbers numbers;
    const auto [own, length] = ngrams_of(numbers, hypothesis);
    std::vector<Counted> others;
    for (const std::string& reference : references) others.push_back(ngrams_of(numbers, reference));
    to_.sys_len += length;
    to_.ref_len += closest_length(length, others);
    for (size_t n = 0; n < own.size(); ++n) {
      std::vector<const std::vector<int64_t>*> of_order;
      for (const Counted& other : others) of_order.push_back(&other.ngrams[n]);
      to_.counts[n] += count_matches(own[n], of_order);
      to_.totals[n] += static_cast<int64_t>(own[n].size());
    }
  }

 private:
  struct Counted {
    std::vector<std::vector<int64_t>> ngrams;
    int64_t length;
  };

  Counted ngrams_of(NGramNumbers& numbers, std::string_view sentence) const {
    std::u32string text = decode_utf8(op_.name, sentence);
    if (options_.lowercase) text = decode_utf8(op_.name, encode_lower(text));
    std::vector<std::string> tokens;
    for (const std::u32string& token : bleu_tokens(std::move(text), options_.tokenize)) tokens.push_back(encode_utf8(token));
    return {numbers.sorted(tokens, static_cast<size_t>(options_.max_ngram_order)), static_cast<int64_t>(tokens.size())};
  }

  /// Of lengths that are equally close the shorter.
  static int64_t closest_length(int64_t length, const std::vector<Counted>& references) {
    int64_t closest = references[0].length;
    for (const Counted& reference : references) {
      const int64_t far = std::abs(length - reference.length), near = std::abs(length - closest);
      if (far < near || (far == near && reference.length < closest)) closest = reference.length;
    }
    return closest;
  }

  const Op& op_;
  const BleuOptions& options_;
  BleuScore& to_;
};

double brevity_penalty(int64_t hypotheses, int64_t references) {
  if (hypotheses >= references) return 1;
  return hypotheses > 0 ? std::exp(1 - static_cast<double>(references) / static_cast<double>(hypotheses)) : 0;
}

/// Fills in the precisions, and the score from them. Floating-point operations are in sacreBLEU's order, for its digits.
void score_counts(const BleuOptions& options, bool effective_order, BleuScore& to) {
  to.bp = brevity_penalty(to.sys_len, to.ref_len);
  const bool none_matches = std::all_of(to.counts.begin(), to.counts.end(), [](int64_t count) { return count == 0; });
  if (none_matches) return;
  size_t orders = to.counts.size();
  double halved = 1;
  for (size_t n = 0; n < to.counts.size(); ++n) {
    const double added = options.smooth_method == BleuSmoothing::AddK && n > 0 ? smooth_value_of(options) : 0;
    const double matches = static_cast<double>(to.counts[n]) + added, total = static_cast<double>(to.totals[n]) + added;
    if (total == 0) break;
    if (effective_order) orders = n + 1;
    if (matches > 0) to.precisions[n] = 100 * matches / total;
    else if (options.smooth_method == BleuSmoothing::Exp) to.precisions[n] = 100 / ((halved *= 2) * total);
    else if (options.smooth_method == BleuSmoothing::Floor) to.precisions[n] = 100 * smooth_value_of(options) / total;
  }
  constexpr double log_of_none = -9999999999;
  double logs = 0;
  for (size_t n = 0; n < orders; ++n) logs += to.precisions[n] == 0 ? log_of_none : std::log(to.precisions[n]);
  to.score = to.bp * std::exp(logs / static_cast<double>(orders));
}

BleuScore scored(const Op& op, const std::vector<std::string>& hypotheses, const std::vector<std::vector<std::string>>& references,
                 const BleuOptions& options) {
  check_options(op, options);
  check_references(op.name, hypotheses.size(), references);
  const auto orders = static_cast<size_t>(options.max_ngram_order);
  BleuScore score;
  score.counts.resize(orders);
  score.totals.resize(orders);
  score.precisions.resize(orders);
  Counter counter(op, options, score);
  for (size_t i = 0; i < hypotheses.size(); ++i) counter.add(hypotheses[i], references[i]);
  const bool effective_order = options.effective_order.value_or(op.effective_order);
  score_counts(options, effective_order, score);
  score.signature = fmt::format("{}|case:{}|eff:{}|tok:{}|smooth:{}|version:gradus-" GRADUS_VERSION, reference_count(references),
                                options.lowercase ? "lc" : "mixed", effective_order ? "yes" : "no", name_of(options.tokenize),
                                name_of_smoothing(options));
  return score;
}

}  // namespace

BleuScore corpus_bleu(const std::vector<std::string>& hypotheses, const std::vector<std::vector<std::string>>& references,
                      const BleuOptions& options) {
  return scored({"corpus_bleu", false}, hypotheses, references, options);
}

BleuScore corpus_bleu(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references, const BleuOptions& options) {
  return corpus_bleu(hypotheses, each_alone(references), options);
}

BleuScore sentence_bleu(std::string_view hypothesis, const std::vector<std::string>& references, const BleuOptions& options) {
  return scored({"sentence_bleu", true}, {std::string(hypothesis)}, {references}, options);
}

std::string BleuScore::str(int width) const {
  std::string each;
  for (double precision : precisions) each += fmt::format("{}{:.1f}", each.empty() ? "" : "/", precision);
  const double ratio = ref_len != 0 ? static_cast<double>(sys_len) / static_cast<double>(ref_len) : 0;
  return fmt::format("BLEU|{} = {:.{}f} {} (BP = {:.3f} ratio = {:.3f} hyp_len = {} ref_len = {})", signature, score, width, each, bp,
                     ratio, sys_len, ref_len);
}

}  // namespace gradus::text
