#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <memory>
#include <utility>

#include "core/check.h"
#include "generate/search.h"
#include "gradus/creation.h"

namespace gradus::generate::detail {
namespace {

struct Beam {
  double log_probability = 0;
  std::vector<int64_t> tokens;
};

/// A beam and a token that could follow it.
struct Candidate {
  double log_probability;
  int64_t beam, token;
};

/// The best `count` candidates of those that are offered, best first, of equal ones those that came first.
class Ranking {
 public:
  explicit Ranking(int64_t count) : count_(static_cast<size_t>(count)) {}

  void offer(const Candidate& candidate) {
    if (best_.size() == count_) best_.pop_back();
    const auto worse = [](const Candidate& a, const Candidate& b) { return a.log_probability > b.log_probability; };
    best_.insert(std::upper_bound(best_.begin(), best_.end(), candidate, worse), candidate);
    if (best_.size() == count_) threshold_ = best_.back().log_probability;
  }
  /// Only what is above it has a place.
  double threshold() const { return threshold_; }
  const std::vector<Candidate>& best() const { return best_; }

 private:
  size_t count_;
  double threshold_ = -std::numeric_limits<double>::infinity();
  std::vector<Candidate> best_;
};

/// Offers beam's continuations by tokens `first` to `last`, that one left out.
template <class T>
void offer_tokens(Ranking& ranking, const T* log_probabilities, int64_t first, int64_t last, double so_far, int64_t beam) {
  for (int64_t token = first; token < last; ++token) {
    const double sum = so_far + static_cast<double>(log_probabilities[token]);
    if (sum > ranking.threshold()) ranking.offer({sum, beam, token});
  }
}

class BeamSearch final : public Search {
 public:
  BeamSearch(const Limits& limits, const Tensor& start, const BeamOptions& options)
      : limits_(limits), options_(options), tokens_(start_tokens(limits.op, start)), batch_(tokens_.size()) {
    for (Row& row : batch_) row.beams.resize(1);
  }

  int64_t rows() const override { return static_cast<int64_t>(tokens_.size()); }
  Tensor tokens() const override { return from_vector(tokens_, rows()); }
  Rows advance(const Tensor& logits) override;
  std::vector<std::vector<Hypothesis>> hypotheses() const override;

 private:
  /// One of the batch: what is being written for it and, best first, what was. Without beams it is done.
  struct Row {
    std::vector<Beam> beams;
    std::vector<Hypothesis> finished;
  };

  double score_of(double log_probability, int64_t length) const;
  std::vector<Candidate> candidates(const StepScores& scores, const Row& row, int64_t first) const;
  void finish(Row& row, const Beam& beam, double log_probability, bool ended) const;
  bool is_settled(const Row& row) const;

  Limits limits_;
  BeamOptions options_;
  int64_t vocabulary_ = 0;
  int64_t length_ = 0;           // tokens of every beam
  std::vector<int64_t> tokens_;  // the last one of each beam, row by row
  std::vector<Row> batch_;
};

double BeamSearch::score_of(double log_probability, int64_t length) const {
  const double offset = options_.length_offset;
  return log_probability / std::pow((offset + static_cast<double>(length)) / (offset + 1), options_.length_penalty);
}

/// Twice num_beams are enough: each beam has one continuation that ends.
std::vector<Candidate> BeamSearch::candidates(const StepScores& scores, const Row& row, int64_t first) const {
  Ranking ranking(2 * std::min(options_.num_beams, std::ssize(row.beams) * vocabulary_));
  for (int64_t beam = 0; beam < std::ssize(row.beams); ++beam)
    scores.visit_row(first + beam, [&](const auto* log_probabilities) {
      const double so_far = row.beams[static_cast<size_t>(beam)].log_probability;
      const int64_t left_out = limits_.forbids_end(length_) ? *limits_.end : vocabulary_;
      offer_tokens(ranking, log_probabilities, 0, left_out, so_far, beam);
      offer_tokens(ranking, log_probabilities, left_out + 1, vocabulary_, so_far, beam);
    });
  return ranking.best();
}

/// Takes a hypothesis of `length_` tokens, the end token among them, among the num_beams best.
void BeamSearch::finish(Row& row, const Beam& beam, double log_probability, bool ended) const {
  const Hypothesis found{beam.tokens, log_probability, score_of(log_probability, length_), ended};
  const auto worse = [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; };
  row.finished.insert(std::upper_bound(row.finished.begin(), row.finished.end(), found, worse), found);
  if (std::ssize(row.finished) > options_.num_beams) row.finished.pop_back();
}

bool BeamSearch::is_settled(const Row& row) const {
  if (options_.early_stopping) return std::ssize(row.finished) >= options_.num_beams;
  if (row.beams.empty() || std::ssize(row.finished) < options_.num_return) return row.beams.empty();
  // The divisor rises or falls with the length, so the best that a beam can come to is at one of the ends.
  const double most = row.beams[0].log_probability;
  const double reachable = std::max(score_of(most, length_ + 1), score_of(most, limits_.max_length));
  return reachable <= row.finished[static_cast<size_t>(options_.num_return - 1)].score;
}

Rows BeamSearch::advance(const Tensor& logits) {
  const StepScores scores(limits_, logits, rows(), vocabulary_);
  std::vector<std::vector<Candidate>> all;
  int64_t before = 0;
  for (const Row& row : batch_) {
    all.push_back(row.beams.empty() ? std::vector<Candidate>() : candidates(scores, row, before));
    if (!row.beams.empty() && all.back().empty() && row.finished.empty()) fail_without_token(limits_, before, length_);
    before += std::ssize(row.beams);
  }

  ++length_;
  tokens_.clear();
  std::vector<int64_t> parents;
  int64_t first = 0;
  for (size_t i = 0; i < batch_.size(); ++i) {
    Row& row = batch_[i];
    std::vector<Beam> next;
    std::vector<int64_t> from;
    for (int64_t rank = 0; rank < std::ssize(all[i]) && std::ssize(next) < options_.num_beams; ++rank) {
      const Candidate& candidate = all[i][static_cast<size_t>(rank)];
      const Beam& beam = row.beams[static_cast<size_t>(candidate.beam)];
      if (limits_.ends(candidate.token)) {
        if (rank < options_.num_beams) finish(row, beam, candidate.log_probability, true);
        continue;
      }
      next.push_back({candidate.log_probability, beam.tokens});
      next.back().tokens.push_back(candidate.token);
      from.push_back(first + candidate.beam);
    }
    first += std::ssize(row.beams);
    row.beams = std::move(next);
    const bool settled = is_settled(row);
    if (!settled && length_ == limits_.max_length)
      for (const Beam& beam : row.beams) finish(row, beam, beam.log_probability, false);
    if (settled || length_ == limits_.max_length) row.beams.clear();
    for (size_t beam = 0; beam < row.beams.size(); ++beam) {
      parents.push_back(from[beam]);
      tokens_.push_back(row.beams[beam].tokens.back());
    }
  }
  return rows_of(parents, before);
}

std::vector<std::vector<Hypothesis>> BeamSearch::hypotheses() const {
  std::vector<std::vector<Hypothesis>> best;
  for (const Row& row : batch_) {
    const int64_t count = std::min<int64_t>(options_.num_return, std::ssize(row.finished));
    best.emplace_back(row.finished.begin(), row.finished.begin() + count);
  }
  return best;
}

}  // namespace

std::unique_ptr<Search> beam(const Tensor& start, const BeamOptions& o) {
  const Limits limits{"beam_search", o.max_length, o.min_length, o.end};
  limits.check();
  check<ValueError>(o.num_beams >= 1, "beam_search: num_beams {} must be at least 1", o.num_beams);
  check<ValueError>(o.num_return >= 1 && o.num_return <= o.num_beams, "beam_search: num_return {} is not in 1 to num_beams, {}",
                    o.num_return, o.num_beams);
  check<ValueError>(std::isfinite(o.length_penalty), "beam_search: length_penalty {} must be finite", o.length_penalty);
  check<ValueError>(o.length_offset >= 0 && std::isfinite(o.length_offset), "beam_search: length_offset {} must be at least 0 and finite",
                    o.length_offset);
  return std::make_unique<BeamSearch>(limits, start, o);
}

}  // namespace gradus::generate::detail
