// A training script as a user would write it, outside the tree: an encoder learns which of two words a sentence holds more of.
#include <gradus/gradus.h>

#include <cstdio>

namespace nn = gradus::nn;
using gradus::Tensor;

struct Encoder : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Linear head;

  Encoder()
      : embedding(register_module("embedding", nn::Embedding(2, 4))),
        rnn(register_module("rnn", nn::GRU(4, 8))),
        head(register_module("head", nn::Linear(8, 2))) {}

  Tensor operator()(const Tensor& tokens) const {
    auto [output, state] = rnn(embedding(tokens).permute({1, 0, 2}));
    return head(state[-1]);
  }
};

int main() {
  gradus::manual_seed(0);
  const Tensor tokens = gradus::randint(0, 2, {64, 5});
  const Tensor labels = tokens.sum(1).gt(2).to(gradus::int64);
  Encoder encoder;
  gradus::optim::Adam adam(encoder.parameters(), {.lr = 1e-2});
  double first = 0, last = 0;
  for (int epoch = 0; epoch < 60; ++epoch) {
    const Tensor loss = gradus::cross_entropy(encoder(tokens), labels);
    adam.zero_grad();
    loss.backward();
    adam.step();
    (epoch == 0 ? first : last) = loss.item();
  }
  std::printf("loss %.3f to %.3f\n", first, last);
  return last < first / 2 ? 0 : 1;
}
