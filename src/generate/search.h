#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "gradus/dtype.h"
#include "gradus/generate.h"

/// What the searches share.
namespace gradus::generate::detail {

/// How long a hypothesis may be, under the name of the search that errors begin with. Lengths count the end token.
struct Limits {
  const char* op;
  int64_t max_length, min_length;
  std::optional<int64_t> end;

  /// Throws ValueError.
  void check() const;
  bool ends(int64_t token) const { return end == token; }
  /// Whether a hypothesis of `length` tokens may not end with the next one.
  bool forbids_end(int64_t length) const { return end && length + 1 < min_length; }
};

/// The tokens that a batch starts with. Throws ShapeError or DTypeError.
std::vector<int64_t> start_tokens(const char* op, const Tensor& start);

/// The log-probabilities that a step's logits stand for, (rows, V), dense.
class StepScores {
 public:
  /// `vocabulary` is V of the steps before, or 0; it is set. Throws what greedy_search says of logits.
  StepScores(const Limits& limits, const Tensor& logits, int64_t rows, int64_t& vocabulary);

  /// Calls f with the first element of a row, of its type.
  template <class F>
  void visit_row(int64_t row, F&& f) const {
    if (scores_.dtype() == DType::Float32) f(scores_.data<float>() + row * vocabulary_);
    else f(scores_.data<double>() + row * vocabulary_);
  }

 private:
  Tensor scores_;
  int64_t vocabulary_;
};

/// Rows that go on, `indices` of the `before` there were.
Rows rows_of(const std::vector<int64_t>& indices, int64_t before);

/// Throws ValueError because no token is left that a row could go on with.
[[noreturn]] void fail_without_token(const Limits& limits, int64_t row, int64_t length);

}  // namespace gradus::generate::detail
