#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gradus/text/bpe.h"
#include "text/bpe_model.h"

namespace gradus::text {

/// Words and how often each occurs, in the order of their first occurrence.
class WordCounts {
 public:
  void add(std::string_view word) {
    const auto found = places_.find(word);
    if (found != places_.end()) return void(++words_[found->second].second);
    places_.emplace(word, words_.size());
    words_.emplace_back(word, 1);
  }
  const std::vector<std::pair<std::string, int64_t>>& all() const noexcept { return words_; }

 private:
  std::unordered_map<std::string, size_t, TextHash, std::equal_to<>> places_;
  std::vector<std::pair<std::string, int64_t>> words_;
};

/// A vocabulary and the merges that make it.
struct Learnt {
  TokenIndex vocab;
  BPEModel::Merges merges;
};

/// Learns merges from words, which are bytes where the pre-tokenizer is ByteLevel and UTF-8 otherwise.
Learnt learn_merges(const WordCounts& words, const BPETrainOptions& options);

}  // namespace gradus::text
