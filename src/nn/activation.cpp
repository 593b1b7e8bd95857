#include "gradus/nn/activation.h"

#include <fmt/format.h>

#include "core/check.h"
#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
#include "nn/python_text.h"

namespace gradus::nn {
namespace {

std::string python_number(Scalar value) {
  return value.dtype() == DType::Float64 ? python_float(value.to<double>()) : fmt::format("{}", value.to<int64_t>());
}

std::string dim_text(int64_t dim) { return fmt::format("dim={}", dim); }

}  // namespace

Activation::Activation(std::string name, std::string details, std::function<Tensor(const Tensor&)> function)
    : Module(std::move(name), std::move(details)), function_(std::move(function)) {}

Tensor Activation::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(function_(x));
}

Identity::Identity() : Activation("Identity", "", [](const Tensor& x) { return x; }) {}
ReLU::ReLU() : Activation("ReLU", "", gradus::relu) {}
ReLU6::ReLU6() : Activation("ReLU6", "", gradus::relu6) {}

LeakyReLU::LeakyReLU(double negative_slope)
    : Activation("LeakyReLU", "negative_slope=" + python_float(negative_slope),
                 [negative_slope](const Tensor& x) { return gradus::leaky_relu(x, negative_slope); }) {}

static Tensor slopes(int64_t count, double value) {
  check<ValueError>(count > 0, "PReLU: num_parameters is {}, but must be positive", count);
  return full(count, value);
}

PReLU::PReLU(int64_t num_parameters, double init)
    : Module("PReLU", fmt::format("num_parameters={}", num_parameters)),
      weight(register_parameter("weight", slopes(num_parameters, init))) {}
Tensor PReLU::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(gradus::prelu(x, weight));
}

RReLU::RReLU(double lower, double upper)
    : Module("RReLU", fmt::format("lower={}, upper={}", python_float(lower), python_float(upper))), lower_(lower), upper_(upper) {
  check<ValueError>(lower <= upper, "RReLU: lower {} is above upper {}", lower, upper);
}
Tensor RReLU::operator()(const Tensor& x) const {
  const ForwardScope here(*this);
  return here.gives(gradus::rrelu(x, lower_, upper_, is_training()));
}

ELU::ELU(double alpha) : Activation("ELU", "alpha=" + python_float(alpha), [alpha](const Tensor& x) { return gradus::elu(x, alpha); }) {}
SELU::SELU() : Activation("SELU", "", gradus::selu) {}
CELU::CELU(double alpha) : Activation("CELU", "alpha=" + python_float(alpha), [alpha](const Tensor& x) { return gradus::celu(x, alpha); }) {
  check<ValueError>(alpha != 0, "CELU: alpha must not be 0, it divides x");
}

GELU::GELU(const std::string& approximate)
    : Activation("GELU", "approximate='" + approximate + "'", [approximate](const Tensor& x) { return gradus::gelu(x, approximate); }) {
  check<ValueError>(approximate == "none" || approximate == "tanh", "GELU: approximate is \"{}\"; it must be \"none\" or \"tanh\"",
                    approximate);
}
SiLU::SiLU() : Activation("SiLU", "", gradus::silu) {}
Mish::Mish() : Activation("Mish", "", gradus::mish) {}
Hardswish::Hardswish() : Activation("Hardswish", "", gradus::hardswish) {}
Hardsigmoid::Hardsigmoid() : Activation("Hardsigmoid", "", gradus::hardsigmoid) {}

Hardtanh::Hardtanh(double min_val, double max_val)
    : Activation("Hardtanh", fmt::format("min_val={}, max_val={}", python_float(min_val), python_float(max_val)),
                 [=](const Tensor& x) { return gradus::hardtanh(x, min_val, max_val); }) {
  check<ValueError>(min_val < max_val, "Hardtanh: min_val {} is not below max_val {}", min_val, max_val);
}

Hardshrink::Hardshrink(double lambd)
    : Activation("Hardshrink", python_float(lambd), [lambd](const Tensor& x) { return gradus::hardshrink(x, lambd); }) {}
Softshrink::Softshrink(double lambd)
    : Activation("Softshrink", python_float(lambd), [lambd](const Tensor& x) { return gradus::softshrink(x, lambd); }) {
  check<ValueError>(lambd >= 0, "Softshrink: lambd is {}, but must not be negative", lambd);
}
Tanhshrink::Tanhshrink() : Activation("Tanhshrink", "", gradus::tanhshrink) {}
Softsign::Softsign() : Activation("Softsign", "", gradus::softsign) {}

Softplus::Softplus(Scalar beta, Scalar threshold)
    : Activation("Softplus", fmt::format("beta={}, threshold={}", python_number(beta), python_number(threshold)),
                 [=](const Tensor& x) { return gradus::softplus(x, beta.to<double>(), threshold.to<double>()); }) {}
Sigmoid::Sigmoid() : Activation("Sigmoid", "", gradus::sigmoid) {}
LogSigmoid::LogSigmoid() : Activation("LogSigmoid", "", gradus::logsigmoid) {}
Tanh::Tanh() : Activation("Tanh", "", gradus::tanh) {}

Threshold::Threshold(Scalar threshold, Scalar value)
    : Activation("Threshold", fmt::format("threshold={}, value={}", python_number(threshold), python_number(value)),
                 [=](const Tensor& x) { return gradus::threshold(x, threshold.to<double>(), value.to<double>()); }) {}

GLU::GLU(int64_t dim) : Activation("GLU", dim_text(dim), [dim](const Tensor& x) { return gradus::glu(x, dim); }) {}
Softmax::Softmax(int64_t dim) : Activation("Softmax", dim_text(dim), [dim](const Tensor& x) { return gradus::softmax(x, dim); }) {}
LogSoftmax::LogSoftmax(int64_t dim)
    : Activation("LogSoftmax", dim_text(dim), [dim](const Tensor& x) { return gradus::log_softmax(x, dim); }) {}
Softmin::Softmin(int64_t dim) : Activation("Softmin", dim_text(dim), [dim](const Tensor& x) { return gradus::softmin(x, dim); }) {}

Softmax2d::Softmax2d()
    : Activation("Softmax2d", "", [](const Tensor& x) {
        check<ShapeError>(x.dim() == 3 || x.dim() == 4, "Softmax2d: input has shape {}; expected (N, C, H, W) or (C, H, W)", x.shape());
        return gradus::softmax(x, -3);
      }) {}

Flatten::Flatten(int64_t start_dim, int64_t end_dim)
    : Activation("Flatten", fmt::format("start_dim={}, end_dim={}", start_dim, end_dim),
                 [=](const Tensor& x) { return gradus::flatten(x, start_dim, end_dim); }) {}
Unflatten::Unflatten(int64_t dim, const Shape& unflattened_size)
    : Activation("Unflatten", fmt::format("dim={}, unflattened_size={}", dim, python_tuple(unflattened_size)),
                 [=](const Tensor& x) { return gradus::unflatten(x, dim, unflattened_size); }) {}

PairwiseDistance::PairwiseDistance(const PairwiseDistanceOptions& options) : Module("PairwiseDistance"), options_(options) {}
Tensor PairwiseDistance::operator()(const Tensor& x1, const Tensor& x2) const {
  const ForwardScope here(*this);
  return here.gives(gradus::pairwise_distance(x1, x2, options_.p, options_.eps, options_.keepdim));
}

CosineSimilarity::CosineSimilarity(int64_t dim, double eps) : Module("CosineSimilarity"), dim_(dim), eps_(eps) {}
Tensor CosineSimilarity::operator()(const Tensor& x1, const Tensor& x2) const {
  const ForwardScope here(*this);
  return here.gives(gradus::cosine_similarity(x1, x2, dim_, eps_));
}

}  // namespace gradus::nn
