#include "gradus/nn/layers.h"

#include <fmt/format.h>

#include <cmath>

#include "core/check.h"
#include "gradus/autograd.h"
#include "gradus/nn/init.h"
#include "gradus/ops.h"

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

}  // namespace

Linear::Linear(int64_t in_features, int64_t out_features, bool with_bias)
    : Module("Linear", fmt::format("in_features={}, out_features={}, bias={}", in_features, out_features, with_bias ? "True" : "False")),
      weight(register_parameter("weight", new_weight(out_features, in_features))) {
  if (!with_bias) return;
  const double bound = 1 / std::sqrt(static_cast<double>(in_features));
  bias = register_parameter("bias", init::uniform_(empty(out_features), -bound, bound));
}

Tensor Linear::operator()(const Tensor& x) const { return gradus::linear(x, weight, bias); }

Dropout::Dropout(double p) : Module("Dropout", fmt::format("p={}, inplace=False", p)), p_(p) {
  check<ValueError>(p >= 0 && p <= 1, "Dropout: p {} is not a probability; give 0 to 1", p);
}

Tensor Dropout::operator()(const Tensor& x) const { return gradus::dropout(x, p_, is_training()); }

CrossEntropyLoss::CrossEntropyLoss(const CrossEntropyOptions& options) : Module("CrossEntropyLoss"), options_(options) {
  check<ValueError>(options.label_smoothing >= 0 && options.label_smoothing <= 1, "CrossEntropyLoss: label_smoothing {} is not in 0 to 1",
                    options.label_smoothing);
  if (options.weight.defined()) weight_ = register_buffer("weight", options.weight);
}

Tensor CrossEntropyLoss::operator()(const Tensor& logits, const Tensor& target) const {
  CrossEntropyOptions options = options_;
  options.weight = weight_;
  return gradus::cross_entropy(logits, target, options);
}

}  // namespace gradus::nn
