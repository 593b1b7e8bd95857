#include "text/bpe_model.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "core/check.h"
#include "core/quoted.h"
#include "text/utf8.h"

namespace gradus::text {
namespace {

constexpr bool is_its_own_name(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

constexpr auto kNames = [] {
  std::array<char32_t, 256> names{};
  char32_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) names[byte] = is_its_own_name(byte) ? static_cast<char32_t>(byte) : next++;
  return names;
}();
constexpr char32_t kNamesEnd = 0x100 + 68;  // so many bytes have other names

constexpr auto kBytes = [] {
  std::array<int16_t, kNamesEnd> bytes{};
  for (int16_t& byte : bytes) byte = -1;
  for (int16_t byte = 0; byte < 256; ++byte) bytes[kNames[static_cast<size_t>(byte)]] = byte;
  return bytes;
}();

/// A merge that may be done: of the symbol at `at` and its neighbour.
struct Candidate {
  int32_t rank, at, token;
  /// Puts the merge that was learnt first, and of those the leftmost, on top of a heap.
  friend bool operator<(const Candidate& a, const Candidate& b) noexcept { return a.rank != b.rank ? a.rank > b.rank : a.at > b.at; }
};

struct Symbol {
  int32_t token;  // -1 when it was merged into the one before it
  int32_t previous, next;
};

}  // namespace

char32_t name_of_byte(unsigned char byte) noexcept { return kNames[byte]; }

std::optional<unsigned char> byte_named(char32_t c) noexcept {
  if (c >= kNamesEnd || kBytes[c] < 0) return {};
  return static_cast<unsigned char>(kBytes[c]);
}

std::string named_bytes(std::string_view bytes) {
  std::string names;
  for (char byte : bytes) append_utf8(names, name_of_byte(static_cast<unsigned char>(byte)));
  return names;
}

BPEModel::BPEModel(const std::string& place, TokenIndex vocab, Merges merges, BPEModelOptions options, bool words_are_bytes)
    : vocab_(std::move(vocab)), merges_(std::move(merges)), options_(std::move(options)), words_are_bytes_(words_are_bytes) {
  if (options_.unk_token) {
    unknown_ = find(*options_.unk_token);
    check<IoError>(unknown_ != kNone, "{}/unk_token: the token {} is not in the vocabulary", place, gradus::quoted(*options_.unk_token));
  }
  check_merges(place);
  make_tables();
}

void BPEModel::check_merges(const std::string& place) {
  std::unordered_map<int32_t, std::string_view> tokens;
  for (const auto& [token, id] : vocab_) tokens[id] = token;
  for (size_t i = 0; i < merges_.size(); ++i) {
    const std::string_view left = tokens.at(merges_[i].left);
    std::string_view right = tokens.at(merges_[i].right);
    const std::string& prefix = options_.continuing_subword_prefix;
    check<IoError>(right.starts_with(prefix), "{}/merges/{}: the token {} does not begin with the continuing_subword_prefix {}", place, i,
                   gradus::quoted(right), gradus::quoted(prefix));
    right.remove_prefix(prefix.size());
    const std::string merged = std::string(left) + std::string(right);
    const int32_t token = find(merged);
    check<IoError>(token != kNone, "{}/merges/{}: makes the token {}, which is not in the vocabulary", place, i, gradus::quoted(merged));
    merge_of_[merges_[i]] = {static_cast<int32_t>(i), token};
  }
}

void BPEModel::make_tables() {
  of_byte_.fill(kNone);
  if (!options_.continuing_subword_prefix.empty() || !options_.end_of_word_suffix.empty()) return;
  for (unsigned byte = 0; byte < (words_are_bytes_ ? 256U : 128U); ++byte) {
    const char character = static_cast<char>(byte);
    of_byte_[byte] = find(words_are_bytes_ ? named_bytes({&character, 1}) : std::string(1, character));
  }
}

int32_t BPEModel::find(std::string_view token) const {
  const auto found = vocab_.find(token);
  return found == vocab_.end() ? kNone : found->second;
}

int32_t BPEModel::find_character(std::string_view character, bool is_first, bool is_last) const {
  if (character.size() == 1)
    if (const int32_t token = of_byte_[static_cast<unsigned char>(character[0])]; token != kNone) return token;
  std::string token = is_first ? "" : options_.continuing_subword_prefix;
  token += words_are_bytes_ ? named_bytes(character) : character;
  if (is_last) token += options_.end_of_word_suffix;
  return find(token);
}

void BPEModel::append_characters(std::string_view word, std::vector<int32_t>& to) const {
  bool was_unknown = false;
  for (size_t at = 0; at < word.size();) {
    const size_t bytes = words_are_bytes_ ? 1 : decode_first(word.substr(at)).bytes;
    const int32_t token = find_character(word.substr(at, bytes), at == 0, at + bytes == word.size());
    if (token != kNone) to.push_back(token);
    else if (unknown_ != kNone && !(was_unknown && options_.fuse_unk)) to.push_back(unknown_);
    was_unknown = token == kNone;
    at += bytes;
  }
}

void BPEModel::merge(std::vector<int32_t>& tokens) const {
  const auto count = static_cast<int32_t>(tokens.size());
  std::vector<Symbol> symbols(tokens.size());
  std::vector<Candidate> heap;
  const auto offer = [&](int32_t left, int32_t right) {
    const Merge* const merge = merge_of_.find({symbols[static_cast<size_t>(left)].token, symbols[static_cast<size_t>(right)].token});
    if (merge) heap.push_back({merge->rank, left, merge->token});
    return merge != nullptr;
  };
  for (int32_t i = 0; i < count; ++i) symbols[static_cast<size_t>(i)] = {tokens[static_cast<size_t>(i)], i - 1, i + 1};
  for (int32_t i = 0; i + 1 < count; ++i) offer(i, i + 1);
  std::make_heap(heap.begin(), heap.end());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const Candidate top = heap.back();
    heap.pop_back();
    Symbol& left = symbols[static_cast<size_t>(top.at)];
    if (left.token == kNone || left.next == count) continue;
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    // What was offered may have been merged with others meanwhile.
    const Merge* const merge = merge_of_.find({left.token, right.token});
    if (!merge || merge->token != top.token) continue;
    left.token = top.token;
    left.next = right.next;
    right.token = kNone;
    if (left.next < count) symbols[static_cast<size_t>(left.next)].previous = top.at;
    if (left.previous >= 0 && offer(left.previous, top.at)) std::push_heap(heap.begin(), heap.end());
    if (left.next < count && offer(top.at, left.next)) std::push_heap(heap.begin(), heap.end());
  }
  size_t kept = 0;
  for (int32_t at = 0; at < count; at = symbols[static_cast<size_t>(at)].next) tokens[kept++] = symbols[static_cast<size_t>(at)].token;
  tokens.resize(kept);
}

void BPEModel::encode_word(std::string_view word, std::vector<int32_t>& to) const {
  if (options_.ignore_merges)
    if (const int32_t token = words_are_bytes_ ? find(named_bytes(word)) : find(word); token != kNone) return to.push_back(token);
  std::vector<int32_t> tokens;
  append_characters(word, tokens);
  if (tokens.size() > 1) merge(tokens);
  to.insert(to.end(), tokens.begin(), tokens.end());
}

}  // namespace gradus::text
