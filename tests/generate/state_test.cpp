#include <array>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>

#include "generate/prefix_model.h"
#include "gradus/autograd.h"
#include "gradus/error.h"
#include "gradus/generate.h"
#include "gradus/nn/embedding.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/rnn.h"
#include "gradus/random.h"

using namespace generate_test;

namespace mine {

/// A state that says itself how its rows change places.
struct WithMember {
  Tensor columns;  // (steps, rows)
  WithMember reorder(const Tensor& rows) const { return {columns.index_select(1, rows)}; }
};

/// One for which a function beside it does.
struct WithFunction {
  Tensor columns;
};
WithFunction reorder(const WithFunction& state, const Tensor& rows) { return {state.columns.index_select(1, rows)}; }

}  // namespace mine

namespace {

const generate::BeamOptions options{.num_beams = 4, .max_length = 7, .end = 0, .num_return = 4};

std::vector<std::vector<Hypothesis>> expected(const PrefixModel& model) {
  return generate::beam_search(model, gradus::tensor({1, 2, 3}), no_tokens(3), options);
}

/// PrefixModel with its tokens in another kind of state: `unpack` gives (rows, steps), `pack` takes it.
template <class State, class Pack, class Unpack>
void check_state(Pack pack, Unpack unpack) {
  const PrefixModel model{5, 13};
  const auto step = [&](const Tensor& tokens, const State& state) {
    auto [logits, prefix] = model(tokens, unpack(state));
    return std::pair(logits, State(pack(prefix)));
  };
  const auto found = generate::beam_search(step, gradus::tensor({1, 2, 3}), State(pack(no_tokens(3))), options);
  const auto theirs = expected(model);
  REQUIRE(found.size() == theirs.size());
  for (size_t row = 0; row < found.size(); ++row)
    for (size_t i = 0; i < 4; ++i) {
      CHECK(found[row][i].tokens == theirs[row][i].tokens);
      CHECK(found[row][i].score == theirs[row][i].score);
    }
}

Tensor turned(const Tensor& x) { return x.transpose(0, 1); }

}  // namespace

TEST_CASE("the rows of a state are dimension 0 of a tensor, or the one that Batched names") {
  using generate::Batched;
  check_state<Batched<0>>([](const Tensor& x) { return x; }, [](const Tensor& x) { return x; });
  check_state<Batched<1>>(turned, turned);
  check_state<Batched<-1>>(turned, turned);
}

TEST_CASE("a state may be a number, or a vector, array, pair, tuple or optional of states") {
  check_state<std::vector<Tensor>>([](const Tensor& x) { return std::vector{x, Tensor()}; }, [](const auto& s) { return s[0]; });
  check_state<std::array<Tensor, 1>>([](const Tensor& x) { return std::array{x}; }, [](const auto& s) { return s[0]; });
  check_state<std::pair<std::monostate, generate::Batched<1>>>([](const Tensor& x) { return std::pair(std::monostate(), turned(x)); },
                                                               [](const auto& s) { return turned(s.second); });
  check_state<std::tuple<int64_t, Tensor>>([](const Tensor& x) { return std::tuple(x.size(1), x); },
                                           [](const auto& s) {
                                             CHECK(std::get<0>(s) == std::get<1>(s).size(1));
                                             return std::get<1>(s);
                                           });
  check_state<std::optional<Tensor>>([](const Tensor& x) { return x; }, [](const auto& s) { return *s; });
  check_state<std::vector<std::optional<std::tuple<Tensor>>>>(
      [](const Tensor& x) {
        return std::vector<std::optional<std::tuple<Tensor>>>{std::nullopt, std::tuple(x)};
      },
      [](const auto& s) { return std::get<0>(*s[1]); });
}

TEST_CASE("a state of one's own says by a member or a function beside it how its rows are reordered") {
  check_state<mine::WithMember>([](const Tensor& x) { return mine::WithMember{turned(x)}; },
                                [](const mine::WithMember& s) { return turned(s.columns); });
  check_state<std::vector<mine::WithFunction>>([](const Tensor& x) { return std::vector{mine::WithFunction{turned(x)}}; },
                                               [](const auto& s) { return turned(s[0].columns); });
}

TEST_CASE("a step function may give a tuple or a struct of its own") {
  const PrefixModel model{5, 13};
  struct Output {
    Tensor logits;
    Tensor state;
  };
  const auto as_struct = [&](const Tensor& tokens, const Tensor& state) {
    auto [logits, prefix] = model(tokens, state);
    return Output{logits, prefix};
  };
  const auto as_tuple = [&](Tensor tokens, Tensor state) {
    auto [logits, prefix] = model(tokens, state);
    return std::tuple(logits, prefix);
  };
  const Tensor start = gradus::tensor({1, 2, 3});
  const auto theirs = expected(model);
  CHECK(generate::beam_search(as_struct, start, no_tokens(3), options)[2][3].tokens == theirs[2][3].tokens);
  CHECK(generate::beam_search(as_tuple, start, no_tokens(3), options)[2][3].tokens == theirs[2][3].tokens);
}

TEST_CASE("both states of an LSTM follow their beams") {
  gradus::manual_seed(2);
  const gradus::NoGradGuard no_grad;
  const nn::Embedding embedding(6, 4);
  const nn::LSTM lstm(4, 5, {.num_layers = 2});
  const nn::Linear out(5, 6);
  for (const Tensor& p : out.parameters()) p.detach().mul_(5);
  for (const Tensor& p : lstm.parameters()) p.detach().mul_(3);
  using State = std::pair<generate::Batched<1>, generate::Batched<1>>;
  const auto step = [&](const Tensor& tokens, const State& state) {
    const auto y = lstm(embedding(tokens).unsqueeze(0), state.first, state.second);
    return std::pair(out(y.output.squeeze(0)), std::pair(y.h_n, y.c_n));
  };
  const Tensor h0 = gradus::randn({2, 2, 5}), c0 = gradus::randn({2, 2, 5});
  const auto found = generate::beam_search(step, gradus::tensor({1, 2}), State(h0, c0), options);
  for (int64_t row = 0; row < 2; ++row)
    for (const Hypothesis& h : found[static_cast<size_t>(row)]) {
      const double whole = log_probability_at_once(
          h, row + 1, 0, [&](const Tensor& given) { return out(lstm(embedding(given), h0.select(1, row), c0.select(1, row)).output); });
      CHECK(h.log_probability == doctest::Approx(whole).epsilon(1e-5));
    }
}

TEST_CASE("a state without the rows is refused before the first step, and the error says how to name the dimension") {
  const PrefixModel model{5};
  const auto step = [&](const Tensor& tokens, const Tensor& h) { return model(tokens, h); };
  const auto in_vector = [&](const Tensor& tokens, const std::vector<Tensor>& h) { return std::pair(model(tokens, h[0]).first, h); };
  const auto in_optional = [&](const Tensor& tokens, const std::optional<Tensor>& h) { return std::pair(model(tokens, *h).first, h); };
  const Tensor start = gradus::tensor({1, 2, 3}), h = gradus::zeros({2, 3, 4});
  const std::string text =
      "generate: a state of shape [2, 3, 4] has no 3 rows in dimension 0; generate::Batched<D>(tensor) says that they "
      "are dimension D";
  CHECK(error_of<gradus::ShapeError>([&] { generate::greedy_search(step, start, h, {.max_length = 3}); }) == text);
  CHECK(error_of<gradus::ShapeError>([&] { generate::beam_search(in_vector, start, std::vector{h}, options); }) == text);
  CHECK(error_of<gradus::ShapeError>([&] { generate::sample(in_optional, start, std::optional(h), {.max_length = 3}); }) == text);
  CHECK(model.calls == 0);
}
