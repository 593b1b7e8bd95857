// The program of docs/guides/debugging.md.

// [start:includes]
#include <gradus/gradus.h>

#include <cstdio>

namespace nn = gradus::nn;
using gradus::Tensor;
// [end:includes]

#include "region.h"

// [start:model]
struct Decoder : nn::Module {
  nn::Linear out;
  Decoder() : out(register_module("out", nn::Linear(3, 5))) {}
  Tensor operator()(const Tensor& x) const { return out(x); }
};

struct Model : nn::Module {
  nn::Embedding embedding;
  Decoder decoder;
  Model() : embedding(register_module("embedding", nn::Embedding(7, 4))), decoder(register_module("decoder", Decoder())) {}
  Tensor operator()(const Tensor& tokens) const { return decoder(embedding(tokens)); }
};
// [end:model]

// [start:scope]
struct Scale : nn::Module {
  nn::Parameter factor;
  Scale() : factor(register_parameter("factor", gradus::ones(4))) {}
  Tensor operator()(const Tensor& x) const {
    const nn::ForwardScope here(*this);
    return x * factor;
  }
};
// [end:scope]

int main() {
  region("path");
  // [start:path]
  const Model model;
  try {
    model(gradus::tensor({1, 2}));
  } catch (const gradus::Error& error) {
    std::printf("%s\n", error.what());
  }
  // [end:path]

  region("own");
  const nn::Sequential steps(Scale{}, nn::Tanh());
  try {
    steps(gradus::ones({2, 3}));
  } catch (const gradus::Error& error) {
    std::printf("%s\n", error.what());
  }
}
