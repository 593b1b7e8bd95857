// The script of docs/tutorials/15_from_pytorch.md in gradus; 15_whole_script.py is the same in PyTorch, and prints the same.

#include "region.h"

// [start:script]
#include <gradus/gradus.h>

#include <cstdio>

namespace nn = gradus::nn;
namespace optim = gradus::optim;
using gradus::Tensor;

struct Encoder : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Linear head;

  Encoder(int64_t vocab, int64_t embed, int64_t hidden, int64_t classes)
      : embedding(register_module("embedding", nn::Embedding(vocab, embed))),
        rnn(register_module("rnn", nn::GRU(embed, hidden, {.num_layers = 2, .dropout = 0.1}))),
        head(register_module("head", nn::Linear(hidden, classes))) {}

  Tensor operator()(const Tensor& tokens) const {            // (B, T) int64
    Tensor embedded = embedding(tokens).permute({1, 0, 2});  // (T, B, E)
    auto [output, state] = rnn(embedded);                    // (T, B, H), (2, B, H)
    return head(state[-1]);                                  // (B, C)
  }
};

int main() {
  gradus::manual_seed(0);
  Tensor tokens = gradus::randint(2, {512, 7});           // (N, T)
  Tensor labels = (tokens.sum(1) > 3).to(gradus::int64);  // (N)
  Encoder model(2, 8, 32, 2);
  optim::Adam adam(model.parameters(), {.lr = 5e-3});
  optim::StepLR schedule(adam, 4, 0.5);
  region("script");
  for (int epoch = 1; epoch <= 12; ++epoch) {
    Tensor loss;
    for (const Tensor& rows : gradus::split(gradus::randperm(512), 64)) {  // (B)
      loss = gradus::cross_entropy(model(tokens.index({rows})), labels.index({rows}));
      adam.zero_grad();
      loss.backward();
      nn::clip_grad_norm_(model.parameters(), 1.0);
      adam.step();
    }
    schedule.step();
    if (epoch % 3 == 0) std::printf("epoch %d: loss %.4f\n", epoch, loss.item());
  }
  model.eval();
  gradus::NoGradGuard no_grad;
  Tensor right = (model(tokens).argmax(1) == labels).sum();
  std::printf("%d of 512 are right\n", right.item<int>());
}
// [end:script]
