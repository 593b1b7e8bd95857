#include "gradus/nn/activation.h"
#include "parity/modules.h"

namespace gradus::parity {
namespace {

using A = Arguments;

/// A layer called with its input.
template <class Layer>
Built of_input(Layer layer) {
  return built(std::move(layer), [](const Layer& m, const A& call) { return m(call.tensor("input")); });
}

/// A layer that is made without arguments.
template <class Layer>
Built plain(const A&) {
  return of_input(Layer());
}

template <class Layer>
Built along_dim(const A& a) {
  return of_input(Layer(a.integer("dim")));
}

template <class Layer>
Built with_alpha(const A& a) {
  return of_input(Layer(a.real("alpha", 1)));
}

template <class Layer>
Built with_lambd(const A& a) {
  return of_input(Layer(a.real("lambd", 0.5)));
}

Built pairwise_distance(const A& a) {
  return built(nn::PairwiseDistance({.p = a.real("p", 2), .eps = a.real("eps", 1e-6), .keepdim = a.flag("keepdim", false)}),
               [](const nn::PairwiseDistance& m, const A& call) { return m(call.tensor("x1"), call.tensor("x2")); });
}

Built cosine_similarity(const A& a) {
  return built(nn::CosineSimilarity(a.integer("dim", 1), a.real("eps", 1e-8)),
               [](const nn::CosineSimilarity& m, const A& call) { return m(call.tensor("x1"), call.tensor("x2")); });
}

}  // namespace

std::vector<ModuleRow> activation_modules() {
  constexpr const char* input = "input";
  return {
      {"Identity", "", input, plain<nn::Identity>},
      {"ReLU", "inplace", input, plain<nn::ReLU>},
      {"ReLU6", "inplace", input, plain<nn::ReLU6>},
      {"LeakyReLU", "negative_slope, inplace", input, [](const A& a) { return of_input(nn::LeakyReLU(a.real("negative_slope", 0.01))); }},
      {"PReLU", "num_parameters, init", input,
       [](const A& a) { return of_input(nn::PReLU(a.integer("num_parameters", 1), a.real("init", 0.25))); }},
      {"RReLU", "lower, upper, inplace", input,
       [](const A& a) { return of_input(nn::RReLU(a.real("lower", 1.0 / 8), a.real("upper", 1.0 / 3))); }},
      {"ELU", "alpha, inplace", input, with_alpha<nn::ELU>},
      {"SELU", "inplace", input, plain<nn::SELU>},
      {"CELU", "alpha, inplace", input, with_alpha<nn::CELU>},
      {"GELU", "approximate", input, [](const A& a) { return of_input(nn::GELU(a.text("approximate", "none"))); }},
      {"SiLU", "inplace", input, plain<nn::SiLU>},
      {"Mish", "inplace", input, plain<nn::Mish>},
      {"Hardswish", "inplace", input, plain<nn::Hardswish>},
      {"Hardsigmoid", "inplace", input, plain<nn::Hardsigmoid>},
      {"Hardtanh", "min_val, max_val, inplace", input,
       [](const A& a) { return of_input(nn::Hardtanh(a.real("min_val", -1), a.real("max_val", 1))); }},
      {"Hardshrink", "lambd", input, with_lambd<nn::Hardshrink>},
      {"Softshrink", "lambd", input, with_lambd<nn::Softshrink>},
      {"Tanhshrink", "", input, plain<nn::Tanhshrink>},
      {"Softsign", "", input, plain<nn::Softsign>},
      {"Softplus", "beta, threshold", input, [](const A& a) { return of_input(nn::Softplus(a.real("beta", 1), a.real("threshold", 20))); }},
      {"Sigmoid", "", input, plain<nn::Sigmoid>},
      {"LogSigmoid", "", input, plain<nn::LogSigmoid>},
      {"Tanh", "", input, plain<nn::Tanh>},
      {"Threshold", "threshold, value, inplace", input,
       [](const A& a) { return of_input(nn::Threshold(a.number("threshold"), a.number("value"))); }},
      {"GLU", "dim", input, [](const A& a) { return of_input(nn::GLU(a.integer("dim", -1))); }},
      {"Softmax", "dim", input, along_dim<nn::Softmax>},
      {"LogSoftmax", "dim", input, along_dim<nn::LogSoftmax>},
      {"Softmin", "dim", input, along_dim<nn::Softmin>},
      {"Softmax2d", "", input, plain<nn::Softmax2d>},
      {"Flatten", "start_dim, end_dim", input,
       [](const A& a) { return of_input(nn::Flatten(a.integer("start_dim", 1), a.integer("end_dim", -1))); }},
      {"Unflatten", "dim, unflattened_size", input,
       [](const A& a) { return of_input(nn::Unflatten(a.integer("dim"), a.dims("unflattened_size"))); }},
      {"PairwiseDistance", "p, eps, keepdim", "x1, x2", pairwise_distance},
      {"CosineSimilarity", "dim, eps", "x1, x2", cosine_similarity},
  };
}

}  // namespace gradus::parity
