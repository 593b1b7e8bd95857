#include "generate/row_search.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>

#include "gradus/creation.h"

namespace gradus::generate::detail {
namespace {

constexpr double kImpossible = -std::numeric_limits<double>::infinity();

class GreedySearch final : public RowSearch {
 public:
  using RowSearch::RowSearch;

 private:
  int64_t choose(std::span<const double> log_probabilities) override {
    return std::max_element(log_probabilities.begin(), log_probabilities.end()) - log_probabilities.begin();
  }
};

}  // namespace

RowSearch::RowSearch(const Limits& limits, const Tensor& start)
    : limits_(limits), tokens_(start_tokens(limits.op, start)), written_(tokens_.size()) {
  limits.check();
  live_.resize(tokens_.size());
  std::iota(live_.begin(), live_.end(), int64_t{0});
}

Tensor RowSearch::tokens() const { return from_vector(tokens_, rows()); }

Rows RowSearch::advance(const Tensor& logits) {
  const StepScores scores(limits_, logits, rows(), vocabulary_);
  std::vector<double> row_scores(static_cast<size_t>(vocabulary_));
  std::vector<int64_t> chosen;
  for (int64_t row = 0; row < rows(); ++row) {
    scores.visit_row(row, [&](const auto* from) { std::copy_n(from, vocabulary_, row_scores.begin()); });
    if (limits_.forbids_end(length_)) row_scores[static_cast<size_t>(*limits_.end)] = kImpossible;
    if (std::all_of(row_scores.begin(), row_scores.end(), [](double score) { return score == kImpossible; }))
      fail_without_token(limits_, row, length_);
    chosen.push_back(choose(row_scores));
    written_[static_cast<size_t>(live_[static_cast<size_t>(row)])].log_probability += row_scores[static_cast<size_t>(chosen.back())];
  }

  ++length_;
  std::vector<int64_t> going_on, live, tokens;
  for (int64_t row = 0; row < rows(); ++row) {
    const int64_t of_batch = live_[static_cast<size_t>(row)], token = chosen[static_cast<size_t>(row)];
    Hypothesis& hypothesis = written_[static_cast<size_t>(of_batch)];
    hypothesis.ended = limits_.ends(token);
    hypothesis.score = hypothesis.log_probability / static_cast<double>(length_);
    if (hypothesis.ended) continue;
    hypothesis.tokens.push_back(token);
    if (length_ == limits_.max_length) continue;
    going_on.push_back(row);
    live.push_back(of_batch);
    tokens.push_back(token);
  }
  const Rows rows_now = rows_of(going_on, rows());
  live_ = std::move(live);
  tokens_ = std::move(tokens);
  return rows_now;
}

std::vector<std::vector<Hypothesis>> RowSearch::hypotheses() const {
  std::vector<std::vector<Hypothesis>> all;
  for (const Hypothesis& one : written_) all.push_back({one});
  return all;
}

std::unique_ptr<Search> greedy(const Tensor& start, const GreedyOptions& o) {
  return std::make_unique<GreedySearch>(Limits{"greedy_search", o.max_length, o.min_length, o.end}, start);
}

}  // namespace gradus::generate::detail
