#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>

#include "core/check.h"
#include "core/random.h"
#include "generate/row_search.h"

namespace gradus::generate::detail {
namespace {

struct WeightedToken {
  int64_t token;
  double log_probability;
  double weight;  // what its probability is proportional to
};

bool is_likelier(const WeightedToken& a, const WeightedToken& b) {
  return a.log_probability != b.log_probability ? a.log_probability > b.log_probability : a.token < b.token;
}

double total_of(const std::vector<WeightedToken>& candidates) {
  double total = 0;
  for (const WeightedToken& c : candidates) total += c.weight;
  return total;
}

class Sampling final : public RowSearch {
 public:
  Sampling(const Limits& limits, const Tensor& start, const SampleOptions& options) : RowSearch(limits, start), options_(options) {
    if (options.seed) own_generator_.emplace(*options.seed);
  }

 private:
  double draw() { return own_generator_ ? own_generator_->uniform_double() : LockedGenerator()->uniform_double(); }

  /// The tokens that may be drawn.
  std::vector<WeightedToken> candidates(std::span<const double> log_probabilities) const {
    const double best = *std::max_element(log_probabilities.begin(), log_probabilities.end());
    std::vector<WeightedToken> found;
    for (size_t token = 0; token < log_probabilities.size(); ++token)
      if (const double p = log_probabilities[token]; p > -std::numeric_limits<double>::infinity())
        found.push_back({static_cast<int64_t>(token), p, 0});
    if (options_.top_k > 0 && options_.top_k < static_cast<int64_t>(found.size())) {
      std::nth_element(found.begin(), found.begin() + options_.top_k, found.end(), is_likelier);
      found.resize(static_cast<size_t>(options_.top_k));
      std::sort(found.begin(), found.end(), is_likelier);
    }
    for (WeightedToken& c : found) c.weight = std::exp((c.log_probability - best) / options_.temperature);
    if (options_.top_p < 1) {
      std::sort(found.begin(), found.end(), is_likelier);
      const double enough = options_.top_p * total_of(found);
      size_t count = 0;
      for (double sum = 0; count < found.size() && (count == 0 || sum < enough); ++count) sum += found[count].weight;
      found.resize(count);
    }
    return found;
  }

  int64_t choose(std::span<const double> log_probabilities) override {
    const std::vector<WeightedToken> among = candidates(log_probabilities);
    const double drawn = draw() * total_of(among);
    double sum = 0;
    for (const WeightedToken& c : among)
      if ((sum += c.weight) > drawn) return c.token;
    return std::min_element(among.begin(), among.end(), is_likelier)->token;
  }

  SampleOptions options_;
  std::optional<Generator> own_generator_;
};

}  // namespace

std::unique_ptr<Search> sampling(const Tensor& start, const SampleOptions& o) {
  check<ValueError>(o.temperature > 0 && std::isfinite(o.temperature), "sample: temperature {} must be above 0 and finite", o.temperature);
  check<ValueError>(o.top_k >= 0, "sample: top_k {} is negative; give the number of tokens to draw from, 0 for all", o.top_k);
  check<ValueError>(o.top_p > 0 && o.top_p <= 1, "sample: top_p {} is not in (0, 1]; 1 draws from all tokens", o.top_p);
  return std::make_unique<Sampling>(Limits{"sample", o.max_length, o.min_length, o.end}, start, o);
}

}  // namespace gradus::generate::detail
