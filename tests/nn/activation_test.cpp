#include "gradus/nn/activation.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/sequential.h"
#include "gradus/ops/activation.h"
#include "gradus/random.h"
#include "nn/nn_test.h"

using namespace nn_test;

TEST_CASE("activation layers print as PyTorch prints them") {
  CHECK(nn::Identity().str() == "Identity()");
  CHECK(nn::ReLU().str() == "ReLU()");
  CHECK(nn::ReLU6().str() == "ReLU6()");
  CHECK(nn::LeakyReLU(0.2).str() == "LeakyReLU(negative_slope=0.2)");
  CHECK(nn::PReLU(3).str() == "PReLU(num_parameters=3)");
  CHECK(nn::RReLU().str() == "RReLU(lower=0.125, upper=0.3333333333333333)");
  CHECK(nn::ELU().str() == "ELU(alpha=1.0)");
  CHECK(nn::SELU().str() == "SELU()");
  CHECK(nn::CELU(0.5).str() == "CELU(alpha=0.5)");
  CHECK(nn::GELU().str() == "GELU(approximate='none')");
  CHECK(nn::SiLU().str() == "SiLU()");
  CHECK(nn::Mish().str() == "Mish()");
  CHECK(nn::Hardswish().str() == "Hardswish()");
  CHECK(nn::Hardsigmoid().str() == "Hardsigmoid()");
  CHECK(nn::Hardtanh(-2.5, 1e-5).str() == "Hardtanh(min_val=-2.5, max_val=1e-05)");
  CHECK(nn::Hardshrink().str() == "Hardshrink(0.5)");
  CHECK(nn::Softshrink(1).str() == "Softshrink(1.0)");
  CHECK(nn::Tanhshrink().str() == "Tanhshrink()");
  CHECK(nn::Softsign().str() == "Softsign()");
  CHECK(nn::Softplus().str() == "Softplus(beta=1, threshold=20)");
  CHECK(nn::Softplus(2.5, 10.0).str() == "Softplus(beta=2.5, threshold=10.0)");
  CHECK(nn::Sigmoid().str() == "Sigmoid()");
  CHECK(nn::LogSigmoid().str() == "LogSigmoid()");
  CHECK(nn::Tanh().str() == "Tanh()");
  CHECK(nn::Threshold(0.1, 20).str() == "Threshold(threshold=0.1, value=20)");
  CHECK(nn::GLU().str() == "GLU(dim=-1)");
  CHECK(nn::Softmax(1).str() == "Softmax(dim=1)");
  CHECK(nn::LogSoftmax(-1).str() == "LogSoftmax(dim=-1)");
  CHECK(nn::Softmin(0).str() == "Softmin(dim=0)");
  CHECK(nn::Softmax2d().str() == "Softmax2d()");
  CHECK(nn::Flatten().str() == "Flatten(start_dim=1, end_dim=-1)");
  CHECK(nn::Unflatten(1, {2, 3}).str() == "Unflatten(dim=1, unflattened_size=(2, 3))");
  CHECK(nn::Unflatten(0, {4}).str() == "Unflatten(dim=0, unflattened_size=(4,))");
  CHECK(nn::PairwiseDistance().str() == "PairwiseDistance()");
  CHECK(nn::CosineSimilarity().str() == "CosineSimilarity()");
}

TEST_CASE("activation layers stand in a Sequential, compute their function, and clone with it") {
  gradus::manual_seed(1);
  const nn::Sequential model(nn::Linear(4, 6), nn::Tanh(), nn::PReLU(6), nn::Unflatten(1, {2, 3}), nn::Flatten(), nn::GLU(),
                             nn::Softmax(1));
  CHECK(model.str() ==
        "Sequential(\n"
        "  (0): Linear(in_features=4, out_features=6, bias=True)\n"
        "  (1): Tanh()\n"
        "  (2): PReLU(num_parameters=6)\n"
        "  (3): Unflatten(dim=1, unflattened_size=(2, 3))\n"
        "  (4): Flatten(start_dim=1, end_dim=-1)\n"
        "  (5): GLU(dim=-1)\n"
        "  (6): Softmax(dim=1)\n"
        ")");
  CHECK(names(model.state_dict()) == std::vector<std::string>{"0.weight", "0.bias", "2.weight"});
  const Tensor x = gradus::randn({5, 4}), weight = gradus::full(6, 0.25);
  const nn::Linear first(4, 6);
  first.load_state_dict({{"weight", model.state_dict()[0].second}, {"bias", model.state_dict()[1].second}});
  check_same(model(x), gradus::softmax(gradus::glu(gradus::prelu(first(x).tanh(), weight)), 1));
  const nn::Tanh copy = nn::clone(nn::Tanh());
  check_same(copy(x), x.tanh());
}

TEST_CASE("RReLU draws while training and takes the middle slope in evaluation") {
  const nn::RReLU layer(0.2, 0.4);
  const Tensor x = gradus::full(100, -1.0);
  gradus::manual_seed(4);
  const Tensor y = layer(x);
  CHECK(y.min().item() < -0.35);
  CHECK(y.max().item() > -0.25);
  layer.eval();
  check_close(layer(x), gradus::full(100, -0.3), 1e-6);
}

TEST_CASE("activation layers refuse options that make no sense, and calls after a move") {
  CHECK(error_of<gradus::ValueError>([] { nn::Hardtanh(1, 1); }) == "Hardtanh: min_val 1 is not below max_val 1");
  CHECK_THROWS_AS(nn::Softshrink(-0.5), gradus::ValueError);
  CHECK_THROWS_AS(nn::GELU("sigmoid"), gradus::ValueError);
  CHECK_THROWS_AS(nn::RReLU(0.5, 0.1), gradus::ValueError);
  CHECK_THROWS_AS(nn::PReLU(0), gradus::ValueError);
  CHECK_THROWS_AS(nn::CELU(0), gradus::ValueError);
  CHECK_THROWS_AS(nn::Softmax2d()(gradus::zeros({2, 3})), gradus::ShapeError);
  nn::ReLU layer;
  const nn::ReLU taken = std::move(layer);
  CHECK_THROWS_AS(layer(gradus::zeros(2)), gradus::StateError);
  CHECK(values(taken(gradus::tensor({-1.0, 2.0}))) == Values{0, 2});
}
