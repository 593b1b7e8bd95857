#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "generate/prefix_model.h"
#include "gradus/autograd.h"
#include "gradus/error.h"
#include "gradus/generate.h"

using namespace generate_test;

namespace {

/// A step function that gives the same logits to every row at every step.
auto always(const Values& logits) {
  return [logits](const Tensor& tokens, std::monostate state) {
    const auto vocabulary = static_cast<int64_t>(logits.size());
    return std::pair(gradus::from_vector(logits, {1, vocabulary}).expand({tokens.size(0), vocabulary}), state);
  };
}

const Tensor one_row = gradus::zeros(1, {.dtype = gradus::int64});

}  // namespace

TEST_CASE("greedy search takes the likeliest token at every step, until the end token or max_length") {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    const PrefixModel model{5, seed};
    const Tensor start = gradus::tensor({1, 2, 3});
    const auto found = generate::greedy_search(model, start, no_tokens(3), {.max_length = 6, .end = 0});
    REQUIRE(found.size() == 3);
    for (int64_t row = 0; row < 3; ++row) {
      Tokens prefix{row + 1};
      double sum = 0;
      bool ended = false;
      int64_t length = 0;
      for (; length < 6 && !ended; ++length) {
        const Values next = model.log_probabilities(prefix);
        const auto best = std::max_element(next.begin(), next.end());
        sum += *best;
        ended = best == next.begin();
        if (!ended) prefix.push_back(best - next.begin());
      }
      const Hypothesis& ours = found[static_cast<size_t>(row)];
      CHECK(ours.tokens == Tokens(prefix.begin() + 1, prefix.end()));
      CHECK(ours.ended == ended);
      CHECK(ours.log_probability == doctest::Approx(sum).epsilon(1e-12));
      CHECK(ours.score == doctest::Approx(sum / static_cast<double>(length)).epsilon(1e-12));
    }
  }
}

TEST_CASE("of equally likely tokens greedy search takes the lowest") {
  const auto found = generate::greedy_search(always({0, 3, 1, 3}), one_row, std::monostate(), {.max_length = 2});
  CHECK(found[0].tokens == Tokens{1, 1});
  CHECK_FALSE(found[0].ended);
}

TEST_CASE("the end token is passed over before min_length, counts as a token, and is not among the tokens") {
  const auto step = always({5, 1, 2});
  for (int64_t min_length : {0, 1, 3, 4}) {
    const auto found = generate::greedy_search(step, one_row, std::monostate(), {.max_length = 4, .min_length = min_length, .end = 0})[0];
    CHECK(found.tokens == Tokens(static_cast<size_t>(std::max<int64_t>(min_length - 1, 0)), 2));
    CHECK(found.ended);
  }
  const auto cut = generate::greedy_search(always({0, 1, 2}), one_row, std::monostate(), {.max_length = 4, .end = 0})[0];
  CHECK(cut.tokens == Tokens(4, 2));
  CHECK_FALSE(cut.ended);
}

TEST_CASE("a row that has ended is not computed any more, and each row alone gives the same") {
  const PrefixModel model{4, 7};
  const generate::GreedyOptions options{.max_length = 9, .end = 0};
  const Tensor start = gradus::arange(4).repeat({3});
  const auto together = generate::greedy_search(model, start, no_tokens(12), options);
  int64_t rows = 0;
  for (size_t row = 0; row < together.size(); ++row) {
    const auto alone = generate::greedy_search(model, start.narrow(0, static_cast<int64_t>(row), 1), no_tokens(1), options)[0];
    CHECK(alone.tokens == together[row].tokens);
    CHECK(alone.log_probability == together[row].log_probability);
    rows += std::ssize(alone.tokens) + (alone.ended ? 1 : 0);
  }
  CHECK(model.rows == 2 * rows);
}

TEST_CASE("no rows give no hypotheses, without a call of the step function") {
  const PrefixModel model{4};
  const Tensor start = gradus::zeros(0, {.dtype = gradus::int64});
  CHECK(generate::greedy_search(model, start, no_tokens(0), {.max_length = 3}).empty());
  CHECK(generate::beam_search(model, start, no_tokens(0), {.max_length = 3}).empty());
  CHECK(generate::sample(model, start, no_tokens(0), {.max_length = 3}).empty());
  CHECK(model.calls == 0);
}

TEST_CASE("nothing is recorded while a sequence is generated") {
  const Tensor weight = gradus::ones({1, 3}).requires_grad_();
  const auto step = [&](const Tensor& tokens, std::monostate state) {
    CHECK_FALSE(gradus::is_grad_enabled());
    return std::pair((weight * 2).expand({tokens.size(0), 3}), state);
  };
  CHECK(generate::greedy_search(step, one_row, std::monostate(), {.max_length = 2})[0].tokens == Tokens{0, 0});
  CHECK(gradus::is_grad_enabled());
}

TEST_CASE("a search refuses options that are out of range or contradict each other, and names the remedy") {
  const auto step = always({0, 1});
  const auto text = [&](const generate::GreedyOptions& options) {
    return error_of<gradus::ValueError>([&] { generate::greedy_search(step, one_row, std::monostate(), options); });
  };
  CHECK(text({}) == "greedy_search: max_length is 0; say how many tokens a hypothesis may have, at least 1");
  CHECK(text({.max_length = 3, .min_length = 4}) == "greedy_search: min_length 4 is not in 0 to max_length, 3");
  CHECK(text({.max_length = 3, .min_length = -1}) == "greedy_search: min_length -1 is not in 0 to max_length, 3");
  CHECK(text({.max_length = 3, .end = -1}) == "greedy_search: the end token is -1, but tokens are at least 0");
  CHECK(error_of<gradus::IndexError>([&] { generate::greedy_search(step, one_row, std::monostate(), {.max_length = 3, .end = 2}); }) ==
        "greedy_search: the end token is 2, but the logits are for tokens 0 to 1");
}

TEST_CASE("a search refuses a start that is not a vector of tokens") {
  const auto begin = [&](const Tensor& start) { generate::greedy_search(always({0, 1}), start, std::monostate(), {.max_length = 3}); };
  CHECK(error_of<gradus::ShapeError>([&] {
          begin(gradus::zeros({2, 1}, {.dtype = gradus::int64}));
        }) == "greedy_search: start has shape [2, 1], expected (rows), the first token of each");
  CHECK(error_of<gradus::DTypeError>([&] { begin(gradus::zeros(2)); }) == "greedy_search: start is float32, but tokens are int64");
  CHECK(error_of<gradus::StateError>([&] { begin({}); }) == "greedy_search: start is undefined; give the first token of every row");
}

TEST_CASE("a search refuses logits of a wrong shape or dtype, and those that are no numbers") {
  const auto first = [](const Tensor& logits) {
    const auto step = [&](const Tensor&, std::monostate state) { return std::pair(logits, state); };
    generate::greedy_search(step, gradus::zeros(2, {.dtype = gradus::int64}), std::monostate(), {.max_length = 3});
  };
  for (const Shape& shape : {Shape{2}, Shape{2, 0}, Shape{3, 4}, Shape{2, 1, 4}})
    CHECK(error_of<gradus::ShapeError>([&] { first(gradus::zeros(shape)); }) ==
          "greedy_search: the step function gave logits of shape " + shape.str() + " for 2 tokens, expected (2, vocabulary)");
  CHECK(error_of<gradus::StateError>([&] { first({}); }) == "greedy_search: the step function gave undefined logits");
  CHECK(error_of<gradus::DTypeError>([&] {
          first(gradus::zeros({2, 3}, {.dtype = gradus::int64}));
        }) == "greedy_search: logits are int64; they must be float32 or float64");
  for (const double bad : {kNan, kInf}) {
    const Tensor logits = gradus::zeros({2, 3});
    logits[1][2].fill_(bad);
    CHECK(error_of<gradus::ValueError>([&] { first(logits); }) == "greedy_search: the logit of token 2 in row 1 is " +
                                                                      std::string(bad == kInf ? "inf" : "nan") +
                                                                      "; the model gave no probabilities");
    CHECK_FALSE(error_of<gradus::ValueError>([&] { first(logits.to(gradus::float64)); }).empty());
  }
  CHECK(error_of<gradus::ValueError>([&] {
          first(gradus::full({2, 3}, -kInf));
        }) == "greedy_search: all logits of row 0 are -infinity; leave one token possible");
}

TEST_CASE("a search refuses logits of another width than before") {
  const auto widening = [](const Tensor& tokens, const Tensor& width) {
    return std::pair(gradus::arange(static_cast<double>(width.item<int64_t>())).unsqueeze(0) * (tokens.item() * 0 + 1), width + 1);
  };
  CHECK(error_of<gradus::ShapeError>([&] {
          generate::greedy_search(widening, one_row, gradus::full({1}, int64_t{3}), {.max_length = 3});
        }) == "greedy_search: the step function gave logits for 4 tokens, and 3 before");
}

TEST_CASE("a row that may neither end nor go on is an error") {
  const auto only_end = always({0, -kInf});
  const generate::GreedyOptions options{.max_length = 3, .min_length = 2, .end = 0};
  CHECK(error_of<gradus::ValueError>([&] { generate::greedy_search(only_end, one_row, std::monostate(), options); }) ==
        "greedy_search: row 0 has no token to go on with after 0: all but the end token are impossible, and min_length is 2");
  CHECK(generate::greedy_search(only_end, one_row, std::monostate(), {.max_length = 3, .end = 0})[0].log_probability == 0);
}

TEST_CASE("an error of the step function passes through") {
  const auto failing = [](const Tensor&, std::monostate) -> std::pair<Tensor, std::monostate> { throw gradus::IoError("no model"); };
  CHECK(error_of<gradus::IoError>([&] { generate::greedy_search(failing, one_row, std::monostate(), {.max_length = 3}); }) == "no model");
}
