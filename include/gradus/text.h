#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gradus/export.h"

/// From sentences to token indices and back: UTF-8, the tokenizer and the vocabulary of the translation chapters of Dive into Deep
/// Learning (d2l.ai), files of sentence pairs, and BLEU. All text is UTF-8 in `std::string`.
namespace gradus::text {

/// Whether `text` is well-formed UTF-8: no cut or overlong sequences, no surrogates, nothing above U+10FFFF. A NUL byte is valid.
GRADUS_API bool is_valid_utf8(std::string_view text) noexcept;

/// `text` in lower case, as Python's `str.lower`, for Latin (ASCII, Latin-1, Extended-A, U+0200 to U+021F of Extended-B, Extended
/// Additional), Greek (U+0370 to U+03FF) and Cyrillic (U+0400 to U+052F); other code points stay as they are. As in Python, `İ` becomes an
/// `i` with a combining dot, and a `Σ` that ends a word becomes `ς`.
/// Throws ValueError, with the place, when the text is not valid UTF-8.
GRADUS_API std::string lower(std::string_view text);

/// The chapter's preprocessing of a sentence: no-break spaces (U+00A0, U+202F) become spaces, letters lower case, and a space is put before
/// each of `,.!?` that is not the first character and does not follow a space: `Va, Jo!` becomes `va , jo !`.
/// Throws ValueError, with the place, when the text is not valid UTF-8.
GRADUS_API std::string preprocess(std::string_view text);

/// The words between ASCII spaces. Unlike Python's `split(' ')`, which gives empty tokens for leading, trailing and repeated spaces, this
/// drops them. No other character splits: preprocess() makes spaces of the no-break ones.
GRADUS_API std::vector<std::string> tokenize(std::string_view text);

struct VocabOptions {
  /// Tokens that occur less often are left out; 0 and 1 keep all.
  int64_t min_freq = 1;
  /// Tokens that get the first indices after `<unk>`, whether they occur or not.
  std::vector<std::string> reserved_tokens = {};
};

/// The tokens of a corpus, numbered: `<unk>` is 0, then come the reserved tokens in their order, then the tokens that occur at least
/// `min_freq` times, the frequent ones first and equally frequent ones in the order of their first occurrence. An `<unk>` or a reserved
/// token in the corpus keeps its own index. Copies are independent; one that was moved from holds nothing.
class GRADUS_API Vocab {
 public:
  /// Holds `<unk>` alone.
  Vocab();
  /// Counts the tokens of all sentences.
  /// Throws ValueError when `min_freq` is negative or a reserved token is given twice or is `<unk>`.
  explicit Vocab(const std::vector<std::vector<std::string>>& sentences, const VocabOptions& options = {});
  /// The same for one sequence of tokens.
  explicit Vocab(std::span<const std::string> tokens, const VocabOptions& options = {});
  /// The same for tokens written in place: `Vocab({"a", "b", "a"})`.
  explicit Vocab(std::initializer_list<const char*> tokens, const VocabOptions& options = {});

  /// The vocabulary with exactly these tokens, such as another one's tokens() that were saved: each token's index is its place.
  /// Throws ValueError when the first is not `<unk>` or a token is given twice.
  static Vocab from_tokens(std::vector<std::string> tokens);

  int64_t size() const noexcept { return static_cast<int64_t>(tokens_.size()); }
  bool contains(std::string_view token) const { return indices_.find(token) != indices_.end(); }

  /// The token's index; 0, the index of `<unk>`, when it is not in the vocabulary.
  int64_t index(std::string_view token) const;
  int64_t operator[](std::string_view token) const { return index(token); }

  /// The token at an index. Throws IndexError when the index is negative or not below size().
  const std::string& token(int64_t index) const;
  const std::string& operator[](int64_t index) const { return token(index); }

  /// index() of each token.
  std::vector<int64_t> to_indices(const std::vector<std::string>& tokens) const;
  /// token() of each index. Throws IndexError, with the place, when one is out of range.
  std::vector<std::string> to_tokens(const std::vector<int64_t>& indices) const;

  /// All tokens in the order of their indices.
  const std::vector<std::string>& tokens() const noexcept { return tokens_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view token) const noexcept { return std::hash<std::string_view>()(token); }
  };

  bool add(const std::string& token);

  std::vector<std::string> tokens_;
  std::unordered_map<std::string, int64_t, Hash, std::equal_to<>> indices_;
};

/// How close a translation is to its target, from 0 to 1, as d2l.ai's chapter on sequence to sequence learning defines it:
/// exp(min(0, 1 - len_target / len_prediction)) * prod_{n=1..k} p_n^(1/2^n), where p_n is the share of the prediction's n-grams that are
/// found in the target, each of the target's n-grams serving once. Both texts are split by tokenize().
/// The product ends at the prediction's length, as in the chapter's later edition: a prediction that has fewer than n tokens has no
/// n-grams. An empty prediction scores 0. Throws ValueError when k is below 1.
GRADUS_API double bleu(std::string_view prediction, std::string_view target, int k);

/// A sentence and its translation.
struct Pair {
  std::string source;
  std::string target;
};

/// Reads sentence pairs from text with one pair a line: source, a tab, target. A byte-order mark, CR LF line ends, blank lines and further
/// columns (the attribution in files from manythings.org) are accepted and dropped; the sentences are kept as they are. Stops after
/// `limit` pairs, -1 for all, and does not look at what follows. `name` stands for the text in messages.
/// Throws IoError that starts with `name:line:` on a line without a tab, with an empty side, with a NUL byte or a carriage return inside,
/// of more than 1 MiB, or that is not valid UTF-8; ValueError when `limit` is below -1.
GRADUS_API std::vector<Pair> parse_pairs(std::string_view text, const std::string& name, int64_t limit = -1);

/// parse_pairs() on a file or a pipe, which is read no further than needed. Throws IoError with the path and the system's reason as well,
/// when it cannot be opened or read.
GRADUS_API std::vector<Pair> read_pairs(const std::string& path, int64_t limit = -1);

}  // namespace gradus::text
