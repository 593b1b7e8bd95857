#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gradus/export.h"

namespace gradus::text {

/// How a text is cut into words, within which BPE merges. The names and rules are those of Hugging Face's tokenizers.
enum class PreTokenizer {
  None,             ///< the text is one word
  Whitespace,       ///< runs of word characters, and runs of what is neither that nor white space (`\w+|[^\w\s]+`); white space is lost
  WhitespaceSplit,  ///< what stands between white space, which is lost
  ByteLevel,        ///< GPT-2's pattern, which keeps white space; characters are bytes, each under a printable name (a space is `Ġ`)
  Metaspace,        ///< at spaces, each kept as a `▁` that begins the next word
};

/// How the tokens become a text again.
enum class Decoder {
  None,        ///< joined by spaces
  ByteLevel,   ///< the bytes that they name; what is no UTF-8 becomes U+FFFD
  BPEDecoder,  ///< the end of each word, end_of_word_suffix or `</w>`, becomes a space
  Metaspace,   ///< `▁` becomes a space
};

/// When PreTokenizer::Metaspace puts a `▁` before a text that does not begin with one, or ByteLevel a space.
enum class PrependScheme {
  Always,  ///< also behind each special token
  First,   ///< at the beginning of the text only; Metaspace alone knows it
  Never,
};

/// How BPE::train learns, and what the tokenizer that it gives does with text.
struct BPETrainOptions {
  /// The size at which training ends. Special tokens and single characters are there whatever it is.
  int64_t vocab_size = 30000;
  /// Pairs that occur less often are not merged.
  int64_t min_frequency = 0;
  /// Tokens that get the first indices, are never cut, and are left out by decode().
  std::vector<std::string> special_tokens = {};
  PreTokenizer pre_tokenizer = PreTokenizer::ByteLevel;
  /// For Metaspace and ByteLevel; not given, Metaspace has Always and ByteLevel Never, as GPT-2.
  std::optional<PrependScheme> prepend_scheme = {};
  /// What stands for characters that the vocabulary lacks; it must be among the special tokens. Without it such characters are dropped.
  std::optional<std::string> unk_token = {};
  /// Whether several unknown characters that follow each other are one unk_token.
  bool fuse_unk = false;
  /// What begins each token of a word but the first, such as `##`.
  std::string continuing_subword_prefix = {};
  /// What ends the last token of a word, such as `</w>`.
  std::string end_of_word_suffix = {};
};

/// Byte-pair encoding (Sennrich and others, "Neural Machine Translation of Rare Words with Subword Units", 2016; on bytes as in Radford and
/// others, "Language Models are Unsupervised Multitask Learners", 2019): a word begins as characters, of which the pair that was learnt
/// first is merged, and again, until no pair is known.
///
/// Files, names, indices and merges are those of Hugging Face's tokenizers: a `tokenizer.json` is read and written with the same meaning. A
/// BPE does not change; copies share what they hold, and may be used by several threads.
class GRADUS_API BPE {
 public:
  /// Learns merges from texts: the pair of tokens that follow each other most often within words becomes a token, and so on. Of equally
  /// frequent pairs the one with the smaller indices comes first. ByteLevel begins with all 256 bytes, so that nothing is ever unknown;
  /// otherwise the alphabet is that of the texts, in the order of code points. Throws ValueError when vocab_size or min_frequency is
  /// negative, a special token is empty or given twice, unk_token is not among them, an option does not fit the pre-tokenizer, or a text is
  /// not valid UTF-8.
  static BPE train(std::span<const std::string> texts, const BPETrainOptions& options = {});
  static BPE train(std::initializer_list<std::string> texts, const BPETrainOptions& options = {});

  /// Reads a `tokenizer.json` with a model of type BPE; one of the pre-tokenizers Whitespace, WhitespaceSplit, ByteLevel, Metaspace, or
  /// none; one of the decoders ByteLevel, BPEDecoder, Metaspace, or none; added tokens; and of post-processors ByteLevel alone, which has
  /// no effect on indices. Throws IoError with the path and the place in it on anything else that would change what a text becomes:
  /// normalizers, dropout, byte fallback, truncation, padding, other models, and names that are not known; and when the file cannot be
  /// read, is larger than 64 MiB, is not valid JSON or contradicts itself.
  static BPE load(const std::string& path);
  /// The same from the text of such a file; `name` stands for it in messages.
  static BPE from_str(std::string_view json, const std::string& name = "tokenizer.json");

  /// Writes a `tokenizer.json`, which takes the place of an old file when it is whole and on the disk. Throws IoError when it cannot.
  void save(const std::string& path) const;
  /// The text of such a file.
  std::string to_str() const;

  /// The indices of a text's tokens. Special tokens in it are taken as such. Throws ValueError, with the place, when it is not valid UTF-8.
  std::vector<int64_t> encode(std::string_view text) const;
  /// encode() of each text, on all threads. Throws ValueError that names the text as well.
  std::vector<std::vector<int64_t>> encode_batch(std::span<const std::string> texts) const;

  /// The text of tokens. Throws IndexError, with the place, when an index has no token.
  std::string decode(std::span<const int64_t> ids, bool skip_special_tokens = true) const;
  std::string decode(std::initializer_list<int64_t> ids, bool skip_special_tokens = true) const;

  /// The token's index; nothing where there is no such token.
  std::optional<int64_t> token_to_id(std::string_view token) const;
  /// Throws IndexError when the index has no token.
  const std::string& id_to_token(int64_t id) const;
  /// id_to_token() of each. Throws IndexError, with the place, when an index has no token.
  std::vector<std::string> to_tokens(std::span<const int64_t> ids) const;

  /// The largest index and 1: the rows that an embedding needs.
  int64_t vocab_size() const noexcept;

  // Without moves, which are copies then: one that was moved from can still be used.
  ~BPE();
  BPE(const BPE& other);
  BPE& operator=(const BPE& other);

 private:
  class Impl;
  explicit BPE(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace gradus::text
