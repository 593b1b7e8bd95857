#include "gradus/nn/layers.h"

#include <fmt/format.h>

#include <cmath>

#include "core/check.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/nn/init.h"
#include "gradus/ops/normalization.h"
#include "gradus/ops/product.h"
#include "nn/python_text.h"

namespace gradus::nn {

namespace {

void check_positive(const char* module, const char* what, int64_t value) {
  check<ValueError>(value > 0, "{}: {} is {}, but must be positive", module, what, value);
}

Tensor new_weight(int64_t out, int64_t in) {
  check_positive("Linear", "in_features", in);
  check_positive("Linear", "out_features", out);
  return init::kaiming_uniform_(empty({out, in}), std::sqrt(5.0));
}

Tensor new_bias(int64_t out, int64_t in) {
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  return init::uniform_(empty(out), -bound, bound);
}

}  // namespace

Linear::Linear(int64_t in_features, int64_t out_features, bool with_bias)
    : Module("Linear", linear_details(in_features, out_features, with_bias)),
      weight(register_parameter("weight", new_weight(out_features, in_features))) {
  if (with_bias) bias = register_parameter("bias", new_bias(out_features, in_features));
}

Tensor Linear::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(gradus::linear(x, weight, bias));
}

Bilinear::Bilinear(int64_t in1_features, int64_t in2_features, int64_t out_features, bool with_bias)
    : Module("Bilinear", fmt::format("in1_features={}, in2_features={}, out_features={}, bias={}", in1_features, in2_features, out_features,
                                     python_bool(with_bias))) {
  check_positive("Bilinear", "in1_features", in1_features);
  check_positive("Bilinear", "in2_features", in2_features);
  check_positive("Bilinear", "out_features", out_features);
  const double bound = 1 / std::sqrt(static_cast<double>(in1_features));
  weight = register_parameter("weight", init::uniform_(empty({out_features, in1_features, in2_features}), -bound, bound));
  if (with_bias) bias = register_parameter("bias", init::uniform_(empty(out_features), -bound, bound));
}

Tensor Bilinear::operator()(const Tensor& x1, const Tensor& x2) const {
  const ForwardScope here(*this);
  return here.gives(gradus::bilinear(x1, x2, weight, bias));
}

Dropout::Dropout(double p) : Module("Dropout", fmt::format("p={}, inplace=False", p)), p_(p) {
  check<ValueError>(p >= 0 && p <= 1, "Dropout: p {} is not a probability; give 0 to 1", p);
}

Tensor Dropout::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(gradus::dropout(x, p_, is_training()));
}

}  // namespace gradus::nn
