#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <ranges>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "gradus/export.h"

namespace gradus::text {

/// How a prediction is aligned with its target: which of the target's tokens are kept, replaced and left out, and how many were put in.
struct EditCounts {
  int64_t matches = 0;
  int64_t substitutions = 0;
  int64_t insertions = 0;  // tokens that the prediction has and the target has not
  int64_t deletions = 0;   // tokens of the target that the prediction lacks

  int64_t distance() const noexcept { return substitutions + insertions + deletions; }
  EditCounts& operator+=(const EditCounts& other) noexcept {
    matches += other.matches;
    substitutions += other.substitutions;
    insertions += other.insertions;
    deletions += other.deletions;
    return *this;
  }
  bool operator==(const EditCounts&) const = default;
};

/// Sequences whose elements can be compared. Text is none: it is compared by code points, not by bytes.
template <class A, class B>
concept ComparableSequences = std::ranges::random_access_range<const A> && std::ranges::random_access_range<const B> &&
                              !std::is_convertible_v<const A&, std::string_view> &&
                              !std::is_convertible_v<const B&, std::string_view> && requires(const A& a, const B& b) {
  static_cast<bool>(*std::ranges::begin(a) == *std::ranges::begin(b));
};

/// The fewest substitutions, insertions and deletions of one token each that make the target of the prediction (Levenshtein, "Binary codes
/// capable of correcting deletions, insertions, and reversals", 1966), counted by kind. Of several alignments with as few edits it is one
/// with the fewest insertions and deletions, so the most substitutions. For any sequences whose elements compare with ==: lists of words,
/// of indices, spans. It takes time in the product of the lengths, and memory in the target's.
template <class A, class B>
requires ComparableSequences<A, B> EditCounts edit_counts(const A& prediction, const B& target) {
  const auto rows = static_cast<int64_t>(std::ranges::ssize(prediction)), columns = static_cast<int64_t>(std::ranges::ssize(target));
  // A substitution costs one edit, an insertion or deletion a little more, which all of them together do not add up to an edit.
  const int64_t edit = rows + columns + 1;
  std::vector<int64_t> cost(static_cast<size_t>(columns) + 1);  // of what was read of the prediction and the target's first j tokens
  for (size_t j = 1; j < cost.size(); ++j) cost[j] = cost[j - 1] + edit + 1;
  for (auto token = std::ranges::begin(prediction); token != std::ranges::end(prediction); ++token) {
    int64_t diagonal = std::exchange(cost[0], cost[0] + edit + 1);
    auto expected = std::ranges::begin(target);
    for (size_t j = 1; j < cost.size(); ++j, ++expected) {
      const int64_t changed = std::exchange(diagonal, cost[j]) + (static_cast<bool>(*token == *expected) ? 0 : edit);
      const int64_t shifted = (cost[j] < cost[j - 1] ? cost[j] : cost[j - 1]) + edit + 1;
      cost[j] = changed < shifted ? changed : shifted;
    }
  }
  const int64_t distance = cost.back() / edit, shifts = cost.back() % edit;
  EditCounts counts;
  counts.insertions = (shifts + rows - columns) / 2;
  counts.deletions = shifts - counts.insertions;
  counts.substitutions = distance - shifts;
  counts.matches = rows - counts.insertions - counts.substitutions;
  return counts;
}

/// The same for texts, by code points. Throws ValueError, with the place, when one is not valid UTF-8.
GRADUS_API EditCounts edit_counts(std::string_view prediction, std::string_view target);

/// The number of edits: edit_counts(prediction, target).distance().
template <class A, class B>
requires ComparableSequences<A, B> int64_t edit_distance(const A& prediction, const B& target) {
  return edit_counts(prediction, target).distance();
}

/// The same for texts, by code points: `edit_distance("été", "ete")` is 2. Throws ValueError, with the place, when one is not valid UTF-8.
GRADUS_API int64_t edit_distance(std::string_view prediction, std::string_view target);

/// The edits of a corpus.
struct ErrorRate {
  EditCounts edits;
  int64_t reference_length = 0;  // tokens in the references that counted
  int64_t sequences = 0;
  int64_t wrong_sequences = 0;  // those that equal none of their references

  /// Edits by tokens of the references, which is above 1 where many tokens are put in. Where the references have no tokens it is infinite,
  /// and NaN without edits.
  double rate() const noexcept { return static_cast<double>(edits.distance()) / static_cast<double>(reference_length); }
  /// The share of sequences that are not right. In grapheme-to-phoneme conversion this is the word error rate (WER), and rate() the phoneme
  /// error rate (PER). NaN for no sequences.
  double sequence_rate() const noexcept { return static_cast<double>(wrong_sequences) / static_cast<double>(sequences); }
};

/// The edits between each prediction and its reference, added up over the corpus: for words of a sentence the word error rate (WER), for
/// phonemes of a word the phoneme error rate (PER). Throws ShapeError when there are not as many references as predictions.
GRADUS_API ErrorRate error_rate(const std::vector<std::vector<std::string>>& predictions,
                                const std::vector<std::vector<std::string>>& references);

/// The same where each prediction has several references, such as the pronunciations of a word: the nearest counts, the one with the lowest
/// share of edits by its length, and of equals the first. Throws ShapeError when there are not as many lists of references as predictions,
/// ValueError when one is empty.
GRADUS_API ErrorRate error_rate(const std::vector<std::vector<std::string>>& predictions,
                                const std::vector<std::vector<std::vector<std::string>>>& references);

/// error_rate() of the words between white space, as torchmetrics and jiwer compute it without further preparation: the sum of edits by the
/// sum of the references' words. White space is Python's. Throws ShapeError when there are not as many references as predictions,
/// ValueError when a text is not valid UTF-8.
GRADUS_API double word_error_rate(const std::vector<std::string>& predictions, const std::vector<std::string>& references);

/// The same of code points, white space among them.
GRADUS_API double character_error_rate(const std::vector<std::string>& predictions, const std::vector<std::string>& references);

}  // namespace gradus::text
