#include "text/bpe_trainer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/pair_map.h"
#include "text/utf8.h"

namespace gradus::text {
namespace {

using Symbols = std::vector<int32_t>;

/// A pair that may be merged, and the words that have it, as far as they were not named before.
struct PairOffer {
  int64_t count;
  TokenPair pair;
  std::vector<int32_t> words;
  /// Puts the most frequent, and of equals the one with the smaller indices, on top of a heap.
  friend bool operator<(const PairOffer& a, const PairOffer& b) noexcept {
    return a.count != b.count ? a.count < b.count : b.pair < a.pair;
  }
};

/// How a pair's count changes where a word changes.
struct Change {
  TokenPair pair;
  int64_t by;
};

/// Merges a pair wherever a word has it, and tells what that does to pairs. The count of the pair itself stays, as Hugging Face has it:
/// where two pairs make the same token, indices depend on it.
void merge_in(Symbols& word, TokenPair pair, int32_t token, std::vector<Change>& changes) {
  size_t kept = 0;
  for (size_t i = 0; i < word.size(); ++i) {
    if (i + 1 == word.size() || word[i] != pair.left || word[i + 1] != pair.right) {
      word[kept++] = word[i];
      continue;
    }
    if (kept > 0) {
      changes.push_back({{word[kept - 1], pair.left}, -1});
      changes.push_back({{word[kept - 1], token}, 1});
    }
    if (i + 2 < word.size()) {
      changes.push_back({{pair.right, word[i + 2]}, -1});
      changes.push_back({{token, word[i + 2]}, 1});
    }
    word[kept++] = token;
    ++i;
  }
  word.resize(kept);
}

class Trainer {
 public:
  Trainer(const Counts& words, const BPETrainOptions& options)
      : words_(words), options_(options), words_are_bytes_(options.pre_tokenizer == PreTokenizer::ByteLevel) {}

  Learnt learn() {
    for (const std::string& token : options_.special_tokens) index_of(token);
    add_alphabet();
    add_words();
    count_pairs();
    while (size() < options_.vocab_size && !heap_.empty())
      if (!merge_next()) break;
    Learnt learnt{.vocab = {}, .merges = without_repeats()};
    for (size_t i = 0; i < tokens_.size(); ++i) learnt.vocab.emplace(tokens_[i], static_cast<int32_t>(i));
    return learnt;
  }

 private:
  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }

  /// The token's index, a new one where it has none.
  int32_t index_of(const std::string& token) {
    const auto [entry, is_new] = indices_.try_emplace(token, static_cast<int32_t>(tokens_.size()));
    if (is_new) tokens_.push_back(token);
    return entry->second;
  }

  /// The characters of a word, as they stand in tokens.
  std::vector<std::string> characters_of(std::string_view word) const {
    std::vector<std::string> characters;
    for (size_t at = 0, bytes = 0; at < word.size(); at += bytes) {
      bytes = words_are_bytes_ ? 1 : decode_first(word.substr(at)).bytes;
      characters.push_back(words_are_bytes_ ? named_bytes(word.substr(at, 1)) : std::string(word.substr(at, bytes)));
    }
    return characters;
  }

  /// All characters in the order of their code points, which is that of their UTF-8.
  void add_alphabet() {
    std::set<std::string> alphabet;
    if (words_are_bytes_)
      for (unsigned byte = 0; byte < 256; ++byte) {
        const char character = static_cast<char>(byte);
        alphabet.insert(named_bytes({&character, 1}));
      }
    else
      for (const auto& [word, count] : words_.all())
        for (std::string& character : characters_of(word)) alphabet.insert(std::move(character));
    for (const std::string& character : alphabet) index_of(character);
  }

  void add_words() {
    for (const auto& [word, count] : words_.all()) {
      const std::vector<std::string> characters = characters_of(word);
      Symbols symbols;
      for (size_t i = 0; i < characters.size(); ++i)
        symbols.push_back(index_of((i > 0 ? options_.continuing_subword_prefix : "") + characters[i] +
                                   (i + 1 == characters.size() ? options_.end_of_word_suffix : "")));
      symbols_.push_back(std::move(symbols));
    }
  }

  void count_pairs() {
    for (size_t w = 0; w < symbols_.size(); ++w)
      for (size_t i = 1; i < symbols_[w].size(); ++i) note({symbols_[w][i - 1], symbols_[w][i]}, words_.all()[w].second, w);
    offer_noted();
  }

  /// Counts a pair of a word that has not been offered yet.
  void note(TokenPair pair, int64_t count, size_t word) {
    counts_[pair] += count;
    int32_t& place = places_[pair];
    if (place == 0) {
      noted_.push_back({0, pair, {}});
      place = static_cast<int32_t>(noted_.size());
    }
    std::vector<int32_t>& words = noted_[static_cast<size_t>(place - 1)].words;
    if (words.empty() || words.back() != static_cast<int32_t>(word)) words.push_back(static_cast<int32_t>(word));
  }

  void offer_noted() {
    for (PairOffer& candidate : noted_) {
      places_[candidate.pair] = 0;
      candidate.count = counts_[candidate.pair];
      if (candidate.count <= 0) continue;
      heap_.push_back(std::move(candidate));
      std::push_heap(heap_.begin(), heap_.end());
    }
    noted_.clear();
  }

  /// Merges the most frequent pair; false when none is frequent enough.
  bool merge_next() {
    std::pop_heap(heap_.begin(), heap_.end());
    PairOffer top = std::move(heap_.back());
    heap_.pop_back();
    if (const int64_t count = counts_[top.pair]; count != top.count) {
      top.count = count;  // other merges took some of it
      heap_.push_back(std::move(top));
      std::push_heap(heap_.begin(), heap_.end());
      return true;
    }
    if (top.count < 1 || top.count < options_.min_frequency) return false;
    std::string_view right = tokens_[static_cast<size_t>(top.pair.right)];
    if (right.starts_with(options_.continuing_subword_prefix)) right.remove_prefix(options_.continuing_subword_prefix.size());
    const int32_t token = index_of(tokens_[static_cast<size_t>(top.pair.left)] + std::string(right));
    merges_.push_back(top.pair);
    std::vector<Change> changes;
    for (int32_t w : top.words) {
      const auto word = static_cast<size_t>(w);
      changes.clear();
      merge_in(symbols_[word], top.pair, token, changes);
      for (const Change& change : changes) {
        const int64_t by = change.by * words_.all()[word].second;
        if (by > 0) note(change.pair, by, word);
        else counts_[change.pair] += by;
      }
    }
    offer_noted();
    return true;
  }

  /// A pair that was merged twice, since another pair made the same token meanwhile, has the later place.
  BPEModel::Merges without_repeats() const {
    PairMap<size_t> last;
    for (size_t i = 0; i < merges_.size(); ++i) last[merges_[i]] = i;
    BPEModel::Merges kept;
    for (size_t i = 0; i < merges_.size(); ++i)
      if (*last.find(merges_[i]) == i) kept.push_back(merges_[i]);
    return kept;
  }

  const Counts& words_;
  const BPETrainOptions& options_;
  bool words_are_bytes_;
  std::vector<std::string> tokens_;
  TokenIndex indices_;
  std::vector<Symbols> symbols_;  // of each word
  PairMap<int64_t> counts_;
  PairMap<int32_t> places_;  // 1 and the place in noted_; 0 where a pair is not noted
  std::vector<PairOffer> noted_, heap_;
  BPEModel::Merges merges_;
};

}  // namespace

Learnt learn_merges(const Counts& words, const BPETrainOptions& options) { return Trainer(words, options).learn(); }

}  // namespace gradus::text
