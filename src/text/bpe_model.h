#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/counts.h"
#include "text/pair_map.h"

namespace gradus::text {

/// The printable character by which byte-level BPE names each byte: itself where it is visible in Latin-1, and U+0100 on for the others.
char32_t name_of_byte(unsigned char byte) noexcept;
/// The byte of such a name; nothing for other characters.
std::optional<unsigned char> byte_named(char32_t c) noexcept;
/// The names of bytes, as UTF-8.
std::string named_bytes(std::string_view bytes);

using TokenIndex = TextMap<int32_t>;

/// What a model is told; the names are those of tokenizer.json.
struct BPEModelOptions {
  std::optional<std::string> unk_token;
  std::string continuing_subword_prefix;
  std::string end_of_word_suffix;
  bool fuse_unk = false;
  bool ignore_merges = false;
};

/// A vocabulary and merges, which make indices of words.
class BPEModel {
 public:
  using Merges = std::vector<TokenPair>;

  /// Merges in the order in which they were learnt; each makes a token of the vocabulary. `words_are_bytes`: encode_word gets bytes, whose
  /// names are the characters of tokens. Throws IoError that starts with `place` on a merge that makes no token, or an unk_token that is
  /// none.
  BPEModel(const std::string& place, TokenIndex vocab, Merges merges, BPEModelOptions options, bool words_are_bytes);

  /// Adds the indices of a word's tokens to a list.
  void encode_word(std::string_view word, std::vector<int32_t>& to) const;

  const TokenIndex& vocab() const noexcept { return vocab_; }
  const Merges& merges() const noexcept { return merges_; }
  const BPEModelOptions& options() const noexcept { return options_; }

 private:
  struct Merge {
    int32_t rank, token;
  };
  static constexpr int32_t kNone = -1;

  void check_merges(const std::string& place);
  void make_tables();
  void append_characters(std::string_view word, std::vector<int32_t>& to) const;
  int32_t find(std::string_view token) const;
  int32_t find_character(std::string_view character, bool is_first, bool is_last) const;
  void merge(std::vector<int32_t>& symbols) const;

  TokenIndex vocab_;
  Merges merges_;
  BPEModelOptions options_;
  bool words_are_bytes_;
  int32_t unknown_ = kNone;
  PairMap<Merge> merge_of_;
  std::array<int32_t, 256> of_byte_{};  // of a byte, or of an ASCII character
};

}  // namespace gradus::text
