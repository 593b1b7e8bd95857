#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gradus/export.h"

namespace gradus::text {

/// The chapter's preprocessing of a sentence: no-break spaces (U+00A0, U+202F) become spaces, letters lower case, and a space is put before
/// each of `,.!?` that is not the first character and does not follow a space: `Va, Jo!` becomes `va , jo !`.
/// Throws ValueError, with the place, when the text is not valid UTF-8.
GRADUS_API std::string preprocess(std::string_view text);

/// The words between ASCII spaces. Unlike Python's `split(' ')`, which gives empty tokens for leading, trailing and repeated spaces, this
/// drops them. No other character splits: preprocess() makes spaces of the no-break ones.
GRADUS_API std::vector<std::string> tokenize(std::string_view text);

/// The characters of a text as readers see them, spaces among them: the extended grapheme clusters of Unicode 16.0 (Unicode Standard Annex
/// #29). A combining mark, a vowel sign, a variation selector, an emoji's modifier and what a zero width joiner joins stay with their base;
/// so do the letters of a Hangul syllable, two regional indicators (a flag), consonants that a virama joins, and CR LF.
/// `"e\u0301 \U0001F44D\U0001F3FD"` has three. Concatenated they are the text. Throws ValueError, with the place, when the text is not
/// valid UTF-8.
GRADUS_API std::vector<std::string> tokenize_characters(std::string_view text);

/// How tokenize_words cuts.
struct WordOptions {
  /// Whether each Chinese character (of the script Han) is a token. Without, as many as follow each other are one.
  bool split_han = true;
};

/// The words, numbers, punctuation marks and symbols of a text, without the white space between them:
///
/// - Letters, marks, digits and `_` that follow each other are one token. Chinese characters are apart from them: `用GPU算` is `用`, `GPU`,
///   `算`. Scripts that are written without spaces and are not Han (Thai, Japanese kana) stay whole.
/// - An apostrophe (`'` or `’`) between two letters that are not Chinese, and `.` or `,` between two digits are part of the token: `don't`,
///   `3.14`, `1,000`.
/// - Everything else, full-width punctuation (`。，！？；：“”‘’（）《》、…`) like any, is a token of its own, one grapheme cluster each.
///
/// Case is kept: see lower(). Throws ValueError, with the place, when the text is not valid UTF-8.
GRADUS_API std::vector<std::string> tokenize_words(std::string_view text, const WordOptions& options = {});

}  // namespace gradus::text
