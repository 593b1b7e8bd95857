#include "gradus/nn/containers.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/nn/any_module.h"
#include "gradus/nn/init.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/module.h"
#include "gradus/nn/rnn.h"
#include "gradus/ops/shape.h"
#include "gradus/random.h"
#include "nn/nn_test.h"

using namespace nn_test;

namespace {

/// A module with several layers of its own kind, and some by name.
struct Stack : nn::Module {
  nn::ModuleList<nn::Linear> layers;
  nn::ModuleDict<> choices;

  Stack()
      : layers(register_module("layers", nn::ModuleList<nn::Linear>{nn::Linear(2, 2), nn::Linear(2, 3)})),
        choices(register_module("choices", nn::ModuleDict<>{{"line", nn::Linear(3, 1)}, {"drop", nn::Dropout(0)}})) {}

  Tensor operator()(const Tensor& x, const std::string& choice) const {
    Tensor y = x;
    for (const nn::Linear& layer : layers) y = layer(y);
    return choices[choice](y);
  }
};

}  // namespace

TEST_CASE("lists and dictionaries of modules belong to the module they are registered with, under PyTorch's names") {
  const Stack stack;
  CHECK(names(stack.state_dict()) == std::vector<std::string>{"layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias",
                                                              "choices.line.weight", "choices.line.bias"});
  CHECK(stack(gradus::ones({1, 2}), "line").shape() == Shape{1, 1});
  CHECK(stack(gradus::ones({1, 2}), "drop").shape() == Shape{1, 3});
  CHECK(stack.str() ==
        "Stack(\n"
        "  (layers): ModuleList(\n"
        "    (0): Linear(in_features=2, out_features=2, bias=True)\n"
        "    (1): Linear(in_features=2, out_features=3, bias=True)\n"
        "  )\n"
        "  (choices): ModuleDict(\n"
        "    (line): Linear(in_features=3, out_features=1, bias=True)\n"
        "    (drop): Dropout(p=0, inplace=False)\n"
        "  )\n"
        ")");
  stack.eval();
  CHECK_FALSE(stack.choices["drop"].is_training());
}

TEST_CASE("a ModuleList grows, shrinks and is renumbered") {
  nn::ModuleList list{nn::Linear(1, 1)};
  const auto widths = [&] {
    std::vector<int64_t> found;
    for (const nn::Linear& layer : list) found.push_back(layer.weight.size(0));
    return found;
  };
  using Widths = std::vector<int64_t>;
  list.append(nn::Linear(1, 2)).extend({nn::Linear(1, 3), nn::Linear(1, 4)});
  CHECK(widths() == Widths{1, 2, 3, 4});
  list.insert(1, nn::Linear(1, 5)).insert(-1, nn::Linear(1, 6)).insert(6, nn::Linear(1, 7));
  CHECK(widths() == Widths{1, 5, 2, 3, 6, 4, 7});
  CHECK(list.pop().weight.size(0) == 7);
  CHECK(list.pop(1).weight.size(0) == 5);
  list.set(-1, nn::Linear(1, 8));
  CHECK(widths() == Widths{1, 2, 3, 6, 8});
  CHECK(list[-1].weight.size(0) == 8);
  CHECK(list.size() == 5);
  const nn::StateDict state = list.state_dict();
  CHECK(state[2].first == "1.weight");
  CHECK(state[2].second.shape() == Shape{2, 1});
  CHECK(state.back().first == "4.bias");
  CHECK(nn::ModuleList<nn::GRU>().empty());
}

TEST_CASE("a ModuleList says which index it does not have, and is unchanged") {
  nn::ModuleList<nn::Linear> list{nn::Linear(1, 1)};
  CHECK(error_of<gradus::IndexError>([&] { list[1]; }) == "ModuleList: index 1 is out of range for 1 modules");
  CHECK_THROWS_AS(list.insert(2, nn::Linear(1, 1)), gradus::IndexError);
  CHECK_THROWS_AS(list.set(-2, nn::Linear(1, 1)), gradus::IndexError);
  CHECK_THROWS_AS(nn::ModuleList<>().pop(), gradus::IndexError);
  CHECK(list.size() == 1);
  nn::ModuleList<nn::ModuleList<nn::Linear>> outer;
  outer.append(list);
  nn::ModuleList<nn::ModuleList<nn::ModuleList<nn::Linear>>> outermost{outer};
  CHECK(outermost.state_dict()[0].first == "0.0.0.weight");
}

TEST_CASE("a ModuleDict keeps the order in which modules came") {
  nn::ModuleDict<nn::Linear> dict{{"b", nn::Linear(1, 1)}, {"a", nn::Linear(1, 2)}};
  using Keys = std::vector<std::string>;
  dict.set("c", nn::Linear(1, 3)).set("b", nn::Linear(1, 4));
  CHECK(dict.keys() == Keys{"b", "a", "c"});
  CHECK(dict["b"].weight.size(0) == 4);
  dict.update({{"d", nn::Linear(1, 5)}, {"a", nn::Linear(1, 6)}, {"d", nn::Linear(1, 7)}});
  CHECK(dict.keys() == Keys{"b", "a", "c", "d"});
  CHECK(dict.values()[1].weight.size(0) == 6);
  CHECK(dict["d"].weight.size(0) == 7);
  CHECK(dict.pop("a").weight.size(0) == 6);
  CHECK(dict.contains("c"));
  CHECK_FALSE(dict.contains("a"));
  int64_t sum = 0;
  for (const auto& [key, layer] : dict) sum += layer.weight.size(0);
  CHECK(sum == 4 + 3 + 7);
  CHECK(dict.items()[2].first == "d");
  CHECK(names(dict.state_dict())[0] == "b.weight");
  nn::ModuleDict<nn::Linear> other;
  other.update(dict.items());
  CHECK(other.keys() == dict.keys());
  dict.clear();
  CHECK(dict.empty());
  CHECK(dict.state_dict().empty());
  CHECK(other.size() == 3);
}

TEST_CASE("a ModuleDict says which key it does not have, and is unchanged by a bad one") {
  nn::ModuleDict<> dict{{"line", nn::Linear(1, 1)}, {"drop", nn::Dropout()}};
  CHECK(error_of<gradus::IndexError>([&] { dict["lane"]; }) == "ModuleDict: there is no module 'lane'; there are: line, drop");
  CHECK(error_of<gradus::IndexError>([] { nn::ModuleDict<>().pop("x"); }) == "ModuleDict: there is no module 'x'; there are: none");
  CHECK_THROWS_AS(dict.set("a.b", nn::Dropout()), gradus::ValueError);
  CHECK_THROWS_AS(dict.set("", nn::Dropout()), gradus::ValueError);
  CHECK(dict.size() == 2);
  CHECK(dict.named_children().size() == 2);
}

TEST_CASE("copies of a container are the same container") {
  nn::ModuleList<> list{nn::Linear(1, 2)};
  const nn::ModuleList<> copy = list;
  list.append(nn::Dropout());
  CHECK(copy.size() == 2);
  Stack stack;
  stack.layers.append(nn::Linear(3, 3));
  CHECK(stack.state_dict().size() == 8);
  CHECK(stack.named_children()[0].second.named_children().size() == 3);
}

TEST_CASE("a clone of containers is independent, and calls its own modules") {
  gradus::manual_seed(1);
  Stack stack;
  const Stack twin = nn::clone(stack);
  const Tensor x = gradus::ones({1, 2}), y = twin(x, "line").detach();
  for (const Tensor& p : stack.parameters()) nn::init::zeros_(p);
  stack.layers.append(nn::Linear(3, 3));
  check_same(twin(x, "line"), y);
  CHECK(twin.layers.size() == 2);
  for (const Tensor& p : twin.parameters()) nn::init::zeros_(p);
  CHECK(values(twin(x, "line")) == Values{0});
  CHECK(twin.layers[0].weight.is_same(twin.parameters()[0]));
}

TEST_CASE("AnyModule is another handle to the module that it was made of") {
  const nn::Linear layer(2, 1);
  const nn::AnyModule any = layer;
  CHECK(any.str() == layer.str());
  CHECK(any.parameters()[0].is_same(layer.weight));
  check_same(any(gradus::ones(2)), layer(gradus::ones(2)).detach());
  struct Twice : nn::Module {
    Tensor operator()(const Tensor& x) const { return x * 2; }
  };
  CHECK(nn::ModuleList<>{Twice(), any}.str() == "ModuleList(\n  (0): Twice()\n  (1): Linear(in_features=2, out_features=1, bias=True)\n)");
}
