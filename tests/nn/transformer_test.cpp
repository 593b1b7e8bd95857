#include <cmath>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/nn/init.h"
#include "gradus/nn/module.h"
#include "gradus/nn/normalization.h"
#include "gradus/nn/transformer.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/attention.h"
#include "gradus/ops/reduction.h"
#include "gradus/random.h"
#include "nn/nn_test.h"

using namespace nn_test;
using gradus::randn;

namespace {

const nn::TransformerOptions small{.d_model = 4, .nhead = 2, .num_encoder_layers = 2, .num_decoder_layers = 2, .dim_feedforward = 6};

struct Doubling : nn::Module {
  nn::Parameter factor;
  Doubling() : factor(register_parameter("factor", gradus::full({1}, 2.0))) {}
  Tensor operator()(const Tensor& x) const { return x * factor; }
};

}  // namespace

TEST_CASE("a Transformer starts with PyTorch's numbers for the same seed, under PyTorch's names") {
  gradus::manual_seed(1);
  const nn::Transformer model(small);
  const nn::StateDict state = model.state_dict();
  // torch.manual_seed(1); nn.Transformer(4, 2, 2, 2, 6).state_dict()
  REQUIRE(state.size() == 64);
  CHECK(state[0].first == "encoder.layers.0.self_attn.in_proj_weight");
  CHECK(state.back().first == "decoder.norm.bias");
  check_close(state[0].second[0], gradus::tensor({-0.121216141, -0.0463661849, -0.116293713, -0.225745246}), 1e-6);
  for (const auto& [name, tensor] : state)
    if (name == "decoder.layers.1.linear2.weight")
      check_close(tensor[3], gradus::tensor({0.438298821, 0.592680871, 0.414465904, 0.330632776, -0.293997526, -0.431867033}), 1e-6);
}

TEST_CASE("a Transformer prints as PyTorch's") {
  const nn::TransformerEncoderLayer layer(4, 2, {.dim_feedforward = 8});
  CHECK(layer.str() ==
        "TransformerEncoderLayer(\n"
        "  (self_attn): MultiheadAttention(\n"
        "    (out_proj): Linear(in_features=4, out_features=4, bias=True)\n"
        "  )\n"
        "  (linear1): Linear(in_features=4, out_features=8, bias=True)\n"
        "  (dropout): Dropout(p=0.1, inplace=False)\n"
        "  (linear2): Linear(in_features=8, out_features=4, bias=True)\n"
        "  (norm1): LayerNorm((4,), eps=1e-05, elementwise_affine=True)\n"
        "  (norm2): LayerNorm((4,), eps=1e-05, elementwise_affine=True)\n"
        "  (dropout1): Dropout(p=0.1, inplace=False)\n"
        "  (dropout2): Dropout(p=0.1, inplace=False)\n"
        ")");
  const std::string text = nn::TransformerEncoder(layer, 2, nn::LayerNorm(4)).str();
  CHECK(text.starts_with("TransformerEncoder(\n  (layers): ModuleList(\n    (0): TransformerEncoderLayer(\n"));
  CHECK(text.ends_with("    )\n  )\n  (norm): LayerNorm((4,), eps=1e-05, elementwise_affine=True)\n)"));
}

TEST_CASE("with the same seed a Transformer drops what PyTorch's drops") {
  for (const bool batch_first : {false, true}) {
    CAPTURE(batch_first);
    gradus::manual_seed(3);
    nn::TransformerOptions options = small;
    options.batch_first = batch_first;
    options.dropout = 0.5;
    const nn::Transformer model(options);
    const Tensor src = gradus::arange(24.0).reshape({2, 3, 4}).sin(), tgt = gradus::arange(24.0).reshape({2, 3, 4}).cos();
    gradus::manual_seed(4);
    const Tensor y = model(src, tgt);
    // torch.manual_seed(3); m = nn.Transformer(4, 2, 2, 2, 6, 0.5, batch_first=…); torch.manual_seed(4); m(src, tgt)[1, 2]
    const Tensor expected = batch_first ? gradus::tensor({0.373074591, -0.675927818, -1.14434302, 1.44719613})
                                        : gradus::tensor({1.49565732, -0.59215349, -1.16032934, 0.256825387});
    check_close(y[1][2], expected, 1e-4);
  }
}

TEST_CASE("an encoder is its layers, all starting alike, and its norm") {
  gradus::manual_seed(5);
  const nn::TransformerEncoderLayer layer(4, 2, {.dim_feedforward = 6, .dropout = 0, .activation = "gelu", .norm_first = true});
  const nn::LayerNorm norm(4);
  const nn::TransformerEncoder encoder(layer, 3, norm);
  const Tensor x = randn({5, 2, 4});
  check_close(encoder(x), norm(layer(layer(layer(x)))).detach(), 1e-6);
  for (const Tensor& p : encoder.layers.parameters())
    for (const Tensor& q : layer.parameters()) CHECK_FALSE(p.shares_storage_with(q));
  CHECK(encoder.layers.size() == 3);
  CHECK(encoder.parameters().size() == 3 * 12 + 2);
  check_close(nn::TransformerEncoder(layer, 1)(x), layer(x).detach(), 1e-6);
  check_same(nn::TransformerEncoder(layer, 0)(x), x);
  CHECK(error_of<gradus::ValueError>([&] { nn::TransformerEncoder(layer, -1); }) == "TransformerEncoder: num_layers -1 is negative");
}

TEST_CASE("a decoder under the subsequent mask does not see later steps") {
  gradus::manual_seed(6);
  const nn::TransformerDecoderLayer layer(4, 2, {.dim_feedforward = 6, .dropout = 0});
  const nn::TransformerDecoder decoder(layer, 2, nn::LayerNorm(4));
  const Tensor tgt = randn({5, 1, 4}), memory = randn({3, 1, 4});
  const Tensor mask = nn::Transformer::generate_square_subsequent_mask(5);
  CHECK(values(mask[1]) == Values{0, 0, -kInf, -kInf, -kInf});
  const Tensor whole = decoder(tgt, memory, {.tgt_mask = mask});
  const Tensor part = decoder(tgt.narrow(0, 0, 3), memory, {.tgt_mask = nn::Transformer::generate_square_subsequent_mask(3)});
  check_close(whole.narrow(0, 0, 3), part.detach(), 1e-5);
  CHECK(nn::Transformer::generate_square_subsequent_mask(2, {.dtype = gradus::float64}).dtype() == gradus::float64);
}

TEST_CASE("evaluation gives the same with gradients and without, padded steps included") {
  gradus::manual_seed(7);
  const nn::TransformerEncoder encoder(nn::TransformerEncoderLayer(4, 2, {.dim_feedforward = 6, .batch_first = true}), 2);
  encoder.eval();
  const Tensor x = randn({2, 3, 4}), padding = ~gradus::sequence_mask(gradus::tensor({2, 1}), 3);
  const Tensor y = encoder(x, {}, padding);
  gradus::NoGradGuard no_grad;
  check_same(encoder(x, {}, padding), y.detach());
}

TEST_CASE("relu and dropout in one give the losses, gradients and draws of one after the other, whose hooks run") {
  gradus::manual_seed(9);
  const nn::TransformerDecoderLayer named(4, 2, {.dim_feedforward = 6, .dropout = 0.4});
  const nn::TransformerDecoderLayer apart(
      4, 2, {.dim_feedforward = 6, .dropout = 0.4, .activation = [](const Tensor& x) { return gradus::relu(x); }});
  apart.load_state_dict(named.state_dict());
  const Tensor x = randn({3, 2, 4}), memory = randn({5, 2, 4});
  int calls = 0;
  const auto run = [&](const nn::TransformerDecoderLayer& layer) {
    gradus::manual_seed(1);
    layer.zero_grad();
    const Tensor y = layer(x, memory);
    y.square().sum().backward();
    return gradus::cat({y.detach().flatten(), gradus::rand({2})});
  };
  const Tensor expected = run(apart);
  check_same(run(named), expected);
  for (size_t i = 0; i < named.parameters().size(); ++i) check_same(named.parameters()[i].grad(), apart.parameters()[i].grad());
  named.dropout.register_forward_hook([&](const nn::Module&, const Tensors& inputs, const Tensors& outputs) {
    ++calls;
    CHECK(inputs[0].ge(0).all().item() == 1);
    return outputs;
  });
  check_same(run(named), expected);
  CHECK(calls == 1);
}

TEST_CASE("an activation may be a name, a function or a module, whose parameters then belong to the layer") {
  gradus::manual_seed(8);
  const nn::TransformerEncoderLayer named(4, 2, {.dim_feedforward = 6, .dropout = 0});
  const nn::TransformerEncoderLayer function(
      4, 2, {.dim_feedforward = 6, .dropout = 0, .activation = [](const Tensor& x) { return gradus::relu(x); }});
  function.load_state_dict(named.state_dict());
  const Tensor x = randn({3, 4});
  check_same(function(x), named(x).detach());

  const nn::TransformerEncoderLayer module(4, 2, {.dim_feedforward = 6, .dropout = 0, .activation = Doubling()});
  CHECK(module.state_dict().back().first == "activation.factor");
  const nn::TransformerEncoderLayer twin = nn::clone(module);
  const Tensor y = twin(x).detach();
  nn::init::zeros_(module.named_parameters().back().second);
  check_same(twin(x), y);
  nn::init::zeros_(twin.named_parameters().back().second);
  CHECK_FALSE(gradus::equal(twin(x).detach(), y));
  CHECK(error_of<gradus::ValueError>([] { nn::TransformerActivation("tanh"); }) ==
        "Transformer: activation \"tanh\" is not \"relu\" or \"gelu\"; give another as a function");
}

TEST_CASE("a Transformer takes encoders and decoders made elsewhere, and clones whole") {
  gradus::manual_seed(9);
  const nn::TransformerEncoder encoder(nn::TransformerEncoderLayer(4, 2, {.dim_feedforward = 6, .dropout = 0}), 1);
  nn::TransformerOptions options = small;
  options.custom_encoder = encoder;
  options.dropout = 0;
  const nn::Transformer model(options);
  CHECK(model.encoder.parameters()[0].is_same(encoder.parameters()[0]));
  const nn::Transformer twin = nn::clone(model);
  const Tensor src = randn({3, 4}), tgt = randn({2, 4}), y = twin(src, tgt).detach();
  for (const Tensor& p : model.parameters()) nn::init::zeros_(p);
  check_same(twin(src, tgt), y);
  for (const Tensor& p : twin.parameters()) nn::init::zeros_(p);
  CHECK(values(twin(src, tgt)) == Values(8, 0));
}

TEST_CASE("a Transformer says what does not fit") {
  const nn::Transformer model(small);
  const auto text = [&](const Shape& src, const Shape& tgt) {
    return error_of<gradus::ShapeError>([&] { model(gradus::zeros(src), gradus::zeros(tgt)); });
  };
  CHECK(text({3, 2, 4}, {3, 1, 4}) == "Transformer: src [3, 2, 4] and tgt [3, 1, 4] have batches of 2 and 1");
  CHECK(text({3, 2, 5}, {3, 2, 4}) == "Transformer: src [3, 2, 5] and tgt [3, 2, 4] must have d_model = 4 features");
  CHECK(
      text({3, 4}, {3, 2, 4}) ==
      "Transformer: src has shape [3, 4] and tgt [3, 2, 4]; both must be (steps, batch, features) or, for one sequence, (steps, features)");
  CHECK_THROWS_AS(nn::Transformer({.d_model = 5, .nhead = 2}), gradus::ValueError);
  CHECK_THROWS_AS(nn::TransformerEncoderLayer(4, 2, {.dropout = -1}), gradus::ValueError);
}

TEST_CASE("positions are told by sines and cosines of ever longer waves") {
  const nn::PositionalEncoding encoding(5, {.dropout = 0, .max_len = 60});
  const Tensor y = encoding(gradus::zeros({60, 2, 5}));
  CHECK(y.shape() == Shape{60, 2, 5});
  check_same(y.select(1, 0), y.select(1, 1));
  const Values row = values(y[7][0]);
  for (size_t i = 0; i < 5; ++i) {
    const double angle = 7 / std::pow(10000.0, static_cast<double>(i / 2) * 2 / 5);
    CHECK(row[i] == doctest::Approx(i % 2 == 0 ? std::sin(angle) : std::cos(angle)).epsilon(1e-6));
  }
  check_same(nn::PositionalEncoding(5, {.dropout = 0, .max_len = 60, .batch_first = true})(gradus::zeros({2, 9, 5})),
             y.narrow(0, 0, 9).transpose(0, 1));
  check_same(encoding(gradus::zeros({9, 5})), y.narrow(0, 0, 9).select(1, 0));
  CHECK(encoding.parameters().empty());
  CHECK(encoding.state_dict()[0].second.shape() == Shape{60, 1, 5});
}

TEST_CASE("positions are added in the numbers' own precision, and dropped while training") {
  const nn::PositionalEncoding encoding(4, {.dropout = 1});
  CHECK(values(encoding(gradus::ones({2, 4}))) == Values(8, 0));
  encoding.eval();
  encoding.to(gradus::float64);
  CHECK(encoding(gradus::ones({2, 4}, {.dtype = gradus::float64})).dtype() == gradus::float64);
}

TEST_CASE("PositionalEncoding says what does not fit") {
  const nn::PositionalEncoding encoding(4, {.max_len = 3});
  CHECK(error_of<gradus::ShapeError>([&] {
          encoding(gradus::zeros({4, 2, 4}));
        }) == "PositionalEncoding: x [4, 2, 4] has 4 steps, but max_len is 3");
  CHECK(error_of<gradus::ShapeError>([&] {
          encoding(gradus::zeros({2, 5}));
        }) == "PositionalEncoding: x has shape [2, 5], expected (steps, batch, 4), or (steps, 4) for one sequence");
  CHECK_THROWS_AS(nn::PositionalEncoding(0), gradus::ValueError);
  CHECK_THROWS_AS(nn::PositionalEncoding(4, {.dropout = 2}), gradus::ValueError);
}

TEST_CASE("a padded step of NaN changes no other step of an encoder, and no gradient") {
  for (const bool norm_first : {false, true}) {
    CAPTURE(norm_first);
    gradus::manual_seed(13);
    const nn::TransformerEncoder encoder(
        nn::TransformerEncoderLayer(8, 2, {.dim_feedforward = 16, .dropout = 0, .batch_first = true, .norm_first = norm_first}), 2);
    const Tensor clean = gradus::randn({2, 5, 8}), padding = gradus::zeros({2, 5}, {.dtype = gradus::boolean});
    padding.narrow(1, 3, 2).fill_(true);
    const auto run = [&](double bad) {
      const Tensor x = clean.clone();
      x.narrow(1, 3, 2).fill_(bad);
      std::vector<Tensor> leaves{x.requires_grad_()};
      for (const Tensor& p : encoder.parameters()) leaves.push_back(p);
      const Tensor y = encoder(x, {}, padding).narrow(1, 0, 3);
      std::vector<Tensor> all = gradus::autograd::grad({y.square().sum()}, leaves);
      all.push_back(y.detach());
      return all;
    };
    const std::vector<Tensor> right = run(0), ours = run(kNan);
    for (size_t i = 0; i < right.size(); ++i) {
      CAPTURE(i);
      CHECK(gradus::allclose(ours[i], right[i], 1e-4, 1e-5));
    }
  }
}
