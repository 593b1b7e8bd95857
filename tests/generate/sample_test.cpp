#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <utility>
#include <variant>

#include "generate/prefix_model.h"
#include "gradus/error.h"
#include "gradus/generate.h"
#include "gradus/random.h"

using namespace generate_test;
using generate::SampleOptions;

namespace {

const Values some_logits{0.5, -1, 2, 1.5, 0, -0.5, 2};

/// Draws one token for each of `count` rows.
std::vector<int64_t> draws(const Values& logits, int64_t count, SampleOptions options) {
  options.max_length = 1;
  const auto vocabulary = static_cast<int64_t>(logits.size());
  const auto step = [&](const Tensor& tokens, std::monostate state) {
    return std::pair(gradus::from_vector(logits, {1, vocabulary}).expand({tokens.size(0), vocabulary}), state);
  };
  const Tensor start = gradus::zeros(count, {.dtype = gradus::int64});
  std::vector<int64_t> found;
  for (const Hypothesis& h : generate::sample(step, start, std::monostate(), options)) found.push_back(h.tokens[0]);
  return found;
}

/// The sum of (seen - expected)^2 / expected over tokens whose share of `count` draws should be proportional to `weights`.
double chi_square(const std::vector<int64_t>& tokens, const Values& weights) {
  Values seen(weights.size());
  for (int64_t token : tokens) ++seen[static_cast<size_t>(token)];
  double total = 0, sum = 0;
  for (double w : weights) total += w;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double expected = weights[i] / total * static_cast<double>(tokens.size());
    if (weights[i] == 0) CHECK(seen[i] == 0);
    else sum += (seen[i] - expected) * (seen[i] - expected) / expected;
  }
  return sum;
}

std::set<int64_t> support(const SampleOptions& options) {
  const auto tokens = draws(some_logits, 3000, options);
  return {tokens.begin(), tokens.end()};
}

}  // namespace

TEST_CASE("tokens are drawn as often as softmax of the logits over the temperature says") {
  for (const double temperature : {1.0, 0.5, 3.0}) {
    Values weights;
    for (double x : some_logits) weights.push_back(std::exp(x / temperature));
    // 22.5 is the 0.1 % point of chi-square with 6 degrees of freedom.
    CHECK(chi_square(draws(some_logits, 20000, {.temperature = temperature, .seed = 5}), weights) < 22.5);
  }
  CHECK(chi_square(draws(some_logits, 20000, {.seed = 5}), Values(7, 1)) > 1000);
}

TEST_CASE("top_k draws from the k likeliest tokens, of equally likely ones from the lower") {
  CHECK(support({.top_k = 1, .seed = 1}) == std::set<int64_t>{2});
  CHECK(support({.top_k = 2, .seed = 1}) == std::set<int64_t>{2, 6});
  CHECK(support({.top_k = 3, .seed = 1}) == std::set<int64_t>{2, 3, 6});
  CHECK(support({.top_k = 0, .seed = 1}).size() == 7);
  CHECK(support({.top_k = 99, .seed = 1}).size() == 7);
  Values weights(7);
  for (size_t i : {0, 2, 3, 6}) weights[i] = std::exp(some_logits[i]);
  CHECK(chi_square(draws(some_logits, 20000, {.top_k = 4, .seed = 2}), weights) < 16.3);
}

TEST_CASE("top_p draws from the fewest likeliest tokens whose probabilities add up to p") {
  // Probabilities: 0.336, 0.336, 0.204 for tokens 2, 6 and 3, then 0.075 for token 0.
  CHECK(support({.top_p = 1e-9, .seed = 1}) == std::set<int64_t>{2});
  CHECK(support({.top_p = 0.3, .seed = 1}) == std::set<int64_t>{2});
  CHECK(support({.top_p = 0.4, .seed = 1}) == std::set<int64_t>{2, 6});
  CHECK(support({.top_p = 0.7, .seed = 1}) == std::set<int64_t>{2, 3, 6});
  CHECK(support({.top_p = 0.9, .seed = 1}) == std::set<int64_t>{0, 2, 3, 6});
  CHECK(support({.top_p = 1, .seed = 1}).size() == 7);
  // Of the three that top_k leaves, the first two have three quarters.
  CHECK(support({.top_k = 3, .top_p = 0.75, .seed = 1}) == std::set<int64_t>{2, 6});
  Values weights(7);
  for (size_t i : {2, 3, 6}) weights[i] = std::exp(some_logits[i] / 2);
  CHECK(chi_square(draws(some_logits, 20000, {.temperature = 2, .top_k = 4, .top_p = 0.8, .seed = 2}), weights) < 13.9);
}

TEST_CASE("the same seed draws the same, with the library's generator or with one of the call's own") {
  const PrefixModel model{6, 2};
  const Tensor start = gradus::tensor({1, 2, 3});
  const auto drawn = [&](const SampleOptions& options) {
    std::vector<Tokens> all;
    for (const Hypothesis& h : generate::sample(model, start, no_tokens(3), options)) all.push_back(h.tokens);
    return all;
  };
  gradus::manual_seed(9);
  const auto first = drawn({.max_length = 12, .end = 0});
  CHECK(drawn({.max_length = 12, .end = 0}) != first);
  gradus::manual_seed(9);
  CHECK(drawn({.max_length = 12, .end = 0, .seed = 4}) == drawn({.max_length = 12, .end = 0, .seed = 4}));
  CHECK(drawn({.max_length = 12, .end = 0}) == first);
}

TEST_CASE("a sampled hypothesis tells the model's own log-probability, whatever it was drawn from") {
  const PrefixModel model{6, 8};
  const Tensor start = gradus::tensor({1, 2, 3, 4});
  const auto found =
      generate::sample(model, start, no_tokens(4), {.max_length = 8, .min_length = 3, .end = 0, .temperature = 0.7, .top_k = 3, .seed = 1});
  for (size_t row = 0; row < 4; ++row) {
    Tokens prefix{static_cast<int64_t>(row) + 1}, targets = found[row].tokens;
    CHECK(std::ssize(targets) + (found[row].ended ? 1 : 0) >= 3);
    if (found[row].ended) targets.push_back(0);
    double sum = 0;
    for (int64_t token : targets) {
      sum += model.log_probabilities(prefix)[static_cast<size_t>(token)];
      prefix.push_back(token);
    }
    CHECK(found[row].log_probability == doctest::Approx(sum).epsilon(1e-12));
    CHECK(found[row].score == doctest::Approx(sum / static_cast<double>(targets.size())).epsilon(1e-12));
  }
}

TEST_CASE("what min_length forbids takes no place among the tokens to draw from") {
  // Token 0 is by far the likeliest; without it the top two are 3 and 2.
  const auto step = [](const Tensor& tokens, std::monostate state) {
    return std::pair(gradus::tensor({9.0, 0.0, 1.0, 2.0}).unsqueeze(0).expand({tokens.size(0), 4}), state);
  };
  const Tensor start = gradus::zeros(500, {.dtype = gradus::int64});
  std::map<int64_t, int> seen;
  for (const Hypothesis& h :
       generate::sample(step, start, std::monostate(), {.max_length = 2, .min_length = 2, .end = 0, .top_k = 2, .seed = 3}))
    ++seen[h.tokens[0]];
  CHECK(seen.size() == 2);
  CHECK(seen[3] > seen[2]);
  CHECK(seen[2] > 0);
}

TEST_CASE("at a temperature near 0 the likeliest token is drawn") {
  CHECK(draws({0, 1, 0.999}, 100, {.temperature = 1e-300, .seed = 1}) == std::vector<int64_t>(100, 1));
  CHECK(draws({0, 1, 0.999}, 100, {.temperature = 1e-5, .seed = 1}) == std::vector<int64_t>(100, 1));
}

TEST_CASE("sample refuses options that are out of range") {
  const auto text = [&](const SampleOptions& options) { return error_of<gradus::ValueError>([&] { draws(some_logits, 1, options); }); };
  CHECK(text({.temperature = 0}) == "sample: temperature 0 must be above 0 and finite");
  CHECK(text({.temperature = -1}) == "sample: temperature -1 must be above 0 and finite");
  CHECK(text({.temperature = kInf}) == "sample: temperature inf must be above 0 and finite");
  CHECK(text({.temperature = kNan}) == "sample: temperature nan must be above 0 and finite");
  CHECK(text({.top_k = -1}) == "sample: top_k -1 is negative; give the number of tokens to draw from, 0 for all");
  CHECK(text({.top_p = 0}) == "sample: top_p 0 is not in (0, 1]; 1 draws from all tokens");
  CHECK(text({.top_p = 1.5}) == "sample: top_p 1.5 is not in (0, 1]; 1 draws from all tokens");
  CHECK(text({.top_p = kNan}) == "sample: top_p nan is not in (0, 1]; 1 draws from all tokens");
  CHECK(text({.min_length = 2}) == "sample: min_length 2 is not in 0 to max_length, 1");
}
