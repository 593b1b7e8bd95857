#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gradus/creation.h"
#include "gradus/nn/activation.h"
#include "gradus/nn/embedding.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/normalization.h"
#include "gradus/nn/rnn.h"
#include "gradus/nn/sequential.h"
#include "gradus/nn/transformer.h"
#include "gradus/random.h"
#include "gradus/train.h"

using namespace gradus;

namespace {

struct Net : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Linear out;
  Net()
      : embedding(register_module("embedding", nn::Embedding(10, 8))),
        rnn(register_module("rnn", nn::GRU(8, 8))),
        out(register_module("out", nn::Linear(8, 10))) {}
  Tensor operator()(const Tensor& tokens) const { return out(rnn(embedding(tokens)).output); }
};

/// A module that takes two tensors and gives two, and shows them.
struct Pair : nn::Module {
  Pair() : nn::Module("Pair") {}
  std::pair<Tensor, Tensor> operator()(const Tensor& a, const Tensor& b) const {
    const nn::ForwardScope here(*this);
    return here.gives(std::pair(a + b, a));
  }
};

/// One that shows nothing, and is called by nn::call here and by its operator there.
struct Plain : nn::Module {
  Plain() : nn::Module("Plain") {}
  Tensor operator()(const Tensor& x) const { return x; }
};

struct Outer : nn::Module {
  Pair pair;
  Plain called, hidden;
  nn::LSTMCell cell;
  nn::Sequential steps;
  nn::Linear unused;
  Outer()
      : nn::Module("Outer"),
        pair(register_module("pair", Pair())),
        called(register_module("called", Plain())),
        hidden(register_module("hidden", Plain())),
        cell(register_module("cell", nn::LSTMCell(3, 2))),
        steps(register_module("steps", nn::Sequential(nn::Linear(2, 4), nn::ReLU()))),
        unused(register_module("unused", nn::Linear(1, 1))) {}
  std::vector<Tensor> operator()(const Tensor& a, const Tensor& b) const {
    const auto [sum, same] = pair(a, b);
    return {steps(cell(hidden(nn::call(called, sum)), Tensor(), Tensor()).h), same};
  }
};

/// One that draws random numbers, and may throw.
struct Noisy : nn::Module {
  nn::Dropout dropout{register_module("dropout", nn::Dropout(0.5))};
  nn::BatchNorm1d norm{register_module("norm", nn::BatchNorm1d(3))};
  bool throws = false;
  Tensor operator()(const Tensor& x) const {
    const Tensor y = norm(dropout(x)) + randn(x.shape());
    if (throws) throw std::runtime_error("as it was asked");
    return y;
  }
};

Tensor tokens() { return zeros({7, 4}, {.dtype = int64}); }

}  // namespace

TEST_CASE("a summary is a table of layers, output shapes and parameters") {
  CHECK(train::summary(Net(), tokens()).str() ==
        "Layer                   Output shape   Parameters\n"
        "-------------------------------------------------\n"
        "Net                     [7, 4, 10]              -\n"
        "embedding (Embedding)   [7, 4, 8]              80\n"
        "rnn (GRU)               [7, 4, 8]             432\n"
        "out (Linear)            [7, 4, 10]             90\n"
        "-------------------------------------------------\n"
        "602 parameters, 602 of them trainable; 2408 bytes, and 0 of buffers\n");
}

TEST_CASE("a summary tells weights that are tied once, and those that are frozen apart") {
  Net net;
  net.out.weight = net.embedding.weight;
  net.rnn.requires_grad_(false);
  const train::Summary summary = train::summary(net, tokens());
  CHECK(summary.parameters == 80 + 432 + 10);
  CHECK(summary.trainable == 90);
  CHECK(summary.parameter_bytes == 4 * 522);
  CHECK(summary.rows.at(1).parameters == 80);
  CHECK(summary.rows.at(3).parameters == 10);
  CHECK(summary.str().find("rnn (GRU)               [7, 4, 8]           (432)\n") != std::string::npos);
  Net other;
  other.out.bias.requires_grad_(false);
  CHECK(train::summary(other, tokens()).str().find("out (Linear)            [7, 4, 10]      80 + (10)\n") != std::string::npos);
}

TEST_CASE("a summary sees layers, what nn::call calls and modules that show what they give") {
  const train::Summary summary = train::summary(Outer(), zeros({5, 3}), ones({5, 3}));
  CHECK(summary.str() ==
        "Layer                Output shape     Parameters\n"
        "------------------------------------------------\n"
        "Outer                [5, 4], [5, 3]            -\n"
        "pair (Pair)          [5, 3], [5, 3]            -\n"
        "called (Plain)       [5, 3]                    -\n"
        "hidden (Plain)       -                         -\n"
        "cell (LSTMCell)      [5, 2]                   56\n"
        "steps (Sequential)   [5, 4]                    -\n"
        "steps.0 (Linear)     [5, 4]                   12\n"
        "steps.1 (ReLU)       [5, 4]                    -\n"
        "unused (Linear)      -                         2\n"
        "------------------------------------------------\n"
        "70 parameters, 70 of them trainable; 280 bytes, and 0 of buffers\n");
}

TEST_CASE("a summary leaves modes, random numbers and running figures as they were, also when the model throws") {
  Noisy model;
  model.norm.eval();
  manual_seed(3);
  const auto random = get_rng_state().to_vector<int64_t>();
  const auto check_untouched = [&] {
    CHECK(model.is_training());
    CHECK(model.dropout.is_training());
    CHECK(!model.norm.is_training());
    CHECK(get_rng_state().to_vector<int64_t>() == random);
    CHECK(model.norm.running_mean.to_vector<double>() == std::vector<double>{0, 0, 0});
  };
  const train::Summary summary = train::summary(model, ones({4, 3}));
  check_untouched();
  CHECK(summary.buffer_bytes == 3 * 4 + 3 * 4 + 8);  // running mean and variance, the number of batches
  CHECK(summary.rows.at(2).outputs == std::vector<Shape>{{4, 3}});
  model.throws = true;
  CHECK_THROWS_AS(train::summary(model, ones({4, 3})), std::runtime_error);
  check_untouched();
  model.throws = false;
  CHECK(model(ones({4, 3})).requires_grad());  // and nobody watches any more
}

TEST_CASE("a summary's columns stand below each other, whatever letters the names have") {
  struct Size : nn::Module {
    nn::Linear first{register_module("größe", nn::Linear(1, 1))}, out{register_module("out", nn::Linear(1, 1))};
    Size() : nn::Module("Größe") {}
    Tensor operator()(const Tensor& x) const { return out(first(x)); }
  };
  CHECK(train::summary(Size(), zeros({2, 1})).str() ==
        "Layer            Output shape   Parameters\n"
        "------------------------------------------\n"
        "Größe            [2, 1]                  -\n"
        "größe (Linear)   [2, 1]                  2\n"
        "out (Linear)     [2, 1]                  2\n"
        "------------------------------------------\n"
        "4 parameters, 4 of them trainable; 16 bytes, and 0 of buffers\n");
}

TEST_CASE("a summary sees attention and the layers of a Transformer") {
  const nn::TransformerEncoder encoder(nn::TransformerEncoderLayer(4, 2, {.dim_feedforward = 6}), 1);
  CHECK(train::summary(encoder, zeros({5, 3, 4})).str() ==
        "Layer                                     Output shape   Parameters\n"
        "-------------------------------------------------------------------\n"
        "TransformerEncoder                        [5, 3, 4]               -\n"
        "layers (ModuleList)                       -                       -\n"
        "layers.0 (TransformerEncoderLayer)        [5, 3, 4]               -\n"
        "layers.0.self_attn (MultiheadAttention)   [5, 3, 4]              60\n"
        "layers.0.self_attn.out_proj (Linear)      [5, 3, 4]              20\n"
        "layers.0.linear1 (Linear)                 [5, 3, 6]              30\n"
        "layers.0.dropout (Dropout)                [5, 3, 6]               -\n"
        "layers.0.linear2 (Linear)                 [5, 3, 4]              28\n"
        "layers.0.norm1 (LayerNorm)                [5, 3, 4]               8\n"
        "layers.0.norm2 (LayerNorm)                [5, 3, 4]               8\n"
        "layers.0.dropout1 (Dropout)               [5, 3, 4]               -\n"
        "layers.0.dropout2 (Dropout)               [5, 3, 4]               -\n"
        "-------------------------------------------------------------------\n"
        "154 parameters, 154 of them trainable; 616 bytes, and 0 of buffers\n");
}
