#include "gradus/text/edit_distance.h"

#include <unordered_map>

#include "core/check.h"
#include "text/ngrams.h"
#include "text/utf8.h"

namespace gradus::text {
namespace {

using Words = std::vector<std::string>;

void check_sizes(const char* op, size_t predictions, size_t references) {
  check<ShapeError>(predictions == references, "{}: {} predictions and {} references; each prediction needs its own", op, predictions,
                    references);
}

/// Numbers tokens, so that comparing two is quick.
class Numbering {
 public:
  std::vector<int32_t> operator()(const Words& tokens) {
    std::vector<int32_t> numbers;
    numbers.reserve(tokens.size());
    for (const std::string& token : tokens)
      numbers.push_back(numbers_.try_emplace(token, static_cast<int32_t>(numbers_.size())).first->second);
    return numbers;
  }

 private:
  std::unordered_map<std::string_view, int32_t> numbers_;
};

/// Whether a, of a reference with a_length tokens, has a lower share of edits than b. Without tokens the number of edits counts.
bool is_nearer(const EditCounts& a, int64_t a_length, const EditCounts& b, int64_t b_length) {
  if (a_length == 0 || b_length == 0) return a.distance() < b.distance();
  return a.distance() * b_length < b.distance() * a_length;
}

/// Adds a prediction to the totals; `reference(i)` is the i-th of its references.
template <class Reference>
void add(ErrorRate& total, const Words& prediction, size_t references, const Reference& reference) {
  Numbering number;
  const std::vector<int32_t> predicted = number(prediction);
  EditCounts nearest;
  int64_t length = 0;
  bool is_right = false;
  for (size_t i = 0; i < references; ++i) {
    const std::vector<int32_t> expected = number(reference(i));
    const EditCounts counts = edit_counts(predicted, expected);
    is_right = is_right || counts.distance() == 0;
    const auto expected_length = static_cast<int64_t>(expected.size());
    if (i > 0 && !is_nearer(counts, expected_length, nearest, length)) continue;
    nearest = counts;
    length = expected_length;
  }
  total.edits += nearest;
  total.reference_length += length;
  total.sequences += 1;
  total.wrong_sequences += is_right ? 0 : 1;
}

Words words_of(const char* op, const std::string& text) {
  Words words;
  const std::u32string code_points = decode_utf8(op, text);
  for (const std::u32string_view word : python_split(code_points)) words.push_back(encode_utf8(word));
  return words;
}

/// The rate of the whole corpus, of texts that `split` makes sequences of.
template <class Split>
double rate_of_texts(const char* op, const Words& predictions, const Words& references, const Split& split) {
  check_sizes(op, predictions.size(), references.size());
  ErrorRate total;
  for (size_t i = 0; i < predictions.size(); ++i) {
    const auto expected = split(op, references[i]);
    total.edits += edit_counts(split(op, predictions[i]), expected);
    total.reference_length += static_cast<int64_t>(expected.size());
  }
  return total.rate();
}

/// Code points in a container that is no text, so that they are compared as they are.
std::vector<char32_t> code_points_of(const char* op, std::string_view text) {
  const std::u32string code_points = decode_utf8(op, text);
  return {code_points.begin(), code_points.end()};
}

}  // namespace

EditCounts edit_counts(std::string_view prediction, std::string_view target) {
  return edit_counts(code_points_of("edit_counts", prediction), code_points_of("edit_counts", target));
}

int64_t edit_distance(std::string_view prediction, std::string_view target) {
  return edit_distance(code_points_of("edit_distance", prediction), code_points_of("edit_distance", target));
}

ErrorRate error_rate(const std::vector<Words>& predictions, const std::vector<Words>& references) {
  check_sizes("error_rate", predictions.size(), references.size());
  ErrorRate total;
  for (size_t i = 0; i < predictions.size(); ++i) add(total, predictions[i], 1, [&](size_t) -> const Words& { return references[i]; });
  return total;
}

ErrorRate error_rate(const std::vector<Words>& predictions, const std::vector<std::vector<Words>>& references) {
  check_sizes("error_rate", predictions.size(), references.size());
  for (size_t i = 0; i < references.size(); ++i)
    check<ValueError>(!references[i].empty(), "error_rate: prediction {} has no references; it needs one at least", i);
  ErrorRate total;
  for (size_t i = 0; i < predictions.size(); ++i)
    add(total, predictions[i], references[i].size(), [&](size_t j) -> const Words& { return references[i][j]; });
  return total;
}

double word_error_rate(const std::vector<std::string>& predictions, const std::vector<std::string>& references) {
  return rate_of_texts("word_error_rate", predictions, references, words_of);
}

double character_error_rate(const std::vector<std::string>& predictions, const std::vector<std::string>& references) {
  return rate_of_texts("character_error_rate", predictions, references, code_points_of);
}

}  // namespace gradus::text
