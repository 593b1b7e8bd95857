#include "gradus/nn/normalization.h"

#include "core/check.h"
#include "gradus/creation.h"
#include "gradus/ops/normalization.h"
#include "nn/python_text.h"

namespace gradus::nn {

LayerNorm::LayerNorm(const Shape& normalized_shape, const LayerNormOptions& options)
    : Module("LayerNorm", fmt::format("{}, eps={}, elementwise_affine={}", python_tuple(normalized_shape), python_float(options.eps),
                                      python_bool(options.elementwise_affine))),
      shape_(normalized_shape),
      eps_(options.eps) {
  check<ShapeError>(!shape_.empty(), "LayerNorm: normalized_shape is empty; name the sizes of one dimension or more");
  for (int64_t size : shape_) check<ShapeError>(size >= 0, "LayerNorm: normalized_shape {} has a negative size", shape_);
  if (!options.elementwise_affine) return;
  weight = register_parameter("weight", ones(shape_));
  bias = register_parameter("bias", zeros(shape_));
}

Tensor LayerNorm::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(gradus::layer_norm(x, shape_, weight, bias, eps_));
}

namespace {

std::string details(int64_t num_features, const BatchNormOptions& o) {
  return fmt::format("{}, eps={}, momentum={}, affine={}, track_running_stats={}", num_features, python_float(o.eps),
                     o.momentum ? python_float(*o.momentum) : "None", python_bool(o.affine), python_bool(o.track_running_stats));
}

}  // namespace

namespace detail {

BatchNorm::BatchNorm(const char* name, int64_t num_features, const BatchNormOptions& options)
    : Module(name, details(num_features, options)), num_features_(num_features), options_(options) {
  check<ValueError>(num_features >= 0, "{}: num_features is {}, but must not be negative", name, num_features);
  if (options.affine) {
    weight = register_parameter("weight", ones(num_features));
    bias = register_parameter("bias", zeros(num_features));
  }
  if (!options.track_running_stats) return;
  running_mean = register_buffer("running_mean", zeros(num_features));
  running_var = register_buffer("running_var", ones(num_features));
  num_batches_tracked = register_buffer("num_batches_tracked", zeros({}, {.dtype = DType::Int64}));
}

Tensor BatchNorm::normalized(const Tensor& x, int64_t least, int64_t most) const {
  check<ShapeError>(x.dim() >= least && x.dim() <= most, "{}: x has shape {}, expected {} dimensions: (batch, channels, …)", type_name(),
                    x.shape(), least == most ? fmt::format("{}", least) : fmt::format("{} or {}", least, most));
  check<ShapeError>(x.size(1) == num_features_, "{}: x of shape {} has {} channels, expected {}", type_name(), x.shape(), x.size(1),
                    num_features_);
  const bool tracking = is_training() && options_.track_running_stats;
  const double steps = tracking ? num_batches_tracked.item() + 1 : 1;
  const Tensor y = batch_norm(x, running_mean, running_var, weight, bias, is_training() || !options_.track_running_stats,
                              options_.momentum.value_or(1 / steps), options_.eps);
  if (tracking) num_batches_tracked.add_(1);
  return y;
}

}  // namespace detail

BatchNorm1d::BatchNorm1d(int64_t num_features, const BatchNormOptions& options) : BatchNorm("BatchNorm1d", num_features, options) {}
Tensor BatchNorm1d::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(normalized(x, 2, 3));
}

BatchNorm2d::BatchNorm2d(int64_t num_features, const BatchNormOptions& options) : BatchNorm("BatchNorm2d", num_features, options) {}
Tensor BatchNorm2d::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(normalized(x, 4, 4));
}

GroupNorm::GroupNorm(int64_t num_groups, int64_t num_channels, const GroupNormOptions& options)
    : Module("GroupNorm",
             fmt::format("{}, {}, eps={}, affine={}", num_groups, num_channels, python_float(options.eps), python_bool(options.affine))),
      num_groups_(num_groups),
      eps_(options.eps) {
  check<ValueError>(num_groups > 0 && num_channels >= 0 && num_channels % num_groups == 0,
                    "GroupNorm: {} channels do not divide into {} groups", num_channels, num_groups);
  if (!options.affine) return;
  weight = register_parameter("weight", ones(num_channels));
  bias = register_parameter("bias", zeros(num_channels));
}

Tensor GroupNorm::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(group_norm(x, num_groups_, weight, bias, eps_));
}

}  // namespace gradus::nn
