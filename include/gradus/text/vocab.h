#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gradus/export.h"

namespace gradus::text {

/// What a Vocab takes in.
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

  /// Writes the tokens to a text file, one a line in the order of their indices, the first `<unk>`; in a token `\\`, `\n` and `\r` stand
  /// for a backslash, a line feed and a carriage return. The file takes the place of an old one when it is whole and on the disk. Throws
  /// ValueError when a token is not valid UTF-8 or there is none, as in a vocabulary that was moved from; IoError with the path when it
  /// cannot be written.
  void save(const std::string& path) const;
  /// Reads such a file. A byte-order mark, CR LF line ends and a last line without its end are accepted; an empty line is the empty token.
  /// Throws IoError with the path, and with the line where it is one's fault: when the file cannot be read or is empty, the first token is
  /// not `<unk>`, a token is there twice, has another escape or is not valid UTF-8.
  static Vocab load(const std::string& path);

  int64_t size() const noexcept { return static_cast<int64_t>(tokens_.size()); }
  /// Whether the token has an index of its own.
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

}  // namespace gradus::text
