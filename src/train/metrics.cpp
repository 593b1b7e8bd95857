#include "gradus/train/metrics.h"

#include <cmath>
#include <iterator>
#include <limits>
#include <vector>

#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/autograd.h"
#include "train/state.h"

namespace gradus::train {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

/// How many of `classes` numbers, `step` apart, come before the one at `target`; all of them where that one is NaN.
template <class T>
int64_t rank_of(const T* scores, int64_t classes, int64_t step, int64_t target) {
  const T own = scores[target * step];
  if (std::isnan(own)) return classes;
  int64_t rank = 0;
  for (int64_t c = 0; c < classes; ++c) {
    const T other = scores[c * step];
    rank += other > own || std::isnan(other) || (other == own && c < target);
  }
  return rank;
}

void check_target(const char* op, const Tensor& target) {
  check<DTypeError>(target.dtype() == DType::Int64, "{}: the target is {}; classes are int64", op, name(target.dtype()));
}

/// The shape of the targets that belong to these scores, whose classes are dimension 1, or 0 where there is no other.
Shape target_shape(const Tensor& scores) {
  Shape shape = scores.shape();
  if (!shape.empty()) shape.erase(shape.size() > 1 ? 1 : 0);
  return shape;
}

}  // namespace

void Mean::update(double value, double weight) {
  check<ValueError>(std::isfinite(weight) && weight >= 0, "Mean: weight {} must be finite and not negative", weight);
  if (weight == 0) return;
  sum_ += value * weight;
  weight_ += weight;
}

double Mean::compute() const noexcept { return weight_ > 0 ? sum_ / weight_ : kNothing; }

io::StateValues Mean::state_dict() const { return {{"sum", sum_}, {"weight", weight_}}; }

void Mean::load_state_dict(const io::StateValues& state) {
  check_state_names("Mean", state, {"sum", "weight"});
  const auto sum = state.get<double>("sum"), weight = state.get<double>("weight");
  check<ValueError>(weight >= 0, "Mean: load_state_dict: weight is {}; it must not be negative", weight);
  sum_ = sum;
  weight_ = weight;
}

Accuracy::Accuracy(const AccuracyOptions& options) : options_(options) {
  check<ValueError>(options.top_k >= 1, "Accuracy: top_k is {}; it must be at least 1", options.top_k);
}

void Accuracy::update(const Tensor& scores, const Tensor& target) {
  constexpr const char* op = "Accuracy";
  check<ShapeError>(scores.dim() > 0 && target.shape() == target_shape(scores),
                    "{}: scores {} and target {} do not fit; they are (N, C) and (N), (N, C, d1, …) and (N, d1, …), or (C) and ()", op,
                    scores.shape(), target.shape());
  check_target(op, target);
  const int64_t class_dim = scores.dim() > 1 ? 1 : 0, classes = scores.shape()[class_dim];
  check<ShapeError>(classes >= options_.top_k, "{}: top_k is {}, but scores {} have {} classes", op, options_.top_k, scores.shape(),
                    classes);
  int64_t inner = 1;
  for (int64_t d = class_dim + 1; d < scores.dim(); ++d) inner *= scores.shape()[d];
  const NoGradGuard no_grad;
  const Tensor dense = scores.detach().contiguous();
  const std::vector<int64_t> wanted = target.to_vector<int64_t>();
  int64_t correct = 0, total = 0;
  dispatch_floating(op, dense.dtype(), [&]<class T>() {
    const T* const first = dense.data<T>();
    for (int64_t i = 0; i < std::ssize(wanted); ++i) {
      const int64_t c = wanted[static_cast<size_t>(i)];
      if (c == options_.ignore_index) continue;
      check<IndexError>(c >= 0 && c < classes, "{}: class {} of target {} is out of range for {} classes; ignore_index is {}", op, c, i,
                        classes, options_.ignore_index);
      ++total;
      correct += rank_of(first + i / inner * classes * inner + i % inner, classes, inner, c) < options_.top_k;
    }
  });
  correct_ += correct;
  total_ += total;
}

void Accuracy::update_predicted(const Tensor& predicted, const Tensor& target) {
  constexpr const char* op = "Accuracy";
  check<ValueError>(options_.top_k == 1, "{}: top_k is {}; it takes scores, not the classes that were chosen", op, options_.top_k);
  check<ShapeError>(predicted.shape() == target.shape(), "{}: predicted classes {} and target {} must have one shape", op,
                    predicted.shape(), target.shape());
  check_target(op, target);
  check<DTypeError>(predicted.dtype() == DType::Int64, "{}: the predicted classes are {}; classes are int64", op, name(predicted.dtype()));
  const std::vector<int64_t> found = predicted.to_vector<int64_t>(), wanted = target.to_vector<int64_t>();
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == options_.ignore_index) continue;
    ++total_;
    correct_ += found[i] == wanted[i];
  }
}

double Accuracy::compute() const noexcept { return total_ > 0 ? static_cast<double>(correct_) / static_cast<double>(total_) : kNothing; }

io::StateValues Accuracy::state_dict() const { return {{"correct", correct_}, {"total", total_}}; }

void Accuracy::load_state_dict(const io::StateValues& state) {
  check_state_names("Accuracy", state, {"correct", "total"});
  const int64_t correct = count_of("Accuracy", state, "correct"), total = count_of("Accuracy", state, "total");
  check<ValueError>(correct <= total, "Accuracy: load_state_dict: correct is {} of a total of {}", correct, total);
  correct_ = correct;
  total_ = total;
}

}  // namespace gradus::train
