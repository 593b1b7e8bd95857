#pragma once

#include <optional>
#include <vector>

#include "autograd/op.h"
#include "gradus/tensor.h"
#include "ops/index_check.h"

/// What losses over class indices share.
namespace gradus {

/// Throws unless `weight`, where it is defined, has one factor a class, in the dtype of the input.
inline void check_class_weight(Op op, const Tensor& weight, int64_t classes, DType dtype) {
  if (!weight.defined()) return;
  op.check<ShapeError>(weight.shape() == Shape(classes), "weight has shape {}, expected [{}], one factor a class", weight.shape(), classes);
  op.check<DTypeError>(weight.dtype() == dtype, "the input is {} and weight {}; they must agree", name(dtype), name(weight.dtype()));
}

/// Throws IndexError, with the first bad target and its place, unless every target (dense, int64) is a class or `ignored`. `shape` is the
/// one in which the caller gave them.
inline void check_targets(Op op, const Tensor& target, int64_t classes, std::optional<int64_t> ignored, const Shape& shape) {
  const int64_t* t = elements<int64_t>(target);
  for (int64_t i = 0; i < target.numel(); ++i) {
    if (t[i] == ignored || (t[i] >= 0 && t[i] < classes)) continue;
    const std::string but = ignored ? fmt::format(" (ignore_index is {})", *ignored) : "";
    op.fail<IndexError>("target {} at {} is out of range for {} classes{}", t[i], place_of(i, shape), classes, but);
  }
}

/// What `Mean` divides by: the weights of the targets that count; 1 when none does, so that the loss is 0.
inline double weight_of_targets(const Tensor& target, const Tensor& weight, int64_t ignored) {
  const int64_t* t = elements<int64_t>(target);
  const std::vector<double> w = weight.defined() ? weight.to_vector<double>() : std::vector<double>();
  double total = 0;
  bool any = false;
  for (int64_t i = 0; i < target.numel(); ++i) {
    if (t[i] == ignored) continue;
    const double factor = w.empty() ? 1.0 : w[static_cast<size_t>(t[i])];
    total += factor;
    any = any || factor != 0;
  }
  return any ? total : 1;
}

}  // namespace gradus
