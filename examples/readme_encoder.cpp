// The program that README.md shows: an encoder learns which of two words a sentence has more of.

// [start:encoder]
#include <gradus/gradus.h>

#include <cstdio>

namespace nn = gradus::nn;
using gradus::Tensor;

struct Encoder : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Linear head;

  Encoder(int64_t vocab, int64_t embed, int64_t hidden, int64_t classes)
      : embedding(register_module("embedding", nn::Embedding(vocab, embed))),
        rnn(register_module("rnn", nn::GRU(embed, hidden, {.num_layers = 2, .dropout = 0.1}))),
        head(register_module("head", nn::Linear(hidden, classes))) {}

  Tensor operator()(const Tensor& tokens) const {            // (batch, steps) int64
    Tensor embedded = embedding(tokens).permute({1, 0, 2});  // (steps, batch, embed)
    auto [output, state] = rnn(embedded);                    // (steps, batch, hidden), (layers, batch, hidden)
    return head(state[-1]);                                  // (batch, classes)
  }
};

int main() {
  gradus::manual_seed(0);
  Tensor tokens = gradus::randint(2, {256, 7});           // 256 sentences of 7 words out of 2
  Tensor labels = tokens.sum(1).gt(3).to(gradus::int64);  // which word is there more often?
  Encoder model(2, 8, 32, 2);
  gradus::optim::Adam adam(model.parameters(), {.lr = 5e-3});
  for (int epoch = 1; epoch <= 60; ++epoch) {
    Tensor loss = gradus::cross_entropy(model(tokens), labels);
    adam.zero_grad();
    loss.backward();
    nn::clip_grad_norm_(model.parameters(), 1.0);
    adam.step();
    if (epoch % 20 == 0) std::printf("epoch %d: loss %.3f\n", epoch, loss.item());
  }
}
// [end:encoder]
