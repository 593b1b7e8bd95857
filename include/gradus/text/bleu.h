#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gradus/export.h"

namespace gradus::text {

/// How close a translation is to its target, from 0 to 1, as d2l.ai's chapter on sequence to sequence learning defines it:
/// exp(min(0, 1 - len_target / len_prediction)) * prod_{n=1..k} p_n^(1/2^n), where p_n is the share of the prediction's n-grams that are
/// found in the target, each of the target's n-grams serving once. Both texts are split by tokenize().
/// The product ends at the prediction's length, as in the chapter's later edition: a prediction that has fewer than n tokens has no
/// n-grams. An empty prediction scores 0. Throws ValueError when k is below 1.
GRADUS_API double bleu(std::string_view prediction, std::string_view target, int k);

/// How sacreBLEU splits a sentence into tokens before it counts. Post, "A Call for Clarity in Reporting BLEU Scores", 2018.
enum class BleuTokenizer {
  V13a,  ///< "13a": as WMT's mteval-v13a.pl, for languages with Latin letters
  Char,  ///< "char": each code point that is no white space
  Zh,    ///< "zh": each Chinese character, and the rest as 13a does
  Intl,  ///< "intl": as mteval-v14.pl --international-tokenization, by Unicode's punctuation and symbols
  None,  ///< "none": at white space alone, for text that is tokenized already
};

/// What stands in for the precision of an order without matches. Chen and Cherry, "A Systematic Comparison of Smoothing Techniques for
/// Sentence-Level BLEU", 2014.
enum class BleuSmoothing {
  Exp,    ///< half the smallest count, then half of that for the next such order
  Floor,  ///< smooth_value matches, 0.1 where it is not given
  AddK,   ///< smooth_value more matches and n-grams for each order above 1, 1 where it is not given
  None,   ///< nothing: the score is 0
};

/// How BLEU is computed; the defaults are sacreBLEU's.
struct BleuOptions {
  /// Whether case does not matter, by lower().
  bool lowercase = false;
  BleuTokenizer tokenize = BleuTokenizer::V13a;
  BleuSmoothing smooth_method = BleuSmoothing::Exp;
  /// For Floor and AddK.
  std::optional<double> smooth_value = {};
  int64_t max_ngram_order = 4;
  /// Whether orders that the hypotheses are too short for are left out. Where it is not given, sentences are scored with it, corpora
  /// without.
  std::optional<bool> effective_order = {};
};

/// BLEU in percent and what it is made of.
struct GRADUS_API BleuScore {
  double score = 0;                ///< 0 to 100
  std::vector<int64_t> counts;     ///< n-grams of the hypotheses that a reference has too, by order, before smoothing
  std::vector<int64_t> totals;     ///< n-grams of the hypotheses
  std::vector<double> precisions;  ///< in percent, after smoothing
  double bp = 0;                   ///< the brevity penalty, 0 to 1
  int64_t sys_len = 0;             ///< tokens of the hypotheses
  int64_t ref_len = 0;             ///< tokens of the references that are closest in length
  /// How it was computed, to be reported with it: `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:gradus-0.1.0`.
  std::string signature;

  /// As sacreBLEU prints it: `BLEU|SIGNATURE = 48.53 82.4/50.0/45.5/37.5 (BP = 0.943 …)`, with `width` decimals.
  std::string str(int width = 2) const;
};

/// BLEU of a corpus (Papineni and others, "BLEU: a Method for Automatic Evaluation of Machine Translation", 2002) with sacreBLEU 2's
/// tokenizers, smoothing, numbers and signature:
///
/// 100 bp exp(1/N sum_{n=1..N} ln p_n), p_n = matches / n-grams of the hypotheses, added up over the corpus before they are divided, where
/// an n-gram matches as often as the reference that has it most often; bp = exp(1 - ref_len / sys_len) where the hypotheses are shorter,
/// and 1 otherwise.
///
/// `references[i]` are those of `hypotheses[i]`, one or more; sacreBLEU's lists are by reference and then by sentence. Texts are plain
/// sentences, not tokenized. Throws ShapeError when there are not as many lists of references as hypotheses, ValueError when there are no
/// sentences or none of a sentence's references, when an option is out of range or a text is not valid UTF-8.
GRADUS_API BleuScore corpus_bleu(const std::vector<std::string>& hypotheses, const std::vector<std::vector<std::string>>& references,
                                 const BleuOptions& options = {});
/// The same with one reference each.
GRADUS_API BleuScore corpus_bleu(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references,
                                 const BleuOptions& options = {});

/// The same of one sentence, with effective_order where it is not given.
GRADUS_API BleuScore sentence_bleu(std::string_view hypothesis, const std::vector<std::string>& references,
                                   const BleuOptions& options = {});

/// The tokens that corpus_bleu() counts. Throws ValueError when the text is not valid UTF-8.
GRADUS_API std::vector<std::string> tokenize_for_bleu(std::string_view text, BleuTokenizer tokenizer = BleuTokenizer::V13a);

}  // namespace gradus::text
