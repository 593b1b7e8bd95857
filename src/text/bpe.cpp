#include "gradus/text/bpe.h"

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <new>
#include <set>
#include <shared_mutex>
#include <utility>

#include "core/check.h"
#include "core/file.h"
#include "core/quoted.h"
#include "core/thread_pool.h"
#include "gradus/text/utf8.h"
#include "text/added_tokens.h"
#include "text/bpe_model.h"
#include "text/bpe_trainer.h"
#include "text/counts.h"
#include "text/pre_tokenizer.h"
#include "text/replace_all.h"
#include "text/tokenizer_json.h"
#include "text/utf8.h"

namespace gradus::text {
namespace {

using Tokens = std::vector<int32_t>;

/// The indices of words that were met before. Locks are tried and never waited for: without one a text has its own words alone, also in a
/// child process that inherits a lock that nobody will give back.
class WordCache {
  using Words = TextMap<Tokens>;

 public:
  /// What one text looks up and adds. The lock is taken once for all its words, which come to the others at the end.
  class Visit {
   public:
    explicit Visit(WordCache& cache) : cache_(cache), lock_(cache.mutex_, std::try_to_lock) {}
    ~Visit() {
      if (lock_) lock_.unlock();
      if (!own_.empty()) cache_.add(own_);
    }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

    /// Null where the word is new.
    const Tokens* find(std::string_view word) const {
      if (lock_)
        if (const auto found = cache_.words_.find(word); found != cache_.words_.end()) return &found->second;
      const auto found = own_.find(word);
      return found == own_.end() ? nullptr : &found->second;
    }
    void keep(std::string_view word, const Tokens& tokens) {
      if (word.size() <= kLongest && own_.size() < kMost) own_.emplace(word, tokens);
    }

   private:
    WordCache& cache_;
    std::shared_lock<std::shared_mutex> lock_;
    Words own_;
  };

 private:
  static constexpr size_t kMost = 1 << 16, kLongest = 256;

  void add(Words& words) noexcept {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || words_.size() + words.size() > kMost) return;
    try {
      words_.merge(words);
    } catch (const std::bad_alloc&) {  // the text is encoded all the same
    }
  }

  std::shared_mutex mutex_;
  Words words_;
};

/// check_utf8() of one of several texts.
void check_text(const char* op, size_t i, std::string_view text) {
  if (!is_valid_utf8(text)) check_utf8(fmt::format("{}: text {}", op, i), text);
}

/// The text with U+FFFD for each sequence of bytes that begins as UTF-8 does and does not end so, and for each other byte that breaks it.
std::string replace_invalid(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const size_t valid = valid_utf8_bytes(bytes);
    text += bytes.substr(0, valid);
    bytes.remove_prefix(valid);
    if (bytes.empty()) break;
    text += "\uFFFD";
    bytes.remove_prefix(broken_utf8_bytes(bytes));
  }
  return text;
}

/// The bytes that a token names; a token with other characters stands for its own.
std::string bytes_of(std::string_view token) {
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    const Decoded next = decode_first(token.substr(at));
    const auto byte = byte_named(next.code_point);
    if (!byte) return std::string(token);
    bytes += static_cast<char>(*byte);
    at += next.bytes;
  }
  return bytes;
}

std::string join(const DecoderOptions& decoder, const std::vector<const std::string*>& tokens) {
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::string part = *tokens[i];
    switch (decoder.type) {
      case Decoder::None:
        if (i > 0) text += ' ';
        break;
      case Decoder::ByteLevel: part = bytes_of(part); break;
      case Decoder::BPEDecoder: replace_all(part, decoder.suffix, i + 1 == tokens.size() ? "" : " "); break;
      case Decoder::Metaspace: replace_all(part, kMetaspace, i == 0 && decoder.prepend_scheme != PrependScheme::Never ? "" : " "); break;
    }
    text += part;
  }
  return decoder.type == Decoder::ByteLevel ? replace_invalid(text) : text;
}

}  // namespace

class BPE::Impl {
 public:
  Impl(const std::string& place, TokenizerParts parts)
      : pre_tokenizer(parts.pre_tokenizer),
        decoder(std::move(parts.decoder)),
        added(std::move(parts.added)),
        model(place + ": /model", std::move(parts.vocab), std::move(parts.merges), std::move(parts.options),
              pre_tokenizer.type == PreTokenizer::ByteLevel) {
    const auto set = [&](int32_t id, const std::string& token) {
      if (tokens.size() <= static_cast<size_t>(id)) tokens.resize(static_cast<size_t>(id) + 1);
      tokens[static_cast<size_t>(id)] = &token;
    };
    for (const auto& [token, id] : model.vocab()) set(id, token);
    for (const AddedToken& token : added.all()) set(token.id, token.content);
  }

  /// Of valid UTF-8.
  std::vector<int64_t> encode(std::string_view text) const {
    std::vector<int64_t> ids;
    Tokens of_word;
    WordCache::Visit known(cache);
    added.for_each_part(text, [&](std::string_view part, int32_t id) {
      if (id >= 0) return ids.push_back(id);
      for_each_word(pre_tokenizer, part, part.data() == text.data(), [&](std::string_view word) {
        const Tokens* tokens_of_word = known.find(word);
        if (!tokens_of_word) {
          of_word.clear();
          model.encode_word(word, of_word);
          known.keep(word, of_word);
          tokens_of_word = &of_word;
        }
        ids.insert(ids.end(), tokens_of_word->begin(), tokens_of_word->end());
      });
    });
    return ids;
  }

  /// Null where the index has no token.
  const std::string* token(int64_t id) const noexcept {
    return id >= 0 && id < static_cast<int64_t>(tokens.size()) ? tokens[static_cast<size_t>(id)] : nullptr;
  }
  const std::string& token_at(const char* op, std::span<const int64_t> ids, size_t i) const {
    const std::string* const found = token(ids[i]);
    check<IndexError>(found != nullptr, "{}: index {} at [{}] has no token; there are {}", op, ids[i], i, tokens.size());
    return *found;
  }

  PreTokenizerOptions pre_tokenizer;
  DecoderOptions decoder;
  AddedTokens added;
  BPEModel model;
  std::vector<const std::string*> tokens;  // by index, null in holes
  mutable WordCache cache;
};

BPE::BPE(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
BPE::~BPE() = default;
BPE::BPE(const BPE& other) = default;
BPE& BPE::operator=(const BPE& other) = default;

namespace {

void check_options(const BPETrainOptions& options) {
  check<ValueError>(options.vocab_size >= 0, "BPE::train: vocab_size is {}; it must be 0 or more", options.vocab_size);
  constexpr int64_t most = 1 << 30;
  check<ValueError>(options.vocab_size <= most, "BPE::train: vocab_size is {}; at most {} are possible", options.vocab_size, most);
  check<ValueError>(options.min_frequency >= 0, "BPE::train: min_frequency is {}; 0 and 1 merge all pairs", options.min_frequency);
  std::set<std::string> names;
  for (const std::string& token : options.special_tokens) {
    check_utf8("BPE::train", token);
    check<ValueError>(!token.empty(), "BPE::train: a special token is empty");
    check<ValueError>(names.insert(token).second, "BPE::train: the special token {} is given twice", gradus::quoted(token));
  }
  check<ValueError>(!options.unk_token || names.contains(*options.unk_token),
                    "BPE::train: unk_token {} is not among the special tokens; add it there",
                    gradus::quoted(options.unk_token.value_or("")));
  check<ValueError>(options.unk_token || !options.fuse_unk, "BPE::train: fuse_unk is of no use without an unk_token");
  check_utf8("BPE::train", options.continuing_subword_prefix);
  check_utf8("BPE::train", options.end_of_word_suffix);
  const bool prepends = options.pre_tokenizer == PreTokenizer::Metaspace || options.pre_tokenizer == PreTokenizer::ByteLevel;
  check<ValueError>(!options.prepend_scheme || prepends, "BPE::train: prepend_scheme is for the pre-tokenizers Metaspace and ByteLevel");
  check<ValueError>(options.pre_tokenizer != PreTokenizer::ByteLevel || options.prepend_scheme != PrependScheme::First,
                    "BPE::train: ByteLevel knows Always and Never of prepend_scheme");
}

PreTokenizerOptions pre_tokenizer_of(const BPETrainOptions& options) {
  const bool is_metaspace = options.pre_tokenizer == PreTokenizer::Metaspace;
  return {.type = options.pre_tokenizer,
          .prepend_scheme = options.prepend_scheme.value_or(is_metaspace ? PrependScheme::Always : PrependScheme::Never)};
}

DecoderOptions decoder_of(const BPETrainOptions& options, PrependScheme scheme) {
  if (options.pre_tokenizer == PreTokenizer::ByteLevel) return {.type = Decoder::ByteLevel};
  if (options.pre_tokenizer == PreTokenizer::Metaspace) return {.type = Decoder::Metaspace, .prepend_scheme = scheme};
  if (options.end_of_word_suffix.empty()) return {};
  return {.type = Decoder::BPEDecoder, .suffix = options.end_of_word_suffix};
}

}  // namespace

BPE BPE::train(std::span<const std::string> texts, const BPETrainOptions& options) {
  check_options(options);
  TokenizerParts parts;
  parts.pre_tokenizer = pre_tokenizer_of(options);
  parts.decoder = decoder_of(options, parts.pre_tokenizer.prepend_scheme);
  Counts words;
  for (size_t i = 0; i < texts.size(); ++i) {
    check_text("BPE::train", i, texts[i]);
    for_each_word(parts.pre_tokenizer, texts[i], true, [&](std::string_view word) { words.add(word); });
  }
  Learnt learnt = learn_merges(words, options);
  for (const std::string& token : options.special_tokens)
    parts.added.push_back({.id = learnt.vocab.at(token), .content = token, .special = true});
  parts.vocab = std::move(learnt.vocab);
  parts.merges = std::move(learnt.merges);
  parts.options = {.unk_token = options.unk_token,
                   .continuing_subword_prefix = options.continuing_subword_prefix,
                   .end_of_word_suffix = options.end_of_word_suffix,
                   .fuse_unk = options.fuse_unk};
  return BPE(std::make_shared<const Impl>("BPE::train", std::move(parts)));
}

BPE BPE::train(std::initializer_list<std::string> texts, const BPETrainOptions& options) {
  return train(std::span<const std::string>(texts.begin(), texts.size()), options);
}

BPE BPE::load(const std::string& path) {
  constexpr uint64_t most = uint64_t{64} << 20;
  const InputFile file("BPE::load", path);
  file.check(file.size() <= most, "has {} bytes; a tokenizer.json may have {}", file.size(), most);
  std::string text(static_cast<size_t>(file.size()), '\0');
  file.read_at(0, text.data(), text.size());
  const std::string place = "BPE::load: " + path;
  return BPE(std::make_shared<const Impl>(place, parse_tokenizer(place, text)));
}

BPE BPE::from_str(std::string_view json, const std::string& name) {
  const std::string place = "BPE::from_str: " + name;
  return BPE(std::make_shared<const Impl>(place, parse_tokenizer(place, json)));
}

std::string BPE::to_str() const { return write_tokenizer(impl_->pre_tokenizer, impl_->decoder, impl_->added.all(), impl_->model); }

void BPE::save(const std::string& path) const {
  const std::string text = to_str();
  AtomicFile file("BPE::save", path);
  file.write(text.data(), text.size());
  file.commit();
}

std::vector<int64_t> BPE::encode(std::string_view text) const {
  check_utf8("BPE::encode", text);
  return impl_->encode(text);
}

std::vector<std::vector<int64_t>> BPE::encode_batch(std::span<const std::string> texts) const {
  std::vector<std::vector<int64_t>> all(texts.size());
  constexpr int64_t texts_a_piece = 16;
  parallel_for(static_cast<int64_t>(texts.size()), texts_a_piece, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      check_text("BPE::encode_batch", i, texts[i]);
      all[i] = impl_->encode(texts[i]);
    }
  });
  return all;
}

std::string BPE::decode(std::span<const int64_t> ids, bool skip_special_tokens) const {
  std::vector<const std::string*> tokens;
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string& token = impl_->token_at("BPE::decode", ids, i);
    const AddedToken* const added = impl_->added.find(ids[i]);
    if (!(skip_special_tokens && added && added->special)) tokens.push_back(&token);
  }
  return join(impl_->decoder, tokens);
}

std::string BPE::decode(std::initializer_list<int64_t> ids, bool skip_special_tokens) const {
  return decode(std::span<const int64_t>(ids.begin(), ids.size()), skip_special_tokens);
}

std::optional<int64_t> BPE::token_to_id(std::string_view token) const {
  for (const AddedToken& added : impl_->added.all())
    if (added.content == token) return added.id;
  const auto found = impl_->model.vocab().find(token);
  return found == impl_->model.vocab().end() ? std::optional<int64_t>() : found->second;
}

const std::string& BPE::id_to_token(int64_t id) const {
  const std::string* const found = impl_->token(id);
  check<IndexError>(found != nullptr, "BPE::id_to_token: index {} has no token; there are {}", id, vocab_size());
  return *found;
}

std::vector<std::string> BPE::to_tokens(std::span<const int64_t> ids) const {
  std::vector<std::string> tokens;
  for (size_t i = 0; i < ids.size(); ++i) tokens.push_back(impl_->token_at("BPE::to_tokens", ids, i));
  return tokens;
}

int64_t BPE::vocab_size() const noexcept { return static_cast<int64_t>(impl_->tokens.size()); }

}  // namespace gradus::text
