#include <sstream>
#include <thread>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/nn/embedding.h"
#include "gradus/nn/init.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/loss.h"
#include "gradus/nn/module.h"
#include "gradus/nn/rnn.h"
#include "gradus/nn/sequential.h"
#include "gradus/optim/sgd.h"
#include "gradus/random.h"
#include "nn/encoder.h"
#include "nn/nn_test.h"

using namespace nn_test;
using gradus::zeros;

namespace {

/// Two parameters and a buffer of its own, and a module inside.
struct Counter : nn::Module {
  nn::Parameter scale, shift, seen;
  nn::Linear inner;

  Counter()
      : scale(register_parameter("scale", gradus::ones(2))),
        shift(register_parameter("shift", zeros(2))),
        seen(register_buffer("seen", zeros(1, {.dtype = gradus::int64}))),
        inner(register_module("inner", nn::Linear(2, 2))) {}

  Tensor operator()(const Tensor& x) const { return inner(x) * scale + shift; }
};

/// For tests of registration: its functions made public.
struct Open : nn::Module {
  using Module::Module;
  using Module::register_buffer;
  using Module::register_module;
  using Module::register_parameter;
};

template <class T>
struct Wrapped : nn::Module {};

void fill(const nn::Module& module, double value) {
  for (const Tensor& p : module.parameters()) nn::init::constant_(p, value);
}

}  // namespace

TEST_CASE("a module lists its parameters and those inside it, in the order of registration, under PyTorch's names") {
  const Encoder encoder(10, 4, 3, 2);
  CHECK(names(encoder.named_parameters()) == std::vector<std::string>{"embedding.weight", "rnn.weight_ih_l0", "rnn.weight_hh_l0",
                                                                      "rnn.bias_ih_l0", "rnn.bias_hh_l0", "rnn.weight_ih_l1",
                                                                      "rnn.weight_hh_l1", "rnn.bias_ih_l1", "rnn.bias_hh_l1"});
  CHECK(encoder.parameters().size() == 9);
  CHECK(encoder.parameters()[0].is_same(encoder.embedding.weight));

  const Counter counter;
  CHECK(names(counter.named_parameters()) == std::vector<std::string>{"scale", "shift", "inner.weight", "inner.bias"});
  CHECK(names(counter.named_parameters(false)) == std::vector<std::string>{"scale", "shift"});
  CHECK(names(counter.named_buffers()) == std::vector<std::string>{"seen"});
  CHECK(counter.buffers()[0].is_same(counter.seen));
  CHECK(names(counter.state_dict()) == std::vector<std::string>{"scale", "shift", "seen", "inner.weight", "inner.bias"});
}

TEST_CASE("named_modules gives the module itself, then what is inside") {
  const Encoder encoder(10, 4, 3, 1);
  std::vector<std::string> found;
  for (const auto& [name, module] : encoder.named_modules()) found.push_back(name + ":" + module.type_name());
  CHECK(found == std::vector<std::string>{":Encoder", "embedding:Embedding", "rnn:GRU"});
  CHECK(encoder.named_children().size() == 2);
  CHECK(encoder.named_children()[1].first == "rnn");
}

TEST_CASE("a parameter that two modules share is listed once, and stands in the state under both names") {
  Open model;
  const nn::Linear layer(2, 2, false);
  model.register_module("a", layer);
  model.register_module("b", layer);
  model.register_parameter("c", layer.weight);
  CHECK(names(model.named_parameters()) == std::vector<std::string>{"c"});
  CHECK(names(model.state_dict()) == std::vector<std::string>{"c", "a.weight", "b.weight"});
  CHECK(model.named_modules().size() == 2);
}

TEST_CASE("names that are empty, dotted or taken are refused, and so are tensors that cannot be registered") {
  Open m;
  m.register_parameter("w", zeros(2));
  const auto by_name = [&](const std::string& name) { return error_of<gradus::ValueError>([&] { m.register_buffer(name, zeros(1)); }); };
  CHECK(by_name("") == "register_buffer: the name '' must not be empty or hold a dot");
  CHECK(by_name("a.b") == "register_buffer: the name 'a.b' must not be empty or hold a dot");
  CHECK(by_name("w") == "register_buffer: the name 'w' is taken");
  CHECK_THROWS_AS(m.register_parameter("w", zeros(2)), gradus::ValueError);
  CHECK_THROWS_AS(m.register_module("w", nn::Dropout()), gradus::ValueError);
  CHECK_THROWS_AS(m.register_parameter("x", {}), gradus::StateError);
  CHECK_THROWS_AS(m.register_parameter("x", zeros(2, {.dtype = gradus::int64})), gradus::DTypeError);
  const Tensor w = gradus::ones(2, {.requires_grad = true});
  CHECK_THROWS_AS(m.register_parameter("x", w * 2), gradus::AutogradError);
  CHECK_THROWS_AS(m.register_buffer("x", w * 2), gradus::AutogradError);
  CHECK(m.state_dict().size() == 1);
}

TEST_CASE("a module cannot contain itself, directly or by way of another") {
  Open a, b;
  CHECK(error_of<gradus::ValueError>([&] { a.register_module("self", a); }) ==
        "register_module: with 'self' the module would contain itself");
  a.register_module("b", b);
  CHECK_THROWS_AS(b.register_module("a", a), gradus::ValueError);
  CHECK(b.named_children().empty());
}

TEST_CASE("a copy is the same module") {
  Encoder encoder(10, 4, 3, 1);
  const Encoder copy = encoder;
  std::vector<Encoder> several(2, encoder);
  fill(encoder, 0.5);
  CHECK(values(copy.embedding.weight) == Values(40, 0.5));
  CHECK(several[1].rnn.parameters()[0].is_same(encoder.rnn.parameters()[0]));
  copy.eval();
  CHECK_FALSE(encoder.is_training());
  const Encoder moved = std::move(encoder);
  CHECK(moved.parameters().size() == 5);
}

TEST_CASE("a handle that was moved from says so") {
  nn::Linear layer(2, 2);
  const nn::Linear taken = std::move(layer);
  CHECK(error_of<gradus::StateError>([&] { layer.parameters(); }) ==
        "Linear: this handle was moved from and is empty; use the one that it was moved to");
  CHECK_THROWS_AS(layer.str(), gradus::StateError);
  CHECK_THROWS_AS(layer.train(), gradus::StateError);
  CHECK_THROWS_AS(layer(zeros({1, 2})), gradus::StateError);
  layer = taken;
  CHECK(layer.parameters().size() == 2);
}

TEST_CASE("a clone has weights of its own, and its members are the ones that it registers") {
  Encoder encoder(10, 4, 3, 2);
  encoder.eval();
  const Encoder twin = nn::clone(encoder);
  CHECK_FALSE(twin.is_training());
  CHECK(names(twin.state_dict()) == names(encoder.state_dict()));
  const Tensor tokens = gradus::tensor({{0, 1, 2}, {3, 4, 5}});
  const Tensor before = encoder(tokens).output.detach();
  check_same(twin(tokens).output, before);

  fill(encoder, 0.1);
  check_same(twin(tokens).output, before);
  for (const Tensor& p : twin.parameters()) {
    CHECK(p.requires_grad());
    for (const Tensor& q : encoder.parameters()) CHECK_FALSE(p.shares_storage_with(q));
  }
  fill(twin, 0.1);
  check_same(twin(tokens).output, encoder(tokens).output.detach());

  twin(tokens).output.sum().backward();
  CHECK(twin.embedding.weight.grad().defined());
  CHECK_FALSE(encoder.embedding.weight.grad().defined());
  CHECK(twin.parameters()[0].is_same(twin.embedding.weight));
  twin.train();
  CHECK_FALSE(encoder.rnn.is_training());
}

TEST_CASE("a clone follows Parameters, buffers and Sequential, and shares inside what was shared inside") {
  const Counter counter;
  const Counter twin = nn::clone(counter);
  counter.seen.fill_(7);
  counter.scale.detach().fill_(3);
  CHECK(twin.seen.item<int64_t>() == 0);
  CHECK(values(twin.scale) == Values{1, 1});
  CHECK(twin.buffers()[0].is_same(twin.seen));

  const nn::Linear layer(2, 2);
  const nn::Sequential twice(layer, nn::Dropout(0), layer);
  const nn::Sequential copy = nn::clone(twice);
  const Tensor x = gradus::ones({1, 2}), y = twice(x).detach();
  fill(layer, 0);
  CHECK(copy.parameters().size() == 2);
  check_same(copy(x), y);
  fill(copy, 0);
  CHECK(values(copy(x)) == Values{0, 0});
}

TEST_CASE("frozen parameters stay frozen in a clone") {
  const nn::Embedding table = nn::Embedding::from_pretrained(gradus::ones({3, 2}));
  CHECK_FALSE(nn::clone(table).weight.requires_grad());
  CHECK_FALSE(nn::clone(table).weight.shares_storage_with(table.weight));
}

TEST_CASE("state travels from one module to another") {
  gradus::manual_seed(3);
  const Encoder from(10, 4, 3, 2), to(10, 4, 3, 2);
  const Tensor tokens = gradus::tensor({{1, 2}, {3, 4}});
  to.load_state_dict(from.state_dict());
  check_same(to(tokens).h_n, from(tokens).h_n.detach());
  for (const auto& [name, tensor] : from.state_dict()) {
    CHECK_FALSE(tensor.requires_grad());
    CHECK_FALSE(tensor.shares_storage_with(to.embedding.weight));
  }
  nn::init::zeros_(from.embedding.weight);
  CHECK(values(from.state_dict()[0].second) == Values(40, 0));
}

TEST_CASE("load_state_dict names everything that does not fit in one message, and then loads nothing") {
  const Counter counter;
  const Values weight = values(counter.inner.weight);
  nn::StateDict state;
  state.emplace_back("scale", gradus::full(2, 9.0));
  state.emplace_back("shift", zeros({2, 1}));
  state.emplace_back("inner.weight", zeros({2, 2}, {.dtype = gradus::float64}));
  state.emplace_back("inner.bias", Tensor());
  state.emplace_back("gain", zeros(1));
  state.emplace_back("gain", zeros(1));
  CHECK(error_of<gradus::ValueError>([&] { counter.load_state_dict(state); }) ==
        "load_state_dict: the state does not fit Counter, nothing was loaded:\n"
        "  repeated: gain\n"
        "  mismatched: shift is float32 [2], given float32 [2, 1]\n"
        "  missing: seen [1]\n"
        "  mismatched: inner.weight is float32 [2, 2], given float64 [2, 2]\n"
        "  undefined: inner.bias\n"
        "  unexpected: gain");
  CHECK(values(counter.scale) == Values{1, 1});
  CHECK(values(counter.inner.weight) == weight);
}

TEST_CASE("without strict, missing and unexpected names are passed over, but shapes must still fit") {
  const Counter counter;
  counter.load_state_dict({{"scale", gradus::full(2, 9.0)}, {"gain", zeros(1)}}, false);
  CHECK(values(counter.scale) == Values{9, 9});
  CHECK_THROWS_AS(counter.load_state_dict({{"scale", zeros(3)}, {"shift", gradus::ones(2)}}, false), gradus::ValueError);
  CHECK(values(counter.shift) == Values{0, 0});
  CHECK_THROWS_AS(counter.load_state_dict({}), gradus::ValueError);
}

TEST_CASE("train, eval and apply reach every module inside") {
  const Encoder encoder(10, 4, 3, 2, 0.5);
  CHECK(encoder.is_training());
  encoder.eval();
  CHECK_FALSE(encoder.rnn.is_training());
  encoder.train();
  CHECK(encoder.embedding.is_training());
  std::vector<std::string> seen;
  encoder.apply([&](const nn::Module& m) { seen.push_back(m.type_name()); });
  CHECK(seen == std::vector<std::string>{"Embedding", "GRU", "Encoder"});
}

TEST_CASE("to converts in place: members, gradients and buffers of real numbers follow") {
  const Counter counter;
  const Tensor handle = counter.inner.weight, x = gradus::ones({3, 2});
  counter(x).sum().backward();
  const Values weight = values(handle), grad = values(handle.grad());
  counter.to(gradus::float64);
  CHECK(handle.dtype() == gradus::float64);
  CHECK(counter.inner.weight.is_same(handle));
  CHECK(counter.seen.dtype() == gradus::int64);
  CHECK(values(handle) == weight);
  CHECK(handle.grad().dtype() == gradus::float64);
  CHECK(values(handle.grad()) == grad);
  CHECK(handle.requires_grad());
  const Tensor y = counter(x.to(gradus::float64));
  CHECK(y.dtype() == gradus::float64);
  y.sum().backward();
  CHECK(values(handle.grad()) != grad);
  CHECK_THROWS_AS(counter.to(gradus::int64), gradus::DTypeError);
}

TEST_CASE("to keeps an optimizer going") {
  const nn::Linear layer(2, 1);
  gradus::optim::SGD sgd(layer.parameters(), {.lr = 0.5});
  layer.to(gradus::float64);
  nn::init::zeros_(layer.bias);
  layer(gradus::ones({1, 2}, {.dtype = gradus::float64})).sum().backward();
  sgd.step();
  CHECK(values(layer.bias) == Values{-0.5});
}

TEST_CASE("zero_grad takes gradients away or sets them to zero; requires_grad_ freezes") {
  const nn::Linear layer(2, 2);
  layer(gradus::ones({1, 2})).sum().backward();
  layer.zero_grad(false);
  CHECK(values(layer.weight.grad()) == Values(4, 0));
  layer.zero_grad();
  CHECK_FALSE(layer.weight.grad().defined());
  layer.requires_grad_(false);
  CHECK_FALSE(layer(gradus::ones({1, 2})).requires_grad());
  layer.requires_grad_();
  CHECK(layer.bias.requires_grad());
}

TEST_CASE("the tree prints as PyTorch prints it") {
  struct Model : nn::Module {
    Encoder encoder;
    nn::Sequential head;
    nn::CrossEntropyLoss loss;
    Model()
        : encoder(register_module("encoder", Encoder(10, 4, 3, 2, 0.25))),
          head(register_module("head", nn::Sequential(nn::Linear(3, 8), nn::Dropout(0.1), nn::Linear(8, 2, false)))),
          loss(register_module("loss", nn::CrossEntropyLoss())) {}
  };
  std::ostringstream out;
  out << Model();
  CHECK(out.str() ==
        "Model(\n"
        "  (encoder): Encoder(\n"
        "    (embedding): Embedding(10, 4)\n"
        "    (rnn): GRU(4, 3, num_layers=2, dropout=0.25)\n"
        "  )\n"
        "  (head): Sequential(\n"
        "    (0): Linear(in_features=3, out_features=8, bias=True)\n"
        "    (1): Dropout(p=0.1, inplace=False)\n"
        "    (2): Linear(in_features=8, out_features=2, bias=False)\n"
        "  )\n"
        "  (loss): CrossEntropyLoss()\n"
        ")");
  CHECK(nn::Embedding(5, 3, {.padding_idx = -1}).str() == "Embedding(5, 3, padding_idx=4)");
  CHECK(nn::GRU(4, 3, {.num_layers = 2, .bias = false, .batch_first = true, .dropout = 0.5, .bidirectional = true}).str() ==
        "GRU(4, 3, num_layers=2, bias=False, batch_first=True, dropout=0.5, bidirectional=True)");
  CHECK(nn::GRUCell(4, 3).str() == "GRUCell(4, 3)");
  CHECK(nn::GRUCell(4, 3, false).str() == "GRUCell(4, 3, bias=False)");
  CHECK(nn::Sequential().str() == "Sequential()");
}

TEST_CASE("a module prints under its C++ type, or the name and details that it was given") {
  struct Local : nn::Module {};
  CHECK(Local().type_name() == "Local");
  CHECK(Local().str() == "Local()");
  CHECK(Wrapped<gradus::Shape>().type_name() == "Wrapped");
  const nn::Module sliced = Encoder(3, 2, 2, 1).named_modules()[0].second;
  CHECK(sliced.type_name() == "Encoder");

  Open named("Gate", "x=1");
  CHECK(named.str() == "Gate(x=1)");
  named.register_module("a", nn::Dropout());
  CHECK(named.str() == "Gate(\n  x=1\n  (a): Dropout(p=0.5, inplace=False)\n)");
}

TEST_CASE("threads may use one module at once") {
  const Encoder encoder(10, 4, 3, 1);
  std::vector<size_t> counts(4);
  std::vector<std::thread> threads;
  for (size_t& count : counts)
    threads.emplace_back([&encoder, &count] {
      for (int i = 0; i < 20; ++i) count += encoder.parameters().size() + nn::clone(encoder).str().size();
    });
  for (std::thread& thread : threads) thread.join();
  const size_t expected = 20 * (5 + encoder.str().size());
  CHECK(counts == std::vector<size_t>(4, expected));
}
