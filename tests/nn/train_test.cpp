#include <filesystem>

#include "nn/nn_test.h"

using namespace nn_test;

namespace {

/// The decoder of Dive into Deep Learning: the encoder's top state joins the input of every step.
struct Decoder : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Linear dense;

  Decoder(int64_t vocab, int64_t embed, int64_t hidden, int64_t layers)
      : embedding(register_module("embedding", nn::Embedding(vocab, embed))),
        rnn(register_module("rnn", nn::GRU(embed + hidden, hidden, {.num_layers = layers}))),
        dense(register_module("dense", nn::Linear(hidden, vocab))) {}

  Tensor operator()(const Tensor& tokens, const Tensor& state) const {
    const Tensor embedded = embedding(tokens).permute({1, 0, 2});  // (steps, batch, embed)
    const Tensor context = state[-1].unsqueeze(0).expand({embedded.size(0), embedded.size(1), state.size(2)});
    return dense(rnn(gradus::cat({embedded, context}, 2), state).output).permute({1, 0, 2});
  }
};

struct Translator : nn::Module {
  Encoder encoder;
  Decoder decoder;
  Translator() : encoder(register_module("encoder", Encoder(24, 8, 12, 2))), decoder(register_module("decoder", Decoder(28, 8, 12, 2))) {}
};

}  // namespace

TEST_CASE("an encoder trains end to end, and its gradients reach the embedding") {
  gradus::manual_seed(0);
  const Encoder encoder(12, 8, 16, 2, 0.1);
  const nn::Linear head(16, 12);
  std::vector<Tensor> parameters = encoder.parameters();
  for (const Tensor& p : head.parameters()) parameters.push_back(p);
  gradus::optim::Adam adam(parameters, {.lr = 1e-2});
  const Tensor tokens = gradus::randint(12, {16, 5}), target = tokens.select(1, 0);  // to be remembered: the first token
  const Values before = values(encoder.embedding.weight);
  std::vector<double> losses;
  for (int step = 0; step < 60; ++step) {
    const Tensor loss = nn::CrossEntropyLoss()(head(encoder(tokens).h_n[-1]), target);
    adam.zero_grad();
    loss.backward();
    CHECK(encoder.embedding.weight.grad().abs().sum().item() > 0);
    nn::clip_grad_norm_(encoder, 1.0);
    adam.step();
    losses.push_back(loss.item());
  }
  CHECK(losses.front() > 2);
  CHECK(losses.back() < 0.3);
  CHECK(values(encoder.embedding.weight) != before);
}

TEST_CASE("a translator's first ten losses and gradient norms are PyTorch's, and so are its weights afterwards") {
  const gradus::io::SafeTensors& file = golden("d2l");
  const Translator model;
  nn::StateDict start;
  for (const auto& [name, tensor] : model.state_dict()) start.emplace_back(name, file.at(name));
  model.load_state_dict(start);
  gradus::optim::Adam adam(model.parameters(), {.lr = 0.005});
  const Values losses = values(file.at("losses")), norms = values(file.at("grad_norms"));
  REQUIRE(losses.size() == 10);
  for (size_t step = 0; step < losses.size(); ++step) {
    const std::string batch = "batch." + std::to_string(step % 2) + ".";
    const Tensor source = file.at(batch + "src"), target = file.at(batch + "tgt"), valid = file.at(batch + "tgt_valid_len");
    adam.zero_grad();
    const Tensor logits = model.decoder(file.at(batch + "dec_input"), model.encoder(source).h_n);
    const Tensor mask = gradus::arange(target.size(1)).lt(valid.unsqueeze(1)).to(gradus::float32);
    const nn::CrossEntropyLoss cross_entropy({.reduction = gradus::Reduction::None});
    const Tensor loss = (cross_entropy(logits.permute({0, 2, 1}), target) * mask).mean({1}).sum();
    loss.backward();
    CHECK(nn::clip_grad_norm_(model, 1) == doctest::Approx(norms[step]).epsilon(1e-5));
    adam.step();
    CHECK(loss.item() / valid.sum().item() == doctest::Approx(losses[step]).epsilon(1e-5));
  }
  for (const auto& [key, tensor] : model.state_dict()) {
    const std::string name = key;
    CAPTURE(name);
    check_close(tensor, file.at("after." + name), 1e-4);
  }
}

TEST_CASE("a state that went through a file gives the same module") {
  const std::string path = (std::filesystem::temp_directory_path() / "gradus_nn_state_test.safetensors").string();
  const Translator from, to;
  gradus::io::save_safetensors(path, from.state_dict());
  to.load_state_dict(gradus::io::load_safetensors(path).tensors);
  std::filesystem::remove(path);
  const Tensor tokens = gradus::tensor({{4, 5, 6}, {7, 8, 9}});
  check_same(to.decoder(tokens, to.encoder(tokens).h_n), from.decoder(tokens, from.encoder(tokens).h_n).detach());
}
