#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/io.h"
#include "gradus/nn/module.h"
#include "gradus/nn/rnn.h"
#include "gradus/ops/product.h"
#include "gradus/random.h"
#include "nn/nn_test.h"
#include "parsed.h"

using namespace nn_test;

namespace {

const gradus::io::NamedTensors& file() { return golden("rnn"); }

/// A module's weights, inputs and cotangents of one golden case.
struct Case {
  std::string id;
  nlohmann::json options;

  Tensor tensor(const std::string& name) const {
    const Tensor* found = file().find(id + "." + name);
    return found ? found->clone() : Tensor();
  }
  Tensor input(const std::string& name) const {
    Tensor x = tensor(name);
    if (x.defined()) x.requires_grad_();
    return x;
  }
  double tolerance() const { return tensor("x").dtype() == gradus::float64 ? 1e-10 : 2e-5; }

  void load(const nn::Module& module) const {
    module.to(tensor("x").dtype());
    nn::StateDict weights;
    for (const auto& [name, tensor] : module.state_dict()) weights.emplace_back(name, file().at(id + ".param." + name));
    module.load_state_dict(weights);
  }
  void check_gradients(const nn::Module& module, const Tensor& x, const Tensor& h0) const {
    check_close(x.grad(), tensor("grad.x"), tolerance());
    if (h0.defined()) check_close(h0.grad(), tensor("grad.h0"), tolerance());
    for (const auto& [key, parameter] : module.named_parameters()) {
      const std::string name = key;
      CAPTURE(name);
      check_close(parameter.grad(), tensor("grad.param." + name), tolerance());
    }
  }
};

std::vector<Case> cases(const std::string& kind) {
  std::vector<Case> found;
  for (int k = 0;; ++k) {
    const std::string id = kind + "." + std::to_string(k);
    const auto entry = file().metadata.find(id);
    if (entry == file().metadata.end()) return found;
    found.push_back({id, testing::parsed(entry->second)});
  }
}

nn::GRU gru_of(const nlohmann::json& o) {
  return {o.at("input_size").get<int64_t>(),
          o.at("hidden_size").get<int64_t>(),
          {.num_layers = o.at("num_layers").get<int64_t>(),
           .bias = o.at("bias").get<bool>(),
           .batch_first = o.at("batch_first").get<bool>(),
           .bidirectional = o.at("bidirectional").get<bool>()}};
}

}  // namespace

TEST_CASE("GRU gives PyTorch's outputs, states and gradients") {
  const std::vector<Case> all = cases("gru");
  REQUIRE(all.size() >= 20);
  for (const Case& c : all) {
    CAPTURE(c.id);
    const nn::GRU gru = gru_of(c.options);
    c.load(gru);
    const Tensor x = c.input("x"), h0 = c.input("h0");
    const auto [output, h_n] = gru(x, h0, c.tensor("lengths"));
    check_close(output, c.tensor("output"), c.tolerance());
    check_close(h_n, c.tensor("h_n"), c.tolerance());
    ((output * c.tensor("d_output")).sum() + (h_n * c.tensor("d_h_n")).sum()).backward();
    c.check_gradients(gru, x, h0);
  }
}

TEST_CASE("GRUCell gives PyTorch's state and gradients") {
  const std::vector<Case> all = cases("gru_cell");
  REQUIRE(all.size() >= 4);
  for (const Case& c : all) {
    CAPTURE(c.id);
    const nn::GRUCell cell(c.options.at("input_size").get<int64_t>(), c.options.at("hidden_size").get<int64_t>(),
                           c.options.at("bias").get<bool>());
    c.load(cell);
    const Tensor x = c.input("x"), h0 = c.input("h0"), next = cell(x, h0);
    check_close(next, c.tensor("output"), c.tolerance());
    next.backward(c.tensor("d_output"));
    c.check_gradients(cell, x, h0);
  }
}

TEST_CASE("output's last step is the top layer's state") {
  const auto [output, h_n] = nn::GRU(4, 3, {.num_layers = 2})(gradus::randn({5, 2, 4}));
  CHECK(output.shape() == Shape{5, 2, 3});
  CHECK(h_n.shape() == Shape{2, 2, 3});
  check_same(output[-1], h_n[-1].detach());
}

TEST_CASE("h_n is (layers * directions, batch, hidden) whatever the order of x") {
  const nn::GRU gru(4, 3, {.num_layers = 3, .batch_first = true, .bidirectional = true});
  const auto [output, h_n] = gru(gradus::randn({2, 7, 4}));
  CHECK(output.shape() == Shape{2, 7, 6});
  CHECK(h_n.shape() == Shape{6, 2, 3});
  const auto [one, one_h] = gru(gradus::randn({7, 4}));
  CHECK(one.shape() == Shape{7, 6});
  CHECK(one_h.shape() == Shape{6, 3});
}

TEST_CASE("a row's length freezes its state and clears its output, in any order of lengths") {
  gradus::manual_seed(1);
  const nn::GRU gru(2, 3, {.num_layers = 2});
  const Tensor x = gradus::randn({4, 3, 2}), lengths = gradus::tensor({2, 4, 0});
  const auto [output, h_n] = gru(x, {}, lengths);
  CHECK(values(output.narrow(0, 2, 2).select(1, 0)) == Values(6, 0));
  CHECK(values(output.select(1, 2)) == Values(12, 0));
  CHECK(values(h_n.select(1, 2)) == Values(6, 0));
  const auto [alone, alone_h] = gru(x.select(1, 0).narrow(0, 0, 2));
  check_close(h_n.select(1, 0), alone_h.detach(), 1e-6);
  check_close(output.narrow(0, 0, 2).select(1, 0), alone.detach(), 1e-6);
}

TEST_CASE("dropout sits between layers, while training only") {
  gradus::manual_seed(0);
  const nn::GRU gru(3, 4, {.num_layers = 2, .dropout = 1});
  const Tensor x = gradus::randn({5, 2, 3});
  const nn::RNNOutput trained = gru(x);
  gru.eval();
  const nn::RNNOutput evaluated = gru(x);
  check_same(trained.h_n[0], evaluated.h_n[0].detach());
  CHECK(values(trained.output) != values(evaluated.output));
  // With every input of the second layer dropped, the batch cannot matter.
  check_same(trained.output.select(1, 0), trained.output.select(1, 1).detach());
}

TEST_CASE("the reset gate acts before the product when reset_after is false") {
  gradus::manual_seed(0);
  const nn::GRU gru(2, 3, {.reset_after = false});
  const Tensor x = gradus::randn({1, 1, 2}), h = gradus::randn({1, 1, 3});
  const std::vector<Tensor> p = gru.parameters();
  const auto part = [&](const Tensor& t, int64_t i) { return t.narrow(0, i * 3, 3); };
  const auto gate = [&](int64_t i, const Tensor& state) {
    return gradus::linear(x[0], part(p[0], i), part(p[2], i)) + gradus::linear(state, part(p[1], i), part(p[3], i));
  };
  const Tensor r = gate(0, h[0]).sigmoid(), z = gate(1, h[0]).sigmoid(), n = gate(2, r * h[0]).tanh();
  check_close(gru(x, h).h_n[0], ((1 - z) * n + z * h[0]).detach(), 1e-6);
}

TEST_CASE("a GRU may be called on a temporary and with a batch of none") {
  CHECK(nn::GRU(2, 3)(gradus::zeros({4, 1, 2})).output.shape() == Shape{4, 1, 3});
  CHECK(nn::GRU(2, 3)(gradus::zeros({4, 0, 2})).h_n.shape() == Shape{1, 0, 3});
  CHECK(nn::GRUCell(2, 3)(gradus::zeros({4, 2})).shape() == Shape{4, 3});
  CHECK(nn::GRUCell(2, 3)(gradus::zeros(2)).shape() == Shape{3});
}

TEST_CASE("GRU refuses options that make no sense") {
  const auto with = [](const nn::GRUOptions& o) { return error_of<gradus::ValueError>([&] { nn::GRU(2, 3, o); }); };
  CHECK(with({.num_layers = 0}) == "GRU: num_layers 0 must be positive");
  CHECK(with({.num_layers = 2, .dropout = 1.5}) == "GRU: dropout 1.5 is not a probability; give 0 to 1");
  CHECK(with({.num_layers = 2, .dropout = kNan}) == "GRU: dropout nan is not a probability; give 0 to 1");
  CHECK(with({.dropout = 0.1}) == "GRU: dropout 0.1 acts between layers, but there is one layer; use nn::Dropout on its output");
  CHECK(error_of<gradus::ValueError>([] { nn::GRU(0, 3); }) == "GRU: input_size 0 and hidden_size 3 must be positive");
  CHECK_THROWS_AS(nn::GRU(2, -1), gradus::ValueError);
  CHECK_THROWS_AS(nn::GRU(2, std::numeric_limits<int64_t>::max()), gradus::ValueError);
  CHECK_THROWS_AS(nn::GRUCell(2, 0), gradus::ValueError);
}

TEST_CASE("GRU names what is wrong with its input") {
  const nn::GRU gru(4, 3, {.num_layers = 2});
  const Tensor x = gradus::zeros({7, 2, 4});
  const auto with = [&](const Tensor& input, const Tensor& h0, const Tensor& lengths) {
    return error_of<gradus::ShapeError>([&] { gru(input, h0, lengths); });
  };
  CHECK(with(gradus::zeros({7, 2, 5}), {}, {}) == "GRU: input has 5 features, expected 4 (shape [7, 2, 5])");
  CHECK(with(gradus::zeros(4), {}, {}) ==
        "GRU: x has shape [4], expected (steps, batch, features) or, for one sequence, (steps, features)");
  CHECK(with(x, gradus::zeros({1, 2, 3}), {}) == "GRU: h0 has shape [1, 2, 3], expected [2, 2, 3]");
  CHECK(with(gradus::zeros({7, 4}), gradus::zeros({2, 1, 3}), {}) == "GRU: h0 has shape [2, 1, 3], expected [2, 3]");
  CHECK(with(x, gradus::zeros({2, 1, 3}), {}) == "GRU: h0 has shape [2, 1, 3], expected [2, 2, 3]");
  CHECK(with(gradus::zeros({7, 4}), {}, gradus::tensor({3})) == "GRU: lengths belong to a batch, but x has shape [7, 4]");
  CHECK(with(x, {}, gradus::tensor({3})) == "gru_layer: lengths have shape [1], expected [2], one for each row of the batch");
  CHECK_FALSE(with(gradus::zeros({0, 2, 4}), {}, {}).empty());
  CHECK_THROWS_AS(gru(x, {}, gradus::tensor({3, 8})), gradus::ValueError);
  CHECK_THROWS_AS(gru(x, {}, gradus::tensor({3.0, 2.0})), gradus::DTypeError);
  CHECK_THROWS_AS(gru(x.to(gradus::float64)), gradus::DTypeError);
  CHECK_THROWS_AS(gru(x.to(gradus::int64)), gradus::DTypeError);
  CHECK_THROWS_AS(gru({}), gradus::StateError);
}

TEST_CASE("GRUCell names what is wrong with its input") {
  const nn::GRUCell cell(4, 3);
  CHECK_THROWS_AS(cell(gradus::zeros({2, 5})), gradus::ShapeError);
  CHECK_THROWS_AS(cell(gradus::zeros({2, 4}), gradus::zeros({1, 3})), gradus::ShapeError);
  CHECK_THROWS_AS(cell(gradus::zeros({2, 4}), gradus::zeros(3)), gradus::ShapeError);
  CHECK_THROWS_AS(cell(gradus::zeros({1, 2, 4})), gradus::ShapeError);
  CHECK_THROWS_AS(cell({}), gradus::StateError);
}

TEST_CASE("recurrent layers and cells of sizes that no machine holds are refused before anything is made") {
  const int64_t many = int64_t{1} << 40, most = std::numeric_limits<int64_t>::max();
  CHECK(error_of<gradus::ValueError>([&] {
          nn::GRU(4, 4, {.num_layers = many});
        }).starts_with("GRU: input_size 4, hidden_size 4 and num_layers 1099511627776 make 4.4e+12 parameters with 1.32e+14 numbers"));
  CHECK_THROWS_AS(nn::RNN(1, 1, {.num_layers = many, .bias = false}), gradus::ValueError);
  CHECK_THROWS_AS(nn::LSTM(1, 2, {.num_layers = many, .bidirectional = true, .proj_size = 1}), gradus::ValueError);
  for (const auto& sizes : {std::pair{most, int64_t{1}}, {int64_t{1}, most}, {most, most}, {many, many}, {int64_t{1}, many}}) {
    const int64_t I = sizes.first, H = sizes.second;
    CAPTURE(I);
    CAPTURE(H);
    CHECK_THROWS_AS(nn::GRU(I, H), gradus::ValueError);
    CHECK_THROWS_AS(nn::LSTM(I, H, {.proj_size = H / 2}), gradus::ValueError);
    CHECK_THROWS_AS(nn::RNN(I, H, {.num_layers = most}), gradus::ValueError);
    CHECK_THROWS_AS(nn::GRUCell(I, H), gradus::ValueError);
    CHECK_THROWS_AS(nn::LSTMCell(I, H), gradus::ValueError);
    CHECK_THROWS_AS(nn::RNNCell(I, H), gradus::ValueError);
  }
}

TEST_CASE("recurrent layers and cells that were moved from say so, and the one that they were moved to works") {
  const auto check = [](auto module, const Tensor& x) {
    const auto taken = std::move(module);
    taken(x);
    CHECK_THROWS_AS(module(x), gradus::StateError);
    CHECK_THROWS_AS(module.parameters(), gradus::StateError);
    module = taken;
    module(x);
  };
  const Tensor sequence = gradus::zeros({3, 2, 4}), row = gradus::zeros({2, 4});
  check(nn::GRU(4, 3, {.num_layers = 2, .bidirectional = true}), sequence);
  check(nn::LSTM(4, 3, {.proj_size = 2}), sequence);
  check(nn::RNN(4, 3), sequence);
  check(nn::GRUCell(4, 3), row);
  check(nn::LSTMCell(4, 3), row);
  check(nn::RNNCell(4, 3), row);
}
