// A small program with a mistake, built with -g as a user's would be, for tests/debugging/check: what it shows when it ends, and what gdb
// does.
#include <cstdio>
#include <iostream>

#include "gradus/gradus.h"

namespace nn = gradus::nn;
using gradus::Tensor;

struct Decoder : nn::Module {
  nn::Linear out;
  nn::Dropout dropout;
  Decoder() : out(register_module("out", nn::Linear(3, 5))), dropout(register_module("dropout", nn::Dropout(0.1))) {}
  Tensor operator()(const Tensor& x) const { return out(dropout(x)); }
};

struct Model : nn::Module {
  nn::Embedding embedding;
  Decoder decoder;
  Model() : embedding(register_module("embedding", nn::Embedding(7, 4))), decoder(register_module("decoder", Decoder())) { type_name(); }
};

/// Where gdb stops.
void look(const Tensor& x, const gradus::Shape& shape, const Model& model) {
  std::printf("%s %lld\n", shape.str().c_str(), static_cast<long long>(x.numel() + model.parameters()[0].numel()));
}

int main() {
  std::ios::sync_with_stdio(false);
  std::cout << "streamed before the error\n";
  const Tensor x = gradus::tensor({{1.5, 2.0, 3.0}, {4.0, 5.0, 6.0}}), turned = x.t(), flags = gradus::gt(x, 3.0);
  const Tensor none, numbers = gradus::arange(1000);
  const Model model;
  const Tensor weight = model.decoder.out.weight;
  look(x, x.shape(), model);
  model.decoder(model.embedding(gradus::tensor({1, 2})));  // the mistake: 4 features, where the layer takes 3
  return turned.defined() && !none.defined() && numbers.defined() && flags.defined() && weight.defined() ? 0 : 1;
}
