#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "generate/search.h"

namespace gradus::generate::detail {

/// A search that goes on with one token a row.
class RowSearch : public Search {
 public:
  RowSearch(const Limits& limits, const Tensor& start);

  int64_t rows() const final { return static_cast<int64_t>(live_.size()); }
  Tensor tokens() const final;
  Rows advance(const Tensor& logits) final;
  std::vector<std::vector<Hypothesis>> hypotheses() const final;

 private:
  /// A token, by its log-probability; -infinity is for those that may not be taken. At least one may.
  virtual int64_t choose(std::span<const double> log_probabilities) = 0;

  Limits limits_;
  int64_t vocabulary_ = 0;
  int64_t length_ = 0;
  std::vector<int64_t> live_;    // which of the batch the rows are
  std::vector<int64_t> tokens_;  // of the rows
  std::vector<Hypothesis> written_;
};

}  // namespace gradus::generate::detail
