#include <torch/torch.h>

#include <cstdio>

namespace nn = torch::nn;
using torch::Tensor;

struct EncoderImpl : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Linear head;

  EncoderImpl()
      : embedding(register_module("embedding", nn::Embedding(200, 32))),
        rnn(register_module("rnn", nn::GRU(nn::GRUOptions(32, 32).num_layers(2)))),
        head(register_module("head", nn::Linear(32, 200))) {}

  Tensor forward(const Tensor& tokens) { return head(std::get<0>(rnn(embedding(tokens).permute({1, 0, 2})))); }
};
TORCH_MODULE(Encoder);

int main(int argc, char**) {
  if (argc > 1) {
    std::printf("%.0f\n", torch::zeros({1}).item<double>());
    std::fflush(stdout);
    return 0;
  }
  torch::manual_seed(0);
  const Tensor tokens = torch::randint(200, {64, 10}, torch::kInt64), target = torch::randint(200, {640}, torch::kInt64);
  Encoder encoder;
  torch::optim::Adam adam(encoder->parameters());
  for (int step = 0; step < 10; ++step) {
    const Tensor loss = nn::functional::cross_entropy(encoder(tokens).reshape({-1, 200}), target);
    adam.zero_grad();
    loss.backward();
    nn::utils::clip_grad_norm_(encoder->parameters(), 1.0);
    adam.step();
    std::printf("%.3f\n", loss.item<double>());
  }
}
