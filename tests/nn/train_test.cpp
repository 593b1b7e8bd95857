#include <filesystem>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/io.h"
#include "gradus/nn/clip.h"
#include "gradus/nn/embedding.h"
#include "gradus/nn/init.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/loss.h"
#include "gradus/nn/module.h"
#include "gradus/nn/rnn.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/loss.h"
#include "gradus/ops/shape.h"
#include "gradus/optim/adam.h"
#include "gradus/random.h"
#include "nn/encoder.h"
#include "nn/nn_test.h"

using namespace nn_test;

namespace {

/// The decoder of Dive into Deep Learning: the encoder's top state joins the input of every step.
struct TrainedDecoder : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Linear dense;

  TrainedDecoder(int64_t vocab, int64_t embed, int64_t hidden, int64_t layers, double dropout)
      : embedding(register_module("embedding", nn::Embedding(vocab, embed))),
        rnn(register_module("rnn", nn::GRU(embed + hidden, hidden, {.num_layers = layers, .dropout = dropout}))),
        dense(register_module("dense", nn::Linear(hidden, vocab))) {}

  Tensor operator()(const Tensor& tokens, const Tensor& state) const {
    const Tensor embedded = embedding(tokens).permute({1, 0, 2});  // (steps, batch, embed)
    const Tensor context = state[-1].unsqueeze(0).expand({embedded.size(0), embedded.size(1), state.size(2)});
    return dense(rnn(gradus::cat({embedded, context}, 2), state).output).permute({1, 0, 2});
  }
};

struct Translator : nn::Module {
  Encoder encoder;
  TrainedDecoder decoder;
  Translator(int64_t source, int64_t target, int64_t embed, int64_t hidden, int64_t layers, double dropout)
      : encoder(register_module("encoder", Encoder(source, embed, hidden, layers, dropout))),
        decoder(register_module("decoder", TrainedDecoder(target, embed, hidden, layers, dropout))) {}

  /// The chapter's loss: the sum over the batch of the mean over the steps, padding left out.
  Tensor loss(const Tensor& source, const Tensor& target, const Tensor& valid, const Tensor& decoder_input) const {
    const Tensor logits = decoder(decoder_input, encoder(source).h_n);
    const Tensor mask = gradus::arange(target.size(1)).lt(valid.unsqueeze(1)).to(gradus::float32);
    const nn::CrossEntropyLoss cross_entropy({.reduction = gradus::Reduction::None});
    return (cross_entropy(logits.permute({0, 2, 1}), target) * mask).mean({1}).sum();
  }
};

/// A translator small enough for a golden file to hold its weights.
Translator small_translator() { return {24, 28, 8, 12, 2, 0}; }

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
  const gradus::io::NamedTensors& file = golden("d2l");
  const Translator model = small_translator();
  nn::StateDict start;
  for (const auto& [name, tensor] : model.state_dict()) start.emplace_back(name, file.at(name));
  model.load_state_dict(start);
  gradus::optim::Adam adam(model.parameters(), {.lr = 0.005});
  const Values losses = values(file.at("losses")), norms = values(file.at("grad_norms"));
  REQUIRE(losses.size() == 10);
  for (size_t step = 0; step < losses.size(); ++step) {
    const std::string batch = "batch." + std::to_string(step % 2) + ".";
    const Tensor valid = file.at(batch + "tgt_valid_len");
    adam.zero_grad();
    const Tensor loss = model.loss(file.at(batch + "src"), file.at(batch + "tgt"), valid, file.at(batch + "dec_input"));
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

TEST_CASE("a model made, fed and trained from a seed alone has PyTorch's first ten losses") {
  constexpr int64_t bos = 2;
  for (const int64_t seed : {0, 7}) {
    const Values losses = values(golden("seeded").at("seed" + std::to_string(seed) + ".losses"));
    REQUIRE(losses.size() == 10);
    gradus::manual_seed(static_cast<uint64_t>(seed));
    const Translator model(184, 201, 32, 32, 2, 0.1);
    for (const auto& [name, parameter] : model.named_parameters())
      if (name.find("weight") != std::string::npos && name.find("embedding") == std::string::npos) nn::init::xavier_uniform_(parameter);
    gradus::optim::Adam adam(model.parameters(), {.lr = 0.005});
    for (const double expected : losses) {
      const Tensor source = gradus::randint(184, {64, 10}), target = gradus::randint(201, {64, 10}), valid = gradus::randint(1, 11, {64});
      const Tensor start = gradus::full({64, 1}, bos);
      const Tensor loss = model.loss(source, target, valid, gradus::cat({start, target.slice(1, 0, -1)}, 1));
      adam.zero_grad();
      loss.backward();
      nn::clip_grad_norm_(model, 1);
      adam.step();
      CHECK(loss.item() / valid.sum().item() == doctest::Approx(expected).epsilon(1e-5));
    }
  }
}

TEST_CASE("a state that went through a file gives the same module") {
  const std::string path = (std::filesystem::temp_directory_path() / "gradus_nn_state_test.safetensors").string();
  const Translator from = small_translator(), to = small_translator();
  gradus::io::save_safetensors(path, from.state_dict());
  to.load_state_dict(gradus::io::load_safetensors(path).tensors);
  std::filesystem::remove(path);
  const Tensor tokens = gradus::tensor({{4, 5, 6}, {7, 8, 9}});
  check_same(to.decoder(tokens, to.encoder(tokens).h_n), from.decoder(tokens, from.encoder(tokens).h_n).detach());
}
