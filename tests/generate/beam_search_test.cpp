#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>
#include <variant>

#include "generate/prefix_model.h"
#include "gradus/autograd.h"
#include "gradus/error.h"
#include "gradus/generate.h"
#include "gradus/nn/embedding.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/rnn.h"
#include "gradus/parallel.h"
#include "gradus/random.h"

using namespace generate_test;
using generate::BeamOptions;

namespace {

double score_of(const Hypothesis& h, double penalty, double offset) {
  const double length = static_cast<double>(h.tokens.size()) + (h.ended ? 1 : 0);
  return h.log_probability / std::pow((offset + length) / (offset + 1), penalty);
}

/// Every sequence that a search may give after `start`, the best first.
std::vector<Hypothesis> enumerated(const PrefixModel& model, int64_t start, const BeamOptions& o) {
  Enumeration all{model, o.max_length, o.min_length, o.end.value_or(-1)};
  all.walk({start}, 0);
  for (Hypothesis& h : all.found) h.score = score_of(h, o.length_penalty, o.length_offset);
  std::stable_sort(all.found.begin(), all.found.end(), [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
  return all.found;
}

void check_equal(const Hypothesis& ours, const Hypothesis& theirs) {
  CHECK(ours.tokens == theirs.tokens);
  CHECK(ours.ended == theirs.ended);
  CHECK(ours.log_probability == doctest::Approx(theirs.log_probability).epsilon(1e-12));
  CHECK(ours.score == doctest::Approx(theirs.score).epsilon(1e-12));
}

/// Beam search as it is described, without cleverness: all candidates are made and sorted, all rows go on to max_length.
std::vector<Hypothesis> plain_beam_search(const PrefixModel& model, int64_t start, const BeamOptions& o) {
  struct Candidate {
    double sum;
    size_t beam;
    int64_t token;
  };
  std::vector<Hypothesis> beams{Hypothesis{}}, finished;
  const auto keep = [&](Hypothesis h) {
    h.score = score_of(h, o.length_penalty, o.length_offset);
    finished.push_back(h);
  };
  for (int64_t length = 1; length <= o.max_length; ++length) {
    std::vector<Candidate> candidates;
    for (size_t beam = 0; beam < beams.size(); ++beam) {
      Tokens prefix{start};
      prefix.insert(prefix.end(), beams[beam].tokens.begin(), beams[beam].tokens.end());
      const Values next = model.log_probabilities(prefix);
      for (int64_t token = 0; token < model.vocabulary; ++token)
        if (!(o.end == token && length < o.min_length))
          candidates.push_back({beams[beam].log_probability + next[static_cast<size_t>(token)], beam, token});
    }
    std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) { return a.sum > b.sum; });
    std::vector<Hypothesis> next;
    for (int64_t rank = 0; rank < std::ssize(candidates) && std::ssize(next) < o.num_beams; ++rank) {
      const Candidate& c = candidates[static_cast<size_t>(rank)];
      Hypothesis h = beams[c.beam];
      h.log_probability = c.sum;
      h.ended = o.end == c.token;
      if (!h.ended) h.tokens.push_back(c.token), next.push_back(h);
      else if (rank < o.num_beams) keep(h);
    }
    beams = next;
    if (o.early_stopping && std::ssize(finished) >= o.num_beams) beams.clear();
  }
  for (const Hypothesis& h : beams) keep(h);
  std::stable_sort(finished.begin(), finished.end(), [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
  finished.resize(std::min(finished.size(), static_cast<size_t>(o.num_return)));
  return finished;
}

/// A decoder with weights that make for decided choices.
struct Decoder : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Linear out;

  Decoder(int64_t vocabulary, int64_t hidden, int64_t layers)
      : embedding(register_module("embedding", nn::Embedding(vocabulary, hidden))),
        rnn(register_module("rnn", nn::GRU(hidden, hidden, {.num_layers = layers}))),
        out(register_module("out", nn::Linear(hidden, vocabulary))) {
    for (const Tensor& p : parameters()) p.detach().mul_(3);
  }

  std::pair<Tensor, Tensor> operator()(const Tensor& tokens, const Tensor& h) const {
    auto [output, h_n] = rnn(embedding(tokens).unsqueeze(0), h);
    return {out(output.squeeze(0)), h_n};
  }
};

}  // namespace

TEST_CASE("a beam that drops nothing finds the best of all sequences, with end tokens and without") {
  for (uint32_t seed = 1; seed <= 12; ++seed)
    for (const int64_t end : {-1, 0, 2})
      for (const double penalty : {0.0, 0.6, 1.0, -0.5, 2.0}) {
        CAPTURE(seed);
        CAPTURE(end);
        CAPTURE(penalty);
        const PrefixModel model{3, seed};
        BeamOptions options{.num_beams = 100, .max_length = 4, .min_length = seed % 3, .length_penalty = penalty, .num_return = 20};
        if (end >= 0) options.end = end;
        if (seed % 2 == 0) options.length_offset = 5;
        const auto found = generate::beam_search(model, gradus::tensor({1}), no_tokens(1), options)[0];
        const auto best = enumerated(model, 1, options);
        REQUIRE(found.size() == std::min<size_t>(20, best.size()));
        for (size_t i = 0; i < found.size(); ++i) check_equal(found[i], best[i]);
      }
}

TEST_CASE("a narrow beam goes as it is described, and a row that stops early gives what it would have given") {
  for (uint32_t seed = 1; seed <= 40; ++seed)
    for (const double penalty : {0.0, 1.0, -1.0})
      for (const bool early : {false, true}) {
        CAPTURE(seed);
        CAPTURE(penalty);
        CAPTURE(early);
        const PrefixModel model{6, seed};
        const BeamOptions options{.num_beams = 2 + seed % 3,
                                  .max_length = 7,
                                  .min_length = seed % 4,
                                  .end = 0,
                                  .length_penalty = penalty,
                                  .num_return = 1 + seed % 2,
                                  .early_stopping = early};
        const auto found = generate::beam_search(model, gradus::tensor({1, 2}), no_tokens(2), options);
        for (int64_t row = 0; row < 2; ++row) {
          const auto plain = plain_beam_search(model, row + 1, options);
          const auto& ours = found[static_cast<size_t>(row)];
          REQUIRE(ours.size() == plain.size());
          for (size_t i = 0; i < ours.size(); ++i) check_equal(ours[i], plain[i]);
        }
      }
}

TEST_CASE("one beam without length penalty is greedy search") {
  for (uint32_t seed = 1; seed <= 30; ++seed) {
    const PrefixModel model{5, seed};
    const Tensor start = gradus::tensor({1, 2, 3, 4});
    const auto greedy = generate::greedy_search(model, start, no_tokens(4), {.max_length = 8, .min_length = 2, .end = 0});
    const auto beams = generate::beam_search(model, start, no_tokens(4),
                                             {.num_beams = 1, .max_length = 8, .min_length = 2, .end = 0, .length_penalty = 0});
    for (size_t row = 0; row < 4; ++row) {
      CHECK(beams[row][0].tokens == greedy[row].tokens);
      CHECK(beams[row][0].ended == greedy[row].ended);
      CHECK(beams[row][0].log_probability == greedy[row].log_probability);
    }
  }
}

TEST_CASE("a score is the log-probability divided as the length penalty says, the end token counted") {
  // Token 0 ends; of two steps the likeliest way is to end at once.
  const auto step = [](const Tensor& tokens, std::monostate state) {
    return std::pair(gradus::tensor({0.5, 0.4, 0.1}).log().unsqueeze(0).expand({tokens.size(0), 3}), state);
  };
  const auto found = [&](double penalty, double offset) {
    return generate::beam_search(
        step, gradus::tensor({1}), std::monostate(),
        {.num_beams = 9, .max_length = 2, .end = 0, .length_penalty = penalty, .length_offset = offset, .num_return = 9})[0];
  };
  const auto plain = found(0, 0);
  REQUIRE(plain.size() == 7);  // the end; 1 or 2 and the end; 1 or 2 twice
  CHECK(plain[0].tokens.empty());
  CHECK(plain[0].score == doctest::Approx(std::log(0.5)));
  CHECK(plain[1].tokens == Tokens{1});
  CHECK(plain[1].score == doctest::Approx(std::log(0.2)));
  CHECK(plain[2].tokens == Tokens{1, 1});
  CHECK_FALSE(plain[2].ended);
  const auto by_length = found(1, 0);
  CHECK(by_length[0].score == doctest::Approx(std::log(0.5)));
  CHECK(by_length[1].score == doctest::Approx(std::log(0.2) / 2));
  const auto strong = found(2, 0);
  CHECK(strong[0].tokens == Tokens{1});
  CHECK(strong[0].score == doctest::Approx(std::log(0.2) / 4));
  const auto wu = found(0.6, 5);
  CHECK(wu[0].score == doctest::Approx(std::log(0.5)));
  CHECK(wu[1].score == doctest::Approx(std::log(0.2) / std::pow(7.0 / 6.0, 0.6)));
}

TEST_CASE("n-best come best first, and each once") {
  const PrefixModel model{8, 3};
  const auto found = generate::beam_search(model, gradus::arange(5), no_tokens(5),
                                           {.num_beams = 6, .max_length = 9, .end = 0, .length_penalty = 0.7, .num_return = 6});
  for (const auto& n_best : found) {
    CHECK(n_best.size() == 6);
    CHECK(std::is_sorted(n_best.begin(), n_best.end(), [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; }));
    for (size_t i = 0; i < n_best.size(); ++i)
      for (size_t j = 0; j < i; ++j) CHECK_FALSE((n_best[i].tokens == n_best[j].tokens && n_best[i].ended == n_best[j].ended));
  }
}

TEST_CASE("equal candidates go by the order of their beams, then of tokens; equal scores by when they ended") {
  const auto even = [](const Tensor& tokens, std::monostate state) { return std::pair(gradus::zeros({tokens.size(0), 3}), state); };
  const auto found = generate::beam_search(even, gradus::tensor({0}), std::monostate(),
                                           {.num_beams = 3, .max_length = 2, .length_penalty = 0, .num_return = 3})[0];
  CHECK(found[0].tokens == Tokens{0, 0});
  CHECK(found[1].tokens == Tokens{0, 1});
  CHECK(found[2].tokens == Tokens{0, 2});
  const auto ending = generate::beam_search(even, gradus::tensor({0}), std::monostate(),
                                            {.num_beams = 3, .max_length = 3, .end = 0, .length_penalty = 1, .num_return = 3})[0];
  CHECK(ending[0].tokens.empty());
  CHECK(ending[1].tokens == Tokens{1});
  CHECK(ending[2].tokens == Tokens{1, 1});
}

TEST_CASE("each row alone gives the same hypotheses, and rows that are done are not computed any more") {
  const PrefixModel model{6, 11};
  const BeamOptions options{.num_beams = 3, .max_length = 12, .end = 0, .length_penalty = 0, .num_return = 2};
  const Tensor start = gradus::tensor({0, 1, 2, 3, 4, 5, 0, 1});
  const auto together = generate::beam_search(model, start, no_tokens(8), options);
  const int64_t rows = std::exchange(model.rows, 0);
  for (int64_t row = 0; row < 8; ++row) {
    const auto alone = generate::beam_search(model, start.narrow(0, row, 1), no_tokens(1), options)[0];
    REQUIRE(alone.size() == 2);
    for (size_t i = 0; i < 2; ++i) {
      CHECK(alone[i].tokens == together[static_cast<size_t>(row)][i].tokens);
      CHECK(alone[i].score == together[static_cast<size_t>(row)][i].score);
    }
  }
  CHECK(model.rows == rows);
  CHECK(rows < 8 * (1 + 11 * 3));
}

TEST_CASE("early_stopping ends a row once num_beams hypotheses have ended") {
  const PrefixModel eager{4, 5}, patient{4, 5};
  const BeamOptions options{.num_beams = 2, .max_length = 30, .end = 0, .length_penalty = 1};
  generate::beam_search(patient, gradus::tensor({1, 2}), no_tokens(2), options);
  BeamOptions early = options;
  early.early_stopping = true;
  generate::beam_search(eager, gradus::tensor({1, 2}), no_tokens(2), early);
  CHECK(eager.calls < patient.calls);
}

TEST_CASE("tokens of probability 0 are never taken, so there may be fewer hypotheses than asked for") {
  const auto step = [](const Tensor& tokens, std::monostate state) {
    return std::pair(gradus::tensor({-kInf, 0.0, -kInf, 1.0}).unsqueeze(0).expand({tokens.size(0), 4}), state);
  };
  const auto found = generate::beam_search(step, gradus::tensor({0}), std::monostate(),
                                           {.num_beams = 9, .max_length = 2, .end = 2, .length_penalty = 0, .num_return = 9})[0];
  REQUIRE(found.size() == 4);
  CHECK(found[0].tokens == Tokens{3, 3});
  CHECK(found[1].tokens == Tokens{3, 1});  // as likely as {1, 3}, whose beam is the second
  CHECK(found[3].tokens == Tokens{1, 1});
}

TEST_CASE("the hidden state of a GRU follows its beam") {
  gradus::manual_seed(3);
  const Decoder decoder(7, 6, 2);
  const gradus::NoGradGuard no_grad;
  const Tensor h0 = gradus::randn({2, 3, 6}), start = gradus::tensor({1, 2, 3});
  const auto found =
      generate::beam_search(decoder, start, generate::Batched<1>(h0), {.num_beams = 4, .max_length = 6, .end = 0, .num_return = 4});
  for (int64_t row = 0; row < 3; ++row)
    for (const Hypothesis& h : found[static_cast<size_t>(row)]) {
      const double whole = log_probability_at_once(h, row + 1, 0, [&](const Tensor& tokens) {
        return decoder.out(decoder.rnn(decoder.embedding(tokens), h0.select(1, row)).output);
      });
      CHECK(h.log_probability == doctest::Approx(whole).epsilon(1e-5));
    }
}

TEST_CASE("searches have the same bits for one thread and two") {
  gradus::manual_seed(4);
  const Decoder decoder(300, 64, 1);
  const Tensor h0 = gradus::randn({1, 40, 64}), start = gradus::randint(300, 40);
  const int threads = gradus::get_num_threads();
  std::vector<std::vector<std::vector<Hypothesis>>> by_threads;
  for (const int count : {1, 2}) {
    gradus::set_num_threads(count);
    by_threads.push_back(
        generate::beam_search(decoder, start, generate::Batched<1>(h0), {.num_beams = 4, .max_length = 10, .end = 0, .num_return = 4}));
  }
  gradus::set_num_threads(threads);
  for (size_t row = 0; row < 40; ++row)
    for (size_t i = 0; i < 4; ++i) {
      CHECK(by_threads[0][row][i].tokens == by_threads[1][row][i].tokens);
      CHECK(by_threads[0][row][i].log_probability == by_threads[1][row][i].log_probability);
    }
}

TEST_CASE("beam search refuses options that are out of range") {
  const PrefixModel model{3};
  const auto text = [&](const BeamOptions& options) {
    return error_of<gradus::ValueError>([&] { generate::beam_search(model, gradus::tensor({1}), no_tokens(1), options); });
  };
  CHECK(text({.num_beams = 0, .max_length = 3}) == "beam_search: num_beams 0 must be at least 1");
  CHECK(text({.num_beams = 2, .max_length = 3, .num_return = 3}) == "beam_search: num_return 3 is not in 1 to num_beams, 2");
  CHECK(text({.max_length = 3, .num_return = 0}) == "beam_search: num_return 0 is not in 1 to num_beams, 5");
  CHECK(text({.max_length = 3, .length_penalty = kNan}) == "beam_search: length_penalty nan must be finite");
  CHECK(text({.max_length = 3, .length_offset = -1}) == "beam_search: length_offset -1 must be at least 0 and finite");
  CHECK(text({}) == "beam_search: max_length is 0; say how many tokens a hypothesis may have, at least 1");
  CHECK(text({.max_length = 3, .min_length = 4}) == "beam_search: min_length 4 is not in 0 to max_length, 3");
  CHECK(error_of<gradus::IndexError>([&] {
          generate::beam_search(model, gradus::tensor({1}), no_tokens(1), {.max_length = 3, .end = 3});
        }) == "beam_search: the end token is 3, but the logits are for tokens 0 to 2");
}

TEST_CASE("beam search gives the hypotheses and scores of Hugging Face's transformers") {
  // Logits that both sides can compute: of token j after the tokens t of a prefix, 3 sin(0.37 h (j + 1) + j), h from 11 on by 31 h + 17 t
  // + 7.
  const auto step = [](const Tensor& tokens, const Tensor& before) {
    const Tensor h = before * 31 + tokens * 17 + 7;
    Tokens hashes = h.to_vector<int64_t>();
    Values logits;
    for (int64_t& hash : hashes) {
      hash %= 100003;
      for (int64_t j = 0; j < 5; ++j)
        logits.push_back(3 * std::sin(0.37 * static_cast<double>(hash) * static_cast<double>(j + 1) + static_cast<double>(j)));
    }
    return std::pair(gradus::from_vector(logits, {std::ssize(hashes), 5}), gradus::from_vector(hashes, std::ssize(hashes)));
  };
  // transformers 4.30.2: model.generate(torch.tensor([[1], [2]]), num_beams=4, num_return_sequences=4, max_length=15, min_length=2,
  // eos_token_id=0, early_stopping=True, length_penalty=…). Its length counts the token of the prompt instead of the end token.
  struct Expected {
    double length_penalty;
    std::vector<std::vector<std::pair<double, Tokens>>> hypotheses;
  };
  const std::vector<Expected> all{
      {0,
       {{{-2.10059, {4, 4}}, {-2.76843, {1, 4, 4}}, {-2.95340, {1, 3, 4}}, {-4.50174, {1, 4, 4, 2, 2, 1, 4}}},
        {{-1.60735, {1, 4}}, {-1.68047, {4, 4}}, {-2.98027, {1, 4, 3}}, {-3.30399, {1, 4, 4}}}}},
      {1,
       {{{-0.56272, {1, 4, 4, 2, 2, 1, 4}}, {-0.65776, {4, 4, 3, 4, 4, 1, 3}}, {-0.69211, {1, 4, 4}}, {-0.70020, {4, 4}}},
        {{-0.53578, {1, 4}}, {-0.56016, {4, 4}}, {-0.74507, {1, 4, 3}}, {-0.82600, {1, 4, 4}}}}}};
  for (const Expected& expected : all) {
    const auto found = generate::beam_search(step, gradus::tensor({1, 2}), gradus::full({2}, int64_t{11}),
                                             {.num_beams = 4,
                                              .max_length = 14,
                                              .min_length = 2,
                                              .end = 0,
                                              .length_penalty = expected.length_penalty,
                                              .num_return = 4,
                                              .early_stopping = true});
    for (size_t row = 0; row < 2; ++row)
      for (size_t i = 0; i < 4; ++i) {
        const auto& [score, tokens] = expected.hypotheses[row][i];
        CHECK(found[row][i].tokens == tokens);
        CHECK(found[row][i].ended);
        CHECK(std::abs(found[row][i].score - score) < 1e-5);
      }
  }
}
