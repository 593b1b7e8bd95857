#include "gradus/nn/layers.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/nn/embedding.h"
#include "gradus/nn/init.h"
#include "gradus/nn/loss.h"
#include "gradus/nn/module.h"
#include "gradus/nn/rnn.h"
#include "gradus/nn/sequential.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/loss.h"
#include "gradus/ops/normalization.h"
#include "gradus/random.h"
#include "nn/nn_test.h"

using namespace nn_test;

namespace {

const uint64_t seeds[] = {0, 1, 42, (uint64_t{1} << 40) + 7};

/// The weights that `make` draws after seeding are PyTorch's, to `tolerance`.
template <class Make>
void check_parameters_drawn(const std::string& name, Make make, double tolerance) {
  for (uint64_t seed : seeds) {
    CAPTURE(name);
    CAPTURE(seed);
    gradus::manual_seed(seed);
    const auto module = make();
    for (const auto& [parameter, tensor] : module.state_dict())
      check_close(tensor, golden("random").at("seed" + std::to_string(seed) + "." + name + "." + parameter), tolerance);
  }
}

}  // namespace

TEST_CASE("layers start with PyTorch's numbers for the same seed") {
  check_parameters_drawn(
      "linear", [] { return nn::Linear(3, 4); }, 0);
  check_parameters_drawn(
      "linear_40_20", [] { return nn::Linear(40, 20); }, 0);
  check_parameters_drawn(
      "gru", [] { return nn::GRU(3, 4, {.num_layers = 2, .bidirectional = true}); }, 0);
  check_parameters_drawn(
      "gru_cell", [] { return nn::GRUCell(3, 4); }, 0);
  check_parameters_drawn(
      "rnn", [] { return nn::RNN(3, 4, {.num_layers = 2, .bidirectional = true}); }, 0);
  check_parameters_drawn(
      "rnn_cell", [] { return nn::RNNCell(3, 4); }, 0);
  check_parameters_drawn(
      "lstm", [] { return nn::LSTM(3, 4, {.num_layers = 2, .bidirectional = true}); }, 0);
  check_parameters_drawn(
      "lstm_cell", [] { return nn::LSTMCell(3, 4); }, 0);
  check_parameters_drawn(
      "embedding", [] { return nn::Embedding(5, 3); }, 1e-6);
  check_parameters_drawn(
      "embedding_4_3", [] { return nn::Embedding(4, 3); }, 1e-6);
  check_parameters_drawn(
      "embedding_padding_idx_1", [] { return nn::Embedding(5, 3, {.padding_idx = 1}); }, 1e-6);
}

TEST_CASE("Linear computes x W^T + b over the last dimension") {
  const nn::Linear layer(2, 1);
  nn::init::constant_(layer.weight, 3);
  nn::init::constant_(layer.bias, 1);
  const Tensor y = layer(gradus::tensor({{1.0, 2.0}, {0.0, -1.0}}));
  CHECK(y.shape() == Shape{2, 1});
  CHECK(values(y) == Values{10, -2});
  CHECK(layer(gradus::zeros({4, 3, 2})).shape() == Shape{4, 3, 1});
  const nn::Linear plain(2, 1, false);
  CHECK_FALSE(plain.bias.defined());
  CHECK(values(plain(gradus::zeros({1, 2}))) == Values{0});
  CHECK(nn::Linear(2, 3)(gradus::zeros(2)).shape() == Shape{3});
}

TEST_CASE("Linear refuses sizes below 1 and inputs of another width") {
  CHECK(error_of<gradus::ValueError>([] { nn::Linear(0, 2); }) == "Linear: in_features is 0, but must be positive");
  CHECK_THROWS_AS(nn::Linear(2, -1), gradus::ValueError);
  CHECK_THROWS_AS(nn::Linear(2, 3)(gradus::zeros({2, 3})), gradus::ShapeError);
  CHECK_THROWS_AS(nn::Linear(2, 3)(gradus::zeros({2, 2}, {.dtype = gradus::float64})), gradus::DTypeError);
  CHECK_THROWS_AS(nn::Linear(2, 3)({}), gradus::StateError);
}

TEST_CASE("Embedding looks up rows, and its gradient reaches the rows that were used") {
  const nn::Embedding table(3, 4);
  const Tensor y = table(gradus::tensor({{0, 1, 2}, {2, 1, 0}}));
  CHECK(y.shape() == Shape{2, 3, 4});
  check_same(y[1][0], table.weight[2].detach());
  CHECK(y.grad_fn() == "EmbeddingBackward0");
  table(gradus::tensor({1, 1})).sum().backward();
  CHECK(values(table.weight.grad()) == Values{0, 0, 0, 0, 2, 2, 2, 2, 0, 0, 0, 0});
}

TEST_CASE("the padding row starts as zeros and does not learn") {
  const nn::Embedding table(3, 2, {.padding_idx = -1});
  CHECK(values(table.weight[2]) == Values{0, 0});
  CHECK(values(table.weight[0]) != Values{0, 0});
  table(gradus::tensor({2, 0, 2})).sum().backward();
  CHECK(values(table.weight.grad()) == Values{1, 1, 0, 0, 0, 0});
}

TEST_CASE("a table from given vectors is frozen unless told otherwise") {
  const Tensor vectors = gradus::tensor({{1.0, 2.0}, {3.0, 4.0}});
  const nn::Embedding table = nn::Embedding::from_pretrained(vectors);
  CHECK(values(table(gradus::tensor({1}))) == Values{3, 4});
  CHECK_FALSE(table.weight.requires_grad());
  CHECK_FALSE(vectors.requires_grad());
  CHECK(nn::Embedding::from_pretrained(vectors, false).weight.requires_grad());
  CHECK(values(nn::Embedding::from_pretrained(vectors, true, {.padding_idx = 0}).weight[0]) == Values{1, 2});
  CHECK_THROWS_AS(nn::Embedding::from_pretrained(gradus::zeros(3)), gradus::ShapeError);
  CHECK_THROWS_AS(nn::Embedding::from_pretrained(gradus::tensor({{1, 2}})), gradus::DTypeError);
  CHECK_THROWS_AS(nn::Embedding::from_pretrained({}), gradus::StateError);
}

TEST_CASE("EmbeddingBag joins rows of its table, with the options it was made with") {
  const Tensor vectors = gradus::tensor({{1.0, 2.0}, {3.0, 5.0}, {30.0, 40.0}});
  const nn::EmbeddingBag bag = nn::EmbeddingBag::from_pretrained(vectors, true, {.mode = gradus::BagMode::Sum, .padding_idx = 2});
  CHECK_FALSE(bag.weight.requires_grad());
  CHECK(values(bag(gradus::tensor({{0, 1, 2}}))) == Values{4, 7});
  CHECK(values(bag(gradus::tensor({0, 1}), gradus::tensor({0, 1}), gradus::tensor({2.0, 3.0}))) == Values{2, 4, 9, 15});
  const nn::EmbeddingBag fresh(4, 3, {.padding_idx = -1});
  CHECK(values(fresh.weight[3]) == Values{0, 0, 0});
  CHECK(fresh.named_parameters()[0].first == "weight");
  CHECK_THROWS_AS(nn::EmbeddingBag(3, 2, {.padding_idx = 3}), gradus::IndexError);
  CHECK_THROWS_AS(nn::EmbeddingBag(0, 2), gradus::ValueError);
  CHECK_THROWS_AS(nn::EmbeddingBag::from_pretrained(gradus::ones(3)), gradus::ShapeError);
}

TEST_CASE("Embedding and EmbeddingBag print as PyTorch's do") {
  CHECK(nn::Embedding(5, 3).str() == "Embedding(5, 3)");
  CHECK(nn::Embedding(5, 3, {.padding_idx = -1, .max_norm = 1, .norm_type = 1, .scale_grad_by_freq = true, .sparse = true}).str() ==
        "Embedding(5, 3, padding_idx=4, max_norm=1.0, norm_type=1.0, scale_grad_by_freq=True, sparse=True)");
  CHECK(nn::EmbeddingBag(5, 3).str() == "EmbeddingBag(5, 3, mode=mean)");
  CHECK(nn::EmbeddingBag(5, 3, {.max_norm = 0.5, .mode = gradus::BagMode::Max, .padding_idx = 1}).str() ==
        "EmbeddingBag(5, 3, max_norm=0.5, mode=max, padding_idx=1)");
}

TEST_CASE("Embedding names what is out of range") {
  CHECK(error_of<gradus::IndexError>([] {
          nn::Embedding(3, 2)(gradus::tensor({{0, 1}, {2, 3}}));
        }) == "embedding: index 3 at [1, 1] is out of range for 3 rows");
  CHECK(error_of<gradus::IndexError>([] { nn::Embedding(3, 2, {.padding_idx = 3}); }) ==
        "Embedding: padding_idx 3 is out of range for 3 rows");
  CHECK(error_of<gradus::ValueError>([] { nn::Embedding(0, 2); }) == "Embedding: num_embeddings is 0, but must be positive");
  CHECK(error_of<gradus::ValueError>([] { nn::Embedding(2, -3); }) == "Embedding: embedding_dim is -3, but must be positive");
  CHECK_THROWS_AS(nn::Embedding(3, 2)(gradus::zeros(2)), gradus::DTypeError);
}

TEST_CASE("Dropout acts while training only, and keeps the mean") {
  gradus::manual_seed(0);
  const nn::Dropout dropout(0.25);
  const Tensor x = gradus::ones(10000), y = dropout(x);
  int zeros = 0;
  for (double v : values(y)) {
    CHECK((v == 0 || v == doctest::Approx(1 / 0.75)));
    zeros += v == 0;
  }
  CHECK(zeros > 2300);
  CHECK(zeros < 2700);
  dropout.eval();
  check_same(dropout(x), x);
  check_same(nn::Dropout(0)(x), x);
  CHECK(values(nn::Dropout(1)(gradus::ones(2))) == Values{0, 0});
  CHECK(error_of<gradus::ValueError>([] { nn::Dropout(1.5); }) == "Dropout: p 1.5 is not a probability; give 0 to 1");
  CHECK_THROWS_AS(nn::Dropout{-0.1}, gradus::ValueError);
  CHECK_THROWS_AS(nn::Dropout{kNan}, gradus::ValueError);
}

TEST_CASE("Sequential runs its modules in order, user's own among them") {
  struct Twice : nn::Module {
    Tensor operator()(const Tensor& x) const { return x * 2; }
  };
  nn::Sequential model{Twice{}, Twice()};
  CHECK(model.size() == 2);
  CHECK(values(model(gradus::ones(1))) == Values{4});
  CHECK(model.str() == "Sequential(\n  (0): Twice()\n  (1): Twice()\n)");
  const nn::Sequential other = model;
  model.push_back(nn::Sequential(nn::Linear(1, 3), Twice()));
  CHECK(other.size() == 3);
  CHECK(other(gradus::ones(1)).shape() == Shape{3});
  CHECK(names(other.named_parameters()) == std::vector<std::string>{"2.0.weight", "2.0.bias"});
  check_same(nn::Sequential()(gradus::ones(1)), gradus::ones(1));
}

TEST_CASE("evaluation reaches what stands inside a Sequential") {
  const nn::Sequential model(nn::Dropout(1), nn::Dropout(1));
  CHECK(values(model(gradus::ones(2))) == Values{0, 0});
  model.eval();
  CHECK(values(model(gradus::ones(2))) == Values{1, 1});
}

TEST_CASE("CrossEntropyLoss is the function with its options; its weight is a buffer that clones and converts with it") {
  const Tensor logits = gradus::tensor({{1.0, 2.0, 0.5}, {0.0, -1.0, 3.0}}), target = gradus::tensor({1, 0});
  const Tensor weight = gradus::tensor({1.0, 2.0, 3.0});
  check_same(nn::CrossEntropyLoss()(logits, target), gradus::cross_entropy(logits, target));
  const nn::CrossEntropyLoss loss({.weight = weight, .reduction = gradus::Reduction::Sum, .label_smoothing = 0.1});
  const Tensor expected =
      gradus::cross_entropy(logits, target, {.weight = weight, .reduction = gradus::Reduction::Sum, .label_smoothing = 0.1});
  check_same(loss(logits, target), expected);
  CHECK(names(loss.state_dict()) == std::vector<std::string>{"weight"});
  CHECK(loss.parameters().empty());

  const nn::CrossEntropyLoss twin = nn::clone(loss);
  twin.to(gradus::float64);
  CHECK(weight.dtype() == gradus::float32);
  check_close(twin(logits.to(gradus::float64), target), expected.to(gradus::float64), 1e-6);
  check_same(loss(logits, target), expected);
  CHECK_THROWS_AS(nn::CrossEntropyLoss({.label_smoothing = 1.5}), gradus::ValueError);
}
