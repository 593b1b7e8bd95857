#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "gradus/creation.h"
#include "gradus/generate.h"
#include "nn/nn_test.h"

namespace generate_test {

using namespace nn_test;
namespace generate = gradus::generate;
using generate::Hypothesis;
using Tokens = std::vector<int64_t>;

/// A model whose logits are random numbers that depend on all the tokens so far, and on nothing else.
struct PrefixModel {
  int64_t vocabulary;
  uint32_t seed = 1;
  double spread = 2;

  /// The logits after `prefix`, in float64.
  Values logits(const Tokens& prefix) const {
    std::vector<uint32_t> words{seed};
    for (int64_t token : prefix) words.push_back(static_cast<uint32_t>(token));
    std::seed_seq sequence(words.begin(), words.end());
    std::mt19937 generator(sequence);
    Values found;
    for (int64_t token = 0; token < vocabulary; ++token) found.push_back(spread * (static_cast<double>(generator()) * 0x1p-32 * 2 - 1));
    return found;
  }

  Values log_probabilities(const Tokens& prefix) const {
    Values found = logits(prefix);
    double sum = 0;
    for (double x : found) sum += std::exp(x);
    for (double& x : found) x -= std::log(sum);
    return found;
  }

  /// The step function; the state has the tokens before, (rows, steps).
  std::pair<Tensor, Tensor> operator()(const Tensor& tokens, const Tensor& before) const {
    ++calls;
    rows += tokens.size(0);
    std::vector<double> all;
    Tokens prefixes;
    for (int64_t row = 0; row < tokens.size(0); ++row) {
      Tokens prefix = before[row].to_vector<int64_t>();
      prefix.push_back(tokens[row].item<int64_t>());
      for (double x : logits(prefix)) all.push_back(x);
      prefixes.insert(prefixes.end(), prefix.begin(), prefix.end());
    }
    return {gradus::from_vector(all, {tokens.size(0), vocabulary}), gradus::from_vector(prefixes, {tokens.size(0), before.size(1) + 1})};
  }

  mutable int64_t calls = 0, rows = 0;
};

/// The state before the first of `count` rows has a token.
inline Tensor no_tokens(int64_t count) { return gradus::zeros({count, 0}, {.dtype = gradus::int64}); }

/// Every sequence that a search may give after the token `start`, each with its sum.
struct Enumeration {
  const PrefixModel& model;
  int64_t max_length, min_length;
  int64_t end;  // -1: none
  std::vector<Hypothesis> found = {};

  void walk(const Tokens& prefix, double sum) {
    const auto length = static_cast<int64_t>(prefix.size()) - 1;
    if (length == max_length) {
      found.push_back({{prefix.begin() + 1, prefix.end()}, sum, 0, false});
      return;
    }
    const Values next = model.log_probabilities(prefix);
    for (int64_t token = 0; token < model.vocabulary; ++token) {
      const double with = sum + next[static_cast<size_t>(token)];
      if (token == end) {
        if (length + 1 >= min_length) found.push_back({{prefix.begin() + 1, prefix.end()}, with, 0, true});
        continue;
      }
      Tokens longer = prefix;
      longer.push_back(token);
      walk(longer, with);
    }
  }
};

/// The log-probability of a hypothesis after `start`, by a network that gives the logits (steps, V) of all its tokens at once.
template <class Logits>
double log_probability_at_once(const Hypothesis& h, int64_t start, int64_t end, Logits logits_of) {
  Tokens inputs{start}, targets = h.tokens;
  inputs.insert(inputs.end(), h.tokens.begin(), h.tokens.end());
  if (h.ended) targets.push_back(end);
  else inputs.pop_back();
  const Tensor scores = logits_of(gradus::from_vector(inputs, static_cast<int64_t>(inputs.size()))).log_softmax(-1);
  double sum = 0;
  for (size_t i = 0; i < targets.size(); ++i) sum += scores[static_cast<int64_t>(i)][targets[i]].item();
  return sum;
}

}  // namespace generate_test
