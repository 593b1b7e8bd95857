#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/function_ref.h"

namespace gradus::text {

/// A token that is found in a text before the pre-tokenizer sees it; the names are those of tokenizer.json.
struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool single_word = false;  // not within a word
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space behind it
  bool normalized = false;   // is looked for when the others were found
  bool special = false;      // left out by decode()
};

class AddedTokens {
 public:
  explicit AddedTokens(std::vector<AddedToken> tokens);

  const std::vector<AddedToken>& all() const noexcept { return tokens_; }
  /// Null where the index is none of an added token.
  const AddedToken* find(int64_t id) const noexcept;

  /// Calls visit for each part of the text, which is valid UTF-8: with the token's index where it is an added token, and -1 for what lies
  /// between. Of several tokens that begin at a place the longest counts.
  void for_each_part(std::string_view text, FunctionRef<void(std::string_view part, int32_t id)> visit) const;

 private:
  /// The tokens that begin with each byte, long ones first.
  using ByFirstByte = std::array<std::vector<const AddedToken*>, 256>;

  static const AddedToken* match(const ByFirstByte& tokens, std::string_view text, size_t at);
  static void split(const ByFirstByte& tokens, std::string_view text, FunctionRef<void(std::string_view part, int32_t id)> visit);

  std::vector<AddedToken> tokens_;
  std::unordered_map<int64_t, size_t> places_;
  std::array<bool, 2> has_ = {false, false};  // tokens that are not normalized, and tokens that are
  std::array<ByFirstByte, 2> by_first_byte_;

 public:
  AddedTokens(const AddedTokens&) = delete;
  AddedTokens& operator=(const AddedTokens&) = delete;
};

}  // namespace gradus::text
