#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

/// What BLEU and chrF count.
namespace gradus::text {

/// Numbers the n-grams of a few sentences that are compared: equal ones get equal numbers. An n-gram is the one that is a token shorter,
/// and the last token.
class NGramNumbers {
 public:
  /// For each order from 1 to `most` the sorted numbers of all n-grams of a sequence.
  template <class Sequence>
  std::vector<std::vector<int64_t>> sorted(const Sequence& tokens, size_t most);

  int64_t of_token(char32_t c) const { return static_cast<int64_t>(c); }
  int64_t of_token(std::string_view token) {
    return words_.try_emplace(std::string(token), static_cast<int64_t>(words_.size())).first->second;
  }

 private:
  struct Hash {
    size_t operator()(const std::pair<int64_t, int64_t>& x) const noexcept {
      uint64_t mixed = static_cast<uint64_t>(x.first) * 0x9E3779B97F4A7C15U + static_cast<uint64_t>(x.second);
      mixed = (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93U;
      return static_cast<size_t>(mixed ^ mixed >> 32);
    }
  };

  static void sort(std::vector<int64_t>& numbers);

  std::unordered_map<std::string, int64_t> words_;
  std::vector<std::unordered_map<std::pair<int64_t, int64_t>, int64_t, Hash>> longer_;  // by order, from 2 on
};

template <class Sequence>
std::vector<std::vector<int64_t>> NGramNumbers::sorted(const Sequence& tokens, size_t most) {
  if (longer_.size() + 1 < most) longer_.resize(most - 1);
  std::vector<std::vector<int64_t>> all(most);
  std::vector<int64_t> singles, current;
  for (const auto& token : tokens) singles.push_back(of_token(token));
  current = singles;
  for (size_t n = 1; n <= most && n <= singles.size(); ++n) {
    if (n > 1) {
      current.pop_back();
      auto& numbers = longer_[n - 2];
      for (size_t i = 0; i < current.size(); ++i)
        current[i] = numbers.try_emplace({current[i], singles[i + n - 1]}, static_cast<int64_t>(numbers.size())).first->second;
    }
    all[n - 1] = current;
    sort(all[n - 1]);
  }
  return all;
}

/// How many of the n-grams are found in one of the others, each as often as in that one of them where it is most frequent. All are sorted.
int64_t count_matches(const std::vector<int64_t>& ngrams, const std::vector<const std::vector<int64_t>*>& others);

/// What str.isspace of Python takes for white space.
bool is_python_space(char32_t c) noexcept;

/// str.split of Python.
std::vector<std::u32string_view> python_split(std::u32string_view text);

/// Checks what corpus scores have in common: a list of references, which is not empty, for each hypothesis.
void check_references(const char* op, size_t hypotheses, const std::vector<std::vector<std::string>>& references);

/// "nrefs:" and the number of references, or "var".
std::string reference_count(const std::vector<std::vector<std::string>>& references);

/// A list of one for each.
std::vector<std::vector<std::string>> each_alone(const std::vector<std::string>& references);

}  // namespace gradus::text
