#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gradus/export.h"

namespace gradus::text {

/// How chrF is computed; the defaults are sacreBLEU's.
struct ChrfOptions {
  /// The longest n-grams of characters.
  int64_t char_order = 6;
  /// The longest n-grams of words; 0 for chrF, 2 for chrF++.
  int64_t word_order = 0;
  /// Recall counts beta times as much as precision.
  int64_t beta = 2;
  /// Whether case does not matter, by lower().
  bool lowercase = false;
  /// Whether white space counts among the characters.
  bool whitespace = false;
  /// Whether orders without n-grams count as 1e-16, as in chrF++.py, Moses and NLTK. Otherwise they are left out of the mean.
  bool eps_smoothing = false;
};

/// chrF in percent.
struct GRADUS_API ChrfScore {
  double score = 0;  ///< 0 to 100
  std::string name;  ///< chrF2, or chrF2++ with words
  /// How it was computed, to be reported with it: `nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:gradus-0.1.0`.
  std::string signature;

  /// As sacreBLEU prints it: `chrF2|SIGNATURE = 59.73`, with `width` decimals.
  std::string str(int width = 2) const;
};

/// chrF of a corpus, the F-score of character n-grams (Popović, "chrF: character n-gram F-score for automatic MT evaluation", 2015), and
/// with words chrF++ (Popović, "chrF++: words helping character n-grams", 2017), with sacreBLEU 2's numbers and signature:
///
/// 100 (1 + beta^2) P R / (beta^2 P + R), P and R the means over all orders of matches by n-grams of the hypotheses and of the references,
/// added up over the corpus before they are divided. Of several references a sentence takes the one that it scores best with.
///
/// Characters are code points. Of a word that ends or begins with a punctuation mark of ASCII that one is split off. `references[i]` are
/// those of `hypotheses[i]`, one or more. Throws ShapeError when there are not as many lists of references as hypotheses, ValueError when
/// there are no sentences or none of a sentence's references, when an option is negative or both orders are 0, or when a text is not valid
/// UTF-8.
GRADUS_API ChrfScore corpus_chrf(const std::vector<std::string>& hypotheses, const std::vector<std::vector<std::string>>& references,
                                 const ChrfOptions& options = {});
/// The same with one reference each.
GRADUS_API ChrfScore corpus_chrf(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references,
                                 const ChrfOptions& options = {});

/// The same of one sentence.
GRADUS_API ChrfScore sentence_chrf(std::string_view hypothesis, const std::vector<std::string>& references,
                                   const ChrfOptions& options = {});

}  // namespace gradus::text
