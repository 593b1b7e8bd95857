#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gradus::text {

/// Lets a table whose keys are strings be searched for a view.
struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
};
template <class Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

/// Words or tokens and how often each occurs, in the order of their first occurrence.
class Counts {
 public:
  void add(std::string_view word) {
    const auto found = places_.find(word);
    if (found != places_.end()) return void(++words_[found->second].second);
    places_.emplace(word, words_.size());
    words_.emplace_back(word, 1);
  }
  const std::vector<std::pair<std::string, int64_t>>& all() const noexcept { return words_; }

 private:
  TextMap<size_t> places_;
  std::vector<std::pair<std::string, int64_t>> words_;
};

}  // namespace gradus::text
