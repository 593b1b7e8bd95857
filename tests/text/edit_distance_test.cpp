#include "gradus/text/edit_distance.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gradus/error.h"

namespace {

using gradus::text::edit_counts;
using gradus::text::edit_distance;
using gradus::text::EditCounts;
using gradus::text::error_rate;
using gradus::text::ErrorRate;
using Tokens = std::vector<std::string>;
using Corpus = std::vector<Tokens>;

/// Levenshtein's definition, without a table.
int64_t naive_distance(std::span<const int> a, std::span<const int> b) {
  if (a.empty() || b.empty()) return static_cast<int64_t>(a.size() + b.size());
  const int64_t changed = naive_distance(a.subspan(1), b.subspan(1)) + (a[0] == b[0] ? 0 : 1);
  return std::min({changed, naive_distance(a.subspan(1), b) + 1, naive_distance(a, b.subspan(1)) + 1});
}

TEST_CASE("edit_distance of texts counts code points, not bytes") {
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("été", "ete") == 2);
  CHECK(edit_distance("漢字", "漢") == 1);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance(std::string("sunday"), "saturday") == 3);
}

TEST_CASE("edit_distance takes any sequences whose elements compare") {
  const Tokens a{"the", "cat", "sat"}, b{"the", "dog", "sat", "down"};
  CHECK(edit_distance(a, b) == 2);
  const std::vector<int64_t> indices{1, 2, 3};
  const std::array<int, 2> others{1, 3};
  CHECK(edit_distance(indices, others) == 1);
  CHECK(edit_distance(std::span<const int64_t>(indices).subspan(1), others) == 1);
}

TEST_CASE("edit_counts tells substitutions, insertions and deletions apart") {
  CHECK(edit_counts("kitten", "sitting") == EditCounts{.matches = 4, .substitutions = 2, .insertions = 0, .deletions = 1});
  CHECK(edit_counts("abcd", "abc") == EditCounts{.matches = 3, .insertions = 1});
  CHECK(edit_counts("abc", "abcd") == EditCounts{.matches = 3, .deletions = 1});
  CHECK(edit_counts("", "ab") == EditCounts{.deletions = 2});
  // ab to ba takes two edits: two substitutions, or an insertion and a deletion. The former count.
  CHECK(edit_counts("ab", "ba") == EditCounts{.substitutions = 2});
}

TEST_CASE("edit_counts agrees with the definition, and its counts fit the lengths") {
  uint32_t state = 1;
  const auto draw = [&](uint32_t below) { return (state = state * 1664525 + 1013904223, state >> 16) % below; };
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<int> a(draw(7)), b(draw(7));
    for (int& x : a) x = static_cast<int>(draw(3));
    for (int& x : b) x = static_cast<int>(draw(3));
    const EditCounts counts = edit_counts(a, b);
    CHECK(counts.distance() == naive_distance(a, b));
    CHECK(counts.matches + counts.substitutions + counts.insertions == static_cast<int64_t>(a.size()));
    CHECK(counts.matches + counts.substitutions + counts.deletions == static_cast<int64_t>(b.size()));
    CHECK(std::min({counts.matches, counts.substitutions, counts.insertions, counts.deletions}) >= 0);
  }
}

TEST_CASE("error_rate adds edits and lengths up over the corpus") {
  const Corpus predictions{{"K", "AE", "T"}, {"D", "AO", "G", "Z"}, {}}, references{{"K", "AE", "T"}, {"D", "AA", "G"}, {"AH"}};
  const ErrorRate rate = error_rate(predictions, references);
  CHECK(rate.edits == EditCounts{.matches = 5, .substitutions = 1, .insertions = 1, .deletions = 1});
  CHECK(rate.reference_length == 7);
  CHECK(rate.rate() == doctest::Approx(3.0 / 7));
  CHECK(rate.sequences == 3);
  CHECK(rate.wrong_sequences == 2);
  CHECK(rate.sequence_rate() == doctest::Approx(2.0 / 3));
}

TEST_CASE("error_rate takes the nearest of several references") {
  const Corpus predictions{{"a", "b"}, {"a", "b", "c"}};
  const std::vector<Corpus> references{{{"x", "y"}, {"a", "b"}}, {{"a"}, {"a", "b", "x", "y"}}};
  const ErrorRate rate = error_rate(predictions, references);
  CHECK(rate.wrong_sequences == 1);
  CHECK(rate.edits.distance() == 2);  // of both 2; that is half of four tokens, twice one token
  CHECK(rate.reference_length == 2 + 4);
}

TEST_CASE("error_rate of nothing is not a number") {
  CHECK(std::isnan(error_rate(Corpus{}, Corpus{}).rate()));
  CHECK(std::isnan(error_rate(Corpus{}, Corpus{}).sequence_rate()));
  CHECK(error_rate(Corpus{{"a"}}, Corpus{{}}).edits.insertions == 1);
}

TEST_CASE("error_rate refuses lists of different lengths and a prediction without references") {
  CHECK_THROWS_WITH_AS(error_rate(Corpus{{"a"}}, Corpus{}), "error_rate: 1 predictions and 0 references; each prediction needs its own",
                       gradus::ShapeError);
  CHECK_THROWS_WITH_AS(error_rate(Corpus{{"a"}}, std::vector<Corpus>{{}}),
                       "error_rate: prediction 0 has no references; it needs one at least", gradus::ValueError);
}

TEST_CASE("word_error_rate and character_error_rate are those of torchmetrics' examples") {
  // torchmetrics.functional.text: WordErrorRate and CharErrorRate, the documented example.
  const Tokens predictions{"this is the prediction", "there is an other sample"},
      references{"this is the reference", "there is another one"};
  CHECK(gradus::text::word_error_rate(predictions, references) == 0.5);
  CHECK(gradus::text::character_error_rate(predictions, references) == doctest::Approx(0.3415).epsilon(1e-4));
  CHECK(gradus::text::word_error_rate({" a\t b\u3000c\n"}, {"a b c"}) == 0);
  CHECK(gradus::text::word_error_rate({"a\x1C b"}, {"a b"}) == 0);  // white space to Python's str.split, though not to Unicode
  CHECK(std::isinf(gradus::text::word_error_rate({"a"}, {" "})));
  CHECK(std::isnan(gradus::text::word_error_rate({""}, {" "})));
  CHECK_THROWS_WITH_AS(gradus::text::word_error_rate({"a"}, {"a", "b"}),
                       "word_error_rate: 1 predictions and 2 references; each prediction needs its own", gradus::ShapeError);
  CHECK_THROWS_AS(gradus::text::character_error_rate({"\xFF"}, {"a"}), gradus::ValueError);
}

}  // namespace
