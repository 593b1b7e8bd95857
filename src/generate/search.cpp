#include "generate/search.h"

#include <limits>

#include "core/check.h"
#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/indexing.h"

namespace gradus::generate::detail {
namespace {

/// Throws unless every row of logits, dense, holds a number, and nothing but numbers and -infinity.
template <class T>
void check_numbers(const char* op, const T* logits, int64_t rows, int64_t vocabulary) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  for (int64_t row = 0; row < rows; ++row, logits += vocabulary) {
    bool are_numbers = true, is_any_possible = false;
    for (int64_t token = 0; token < vocabulary; ++token) {
      are_numbers &= logits[token] < infinity;
      is_any_possible |= logits[token] > -infinity;
    }
    for (int64_t token = 0; !are_numbers && token < vocabulary; ++token)
      gradus::check<ValueError>(logits[token] < infinity, "{}: the logit of token {} in row {} is {}; the model gave no probabilities", op,
                                token, row, static_cast<double>(logits[token]));
    gradus::check<ValueError>(is_any_possible, "{}: all logits of row {} are -infinity; leave one token possible", op, row);
  }
}

}  // namespace

Search::~Search() = default;

void Limits::check() const {
  gradus::check<ValueError>(max_length > 0, "{}: max_length is {}; say how many tokens a hypothesis may have, at least 1", op, max_length);
  gradus::check<ValueError>(min_length >= 0 && min_length <= max_length, "{}: min_length {} is not in 0 to max_length, {}", op, min_length,
                            max_length);
  gradus::check<ValueError>(!end || *end >= 0, "{}: the end token is {}, but tokens are at least 0", op, end.value_or(0));
}

std::vector<int64_t> start_tokens(const char* op, const Tensor& start) {
  check<StateError>(start.defined(), "{}: start is undefined; give the first token of every row", op);
  check<ShapeError>(start.dim() == 1, "{}: start has shape {}, expected (rows), the first token of each", op, start.shape());
  check<DTypeError>(start.dtype() == DType::Int64, "{}: start is {}, but tokens are int64", op, name(start.dtype()));
  return start.to_vector<int64_t>();
}

StepScores::StepScores(const Limits& limits, const Tensor& logits, int64_t rows, int64_t& vocabulary) {
  const char* const op = limits.op;
  check<StateError>(logits.defined(), "{}: the step function gave undefined logits", op);
  check<ShapeError>(logits.dim() == 2 && logits.size(0) == rows && logits.size(1) > 0,
                    "{}: the step function gave logits of shape {} for {} tokens, expected ({}, vocabulary)", op, logits.shape(), rows,
                    rows);
  check<ShapeError>(vocabulary == 0 || logits.size(1) == vocabulary, "{}: the step function gave logits for {} tokens, and {} before", op,
                    logits.size(1), vocabulary);
  check<DTypeError>(is_floating_point(logits.dtype()), "{}: logits are {}; they must be float32 or float64", op, name(logits.dtype()));
  check<IndexError>(limits.end.value_or(0) < logits.size(1), "{}: the end token is {}, but the logits are for tokens 0 to {}", op,
                    limits.end.value_or(0), logits.size(1) - 1);
  vocabulary_ = logits.size(1);
  const Tensor dense = logits.detach().contiguous();
  if (dense.dtype() == DType::Float32) check_numbers(op, dense.data<float>(), rows, vocabulary_);
  else check_numbers(op, dense.data<double>(), rows, vocabulary_);
  scores_ = log_softmax(dense, -1).contiguous();
  vocabulary = vocabulary_;
}

Rows rows_of(const std::vector<int64_t>& indices, int64_t before) {
  const auto count = static_cast<int64_t>(indices.size());
  bool is_same = count == before;
  for (int64_t i = 0; is_same && i < count; ++i) is_same = indices[static_cast<size_t>(i)] == i;
  return {is_same ? Tensor() : from_vector(indices, count), before};
}

Tensor taken(const Tensor& x, int64_t dim, const Rows& rows) {
  if (!x.defined()) return x;
  check<ShapeError>(x.dim() > dim && x.size(dim) == rows.before,
                    "generate: a state of shape {} has no {} rows in dimension {}; generate::Batched<D>(tensor) says that they are "
                    "dimension D",
                    x.shape(), rows.before, dim);
  return rows.indices.defined() ? index_select(x, dim, rows.indices) : x;
}

void fail_without_token(const Limits& limits, int64_t row, int64_t length) {
  fail<ValueError>("{}: row {} has no token to go on with after {}: all but the end token are impossible, and min_length is {}", limits.op,
                   row, length, limits.min_length);
}

}  // namespace gradus::generate::detail
