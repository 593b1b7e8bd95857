#include "gradus/nn/normalization.h"

#include <fmt/format.h>

#include "core/check.h"
#include "gradus/ops.h"

namespace gradus::nn {
namespace {

const char* python(bool value) { return value ? "True" : "False"; }

/// "(3,)", "(2, 3)", as Python writes a tuple.
std::string tuple(const Shape& shape) {
  std::string text = fmt::format("({}", fmt::join(shape, ", "));
  return text + (shape.size() == 1 ? ",)" : ")");
}

}  // namespace

LayerNorm::LayerNorm(const Shape& normalized_shape, const LayerNormOptions& options)
    : Module("LayerNorm",
             fmt::format("{}, eps={}, elementwise_affine={}", tuple(normalized_shape), options.eps, python(options.elementwise_affine))),
      shape_(normalized_shape),
      eps_(options.eps) {
  check<ShapeError>(!shape_.empty(), "LayerNorm: normalized_shape is empty; name the sizes of one dimension or more");
  for (int64_t size : shape_) check<ShapeError>(size >= 0, "LayerNorm: normalized_shape {} has a negative size", shape_);
  if (!options.elementwise_affine) return;
  weight = register_parameter("weight", ones(shape_));
  bias = register_parameter("bias", zeros(shape_));
}

Tensor LayerNorm::operator()(const Tensor& x) const { return gradus::layer_norm(x, shape_, weight, bias, eps_); }

}  // namespace gradus::nn
