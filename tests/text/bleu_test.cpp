#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "gradus/error.h"
#include "gradus/text/bleu.h"

namespace {

using gradus::text::bleu;

/// The chapter's definition, by crossing out: each n-gram of the prediction takes the first equal one of the target that is left.
double naive_bleu(const std::vector<std::string>& prediction, const std::vector<std::string>& target, size_t k) {
  const auto ngrams = [](const std::vector<std::string>& tokens, size_t n) {
    std::vector<std::string> all;
    for (size_t i = 0; i + n <= tokens.size(); ++i) {
      std::string joined;
      for (size_t j = 0; j < n; ++j) joined += tokens[i + j] + ' ';
      all.push_back(joined);
    }
    return all;
  };
  double log_score = std::min(0.0, 1 - double(target.size()) / double(prediction.size()));
  for (size_t n = 1; n <= std::min(k, prediction.size()); ++n) {
    std::vector<std::string> left = ngrams(target, n);
    const std::vector<std::string> all = ngrams(prediction, n);
    int matches = 0;
    for (const std::string& ngram : all) {
      const auto found = std::find(left.begin(), left.end(), ngram);
      if (found == left.end()) continue;
      left.erase(found);
      ++matches;
    }
    if (matches == 0) return 0;
    log_score += std::log(double(matches) / double(all.size())) * std::pow(0.5, double(n));
  }
  return std::exp(log_score);
}

std::string join(const std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += (text.empty() ? "" : " ") + token;
  return text;
}

TEST_CASE("bleu of a perfect translation is 1") {
  CHECK(bleu("va !", "va !", 2) == 1);
  CHECK(bleu("je suis chez moi .", "je suis chez moi .", 4) == 1);
  CHECK(bleu("va", "va", 1) == 1);
}

TEST_CASE("bleu follows the chapter's formula") {
  // Target A B C D E F, prediction A B B C D: p_1 = 4/5, p_2 = 3/4, p_3 = 1/3, and a prediction one token short.
  const double p1 = std::pow(4.0 / 5, 0.5), p2 = std::pow(3.0 / 4, 0.25), p3 = std::pow(1.0 / 3, 0.125), brevity = std::exp(1 - 6.0 / 5);
  CHECK(bleu("A B B C D", "A B C D E F", 1) == doctest::Approx(brevity * p1).epsilon(1e-14));
  CHECK(bleu("A B B C D", "A B C D E F", 2) == doctest::Approx(brevity * p1 * p2).epsilon(1e-14));
  CHECK(bleu("A B B C D", "A B C D E F", 3) == doctest::Approx(brevity * p1 * p2 * p3).epsilon(1e-14));
  CHECK(bleu("A B B C D", "A B C D E F", 4) == 0);
  // Computed with the chapter's Python code.
  CHECK(bleu("il est mouillé .", "il est calme .", 2) == doctest::Approx(0.6580370064762462).epsilon(1e-14));
  CHECK(bleu("je suis chez moi qui .", "je suis chez moi .", 2) == doctest::Approx(0.8034284189446518).epsilon(1e-14));
}

TEST_CASE("bleu counts each n-gram of the target once") {
  CHECK(bleu("the the the the", "the cat", 1) == doctest::Approx(std::sqrt(0.25)));
  CHECK(bleu("the the the the", "the cat the", 1) == doctest::Approx(std::sqrt(0.5)));
}

TEST_CASE("bleu punishes short predictions alone") {
  CHECK(bleu("a", "a b c", 1) == doctest::Approx(std::exp(-2.0)));
  CHECK(bleu("a b c", "a", 1) == doctest::Approx(std::sqrt(1.0 / 3)));
}

TEST_CASE("bleu of a prediction with fewer than k tokens compares the n-grams that it has") {
  CHECK(bleu("va", "va", 4) == 1);
  CHECK(bleu("a b", "a b c", 1'000'000'000) == bleu("a b", "a b c", 2));
}

TEST_CASE("bleu is 0 when nothing matches or a side is empty") {
  CHECK(bleu("a b", "c d", 2) == 0);
  CHECK(bleu("a c b", "a b c", 2) == 0);
  CHECK(bleu("", "va !", 2) == 0);
  CHECK(bleu("  ", "va !", 2) == 0);
  CHECK(bleu("va !", "", 2) == 0);
  CHECK(bleu("", "", 2) == 0);
}

TEST_CASE("bleu does not mind extra spaces") { CHECK(bleu(" va  ! ", "va !", 2) == 1); }

TEST_CASE("bleu refuses k below 1") {
  CHECK_THROWS_WITH_AS(bleu("a", "a", 0), "bleu: k is 0; it must be 1 or more, the length of the longest n-grams to compare",
                       gradus::ValueError);
  CHECK_THROWS_AS(bleu("", "", -1), gradus::ValueError);
}

TEST_CASE("bleu agrees with a naive version on random sentences") {
  uint32_t state = 1;
  const auto draw = [&](uint32_t below) { return (state = state * 1664525 + 1013904223, state >> 16) % below; };
  int above_zero = 0;
  for (int trial = 0; trial < 500; ++trial) {
    std::vector<std::string> prediction(1 + draw(12)), target(1 + draw(12));
    for (auto& token : prediction) token = std::string(1, static_cast<char>('a' + draw(3)));
    for (auto& token : target) token = std::string(1, static_cast<char>('a' + draw(3)));
    const int k = 1 + static_cast<int>(draw(4));
    const double expected = naive_bleu(prediction, target, static_cast<size_t>(k));
    CAPTURE(join(prediction));
    CAPTURE(join(target));
    CHECK(bleu(join(prediction), join(target), k) == doctest::Approx(expected).epsilon(1e-12));
    above_zero += expected > 0;
  }
  CHECK(above_zero > 200);
}

}  // namespace
