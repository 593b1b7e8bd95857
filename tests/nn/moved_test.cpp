#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string_view>

#include "gradus/creation.h"
#include "gradus/data.h"
#include "gradus/error.h"
#include "gradus/nn.h"
#include "gradus/optim.h"
#include "gradus/text.h"
#include "nn/encoder.h"
#include "nn/nn_test.h"

using namespace nn_test;
using gradus::randn;
using gradus::zeros;

namespace {

/// A handle on a module, whatever its type, and a call of it.
struct Handle {
  virtual ~Handle() = default;
  virtual void call() const = 0;
  virtual const nn::Module& module() const = 0;
  virtual std::unique_ptr<Handle> moved_from() = 0;
  virtual void take(Handle& other) = 0;
  virtual std::unique_ptr<Handle> copied() const = 0;
  virtual std::unique_ptr<Handle> cloned() const = 0;
};

template <class M, class F>
struct HandleOf final : Handle {
  M m;
  F use;
  HandleOf(M handle, F f) : m(std::move(handle)), use(std::move(f)) {}
  void call() const override { use(m); }
  const nn::Module& module() const override { return m; }
  std::unique_ptr<Handle> moved_from() override { return std::make_unique<HandleOf>(std::move(m), use); }
  void take(Handle& other) override { m = std::move(static_cast<HandleOf&>(other).m); }
  std::unique_ptr<Handle> copied() const override { return std::make_unique<HandleOf>(*this); }
  std::unique_ptr<Handle> cloned() const override { return std::make_unique<HandleOf>(nn::clone(m), use); }
};

using Uses = std::map<std::string, std::unique_ptr<Handle>>;

template <class M, class F>
void add(Uses& uses, const std::string& name, const M& module, F call) {
  uses[name] = std::make_unique<HandleOf<M, F>>(module, call);
}

/// A use of every handle that a move leaves behind: it must be refused, by the name of the module, and the others must work on.
void check_moved(const std::string& name, Handle& module) {
  CAPTURE(name);
  const auto refused = name + ": this handle was moved from and is empty; use the one that it was moved to";
  module.call();
  const auto taken = module.moved_from();
  CHECK(error_of<gradus::StateError>([&] { module.call(); }) == refused);
  CHECK(error_of<gradus::StateError>([&] { module.module().parameters(); }) == refused);
  CHECK(error_of<gradus::StateError>([&] { module.module().str(); }) == refused);
  CHECK_NOTHROW(taken->call());
  module.take(*taken);
  CHECK(error_of<gradus::StateError>([&] { taken->call(); }) == refused);
  CHECK_NOTHROW(module.call());
  CHECK_NOTHROW(module.copied()->call());
  CHECK_NOTHROW(module.cloned()->call());
}

const Tensor& tokens() {
  static const Tensor x = gradus::tensor({{0, 1}, {2, 1}});
  return x;
}

void add_layers(Uses& uses) {
  const auto of = [](const Tensor& x) { return [x](const auto& m) { m(x); }; };
  const auto rows = of(randn({2, 4})), sequence = of(randn({3, 2, 4})), image = of(randn({1, 2, 6, 6})), line = of(randn({1, 2, 6}));
  add(uses, "Linear", nn::Linear(4, 3), rows);
  add(uses, "Dropout", nn::Dropout(), rows);
  add(uses, "Bilinear", nn::Bilinear(4, 4, 2), [x = randn({2, 4})](const auto& m) { m(x, x); });
  add(uses, "LinearCrossEntropy", nn::LinearCrossEntropy(4, 3, true, {.weight = gradus::ones(3)}), [x = randn({2, 4})](const auto& m) {
    m(x, gradus::tensor({0, 2}));
    m.logits(x);
  });
  add(uses, "Embedding", nn::Embedding(3, 4), of(tokens()));
  add(uses, "EmbeddingBag", nn::EmbeddingBag(3, 4), of(tokens()));
  add(uses, "LayerNorm", nn::LayerNorm(4), rows);
  add(uses, "GroupNorm", nn::GroupNorm(2, 4), rows);
  add(uses, "BatchNorm1d", nn::BatchNorm1d(4), rows);
  add(uses, "BatchNorm2d", nn::BatchNorm2d(2), image);
  add(uses, "Conv1d", nn::Conv1d(2, 2, 3, {.padding = "same"}), line);
  add(uses, "Conv2d", nn::Conv2d(2, 2, 3, {.padding_mode = nn::PaddingMode::Reflect}), image);
  add(uses, "MaxPool1d", nn::MaxPool1d(2), line);
  add(uses, "MaxPool2d", nn::MaxPool2d(2), image);
  add(uses, "AvgPool1d", nn::AvgPool1d(2), line);
  add(uses, "AvgPool2d", nn::AvgPool2d(2), image);
  add(uses, "AdaptiveAvgPool1d", nn::AdaptiveAvgPool1d(2), line);
  add(uses, "AdaptiveAvgPool2d", nn::AdaptiveAvgPool2d(2), image);
  add(uses, "AdaptiveMaxPool1d", nn::AdaptiveMaxPool1d(2), line);
  add(uses, "AdaptiveMaxPool2d", nn::AdaptiveMaxPool2d(2), image);
  add(uses, "GRU", nn::GRU(4, 3, {.num_layers = 2, .bidirectional = true}), sequence);
  add(uses, "RNN", nn::RNN(4, 3), sequence);
  add(uses, "LSTM", nn::LSTM(4, 3, {.proj_size = 2}), sequence);
  add(uses, "GRUCell", nn::GRUCell(4, 3), rows);
  add(uses, "RNNCell", nn::RNNCell(4, 3), rows);
  add(uses, "LSTMCell", nn::LSTMCell(4, 3), rows);
}

void add_attention(Uses& uses) {
  const Tensor x = randn({2, 3, 4});
  const auto self = [x](const auto& m) { m(x, x, x); };
  add(uses, "MultiheadAttention", nn::MultiheadAttention(4, 2, {.add_bias_kv = true}), self);
  add(uses, "AdditiveAttention", nn::AdditiveAttention(4, 4, 3), self);
  add(uses, "DotProductAttention", nn::DotProductAttention(), self);
  const auto one = [x](const auto& m) { m(x); };
  const auto two = [x](const auto& m) { m(x, x); };
  const nn::TransformerLayerOptions options{.dim_feedforward = 5, .activation = nn::ReLU()};
  add(uses, "TransformerEncoderLayer", nn::TransformerEncoderLayer(4, 2, options), one);
  add(uses, "TransformerDecoderLayer", nn::TransformerDecoderLayer(4, 2, options), two);
  add(uses, "TransformerEncoder", nn::TransformerEncoder(nn::TransformerEncoderLayer(4, 2, options), 2, nn::LayerNorm(4)), one);
  add(uses, "TransformerDecoder", nn::TransformerDecoder(nn::TransformerDecoderLayer(4, 2, options), 2, nn::LayerNorm(4)), two);
  add(uses, "Transformer",
      nn::Transformer({.d_model = 4, .nhead = 2, .num_encoder_layers = 1, .num_decoder_layers = 1, .dim_feedforward = 5}), two);
  add(uses, "PositionalEncoding", nn::PositionalEncoding(4), one);
}

void add_containers(Uses& uses) {
  const auto call = [x = randn({2, 4})](const auto& m) { m(x); };
  add(uses, "Sequential", nn::Sequential(nn::Linear(4, 4), nn::Tanh()), call);
  add(uses, "AnyModule", nn::AnyModule(nn::Linear(4, 4)), call);
  const auto all = [x = randn({2, 4})](const auto& m) {
    for (const auto& module : m) module(x);
  };
  add(uses, "ModuleList", nn::ModuleList<>{nn::Linear(4, 4), nn::Tanh()}, all);
  const auto named = [x = randn({2, 4})](const auto& m) { m["a"](x); };
  add(uses, "ModuleDict", nn::ModuleDict<>{{"a", nn::Linear(4, 4)}}, named);
}

void add_activations(Uses& uses) {
  const auto call = [x = randn({2, 4})](const auto& m) { m(x); };
  add(uses, "Identity", nn::Identity(), call);
  add(uses, "ReLU", nn::ReLU(), call);
  add(uses, "ReLU6", nn::ReLU6(), call);
  add(uses, "LeakyReLU", nn::LeakyReLU(), call);
  add(uses, "PReLU", nn::PReLU(4), call);
  add(uses, "RReLU", nn::RReLU(), call);
  add(uses, "ELU", nn::ELU(), call);
  add(uses, "SELU", nn::SELU(), call);
  add(uses, "CELU", nn::CELU(), call);
  add(uses, "GELU", nn::GELU("tanh"), call);
  add(uses, "SiLU", nn::SiLU(), call);
  add(uses, "Mish", nn::Mish(), call);
  add(uses, "Hardswish", nn::Hardswish(), call);
  add(uses, "Hardsigmoid", nn::Hardsigmoid(), call);
  add(uses, "Hardtanh", nn::Hardtanh(), call);
  add(uses, "Hardshrink", nn::Hardshrink(), call);
  add(uses, "Softshrink", nn::Softshrink(), call);
  add(uses, "Tanhshrink", nn::Tanhshrink(), call);
  add(uses, "Softsign", nn::Softsign(), call);
  add(uses, "Softplus", nn::Softplus(), call);
  add(uses, "Sigmoid", nn::Sigmoid(), call);
  add(uses, "LogSigmoid", nn::LogSigmoid(), call);
  add(uses, "Tanh", nn::Tanh(), call);
  add(uses, "Threshold", nn::Threshold(0.5, 1.0), call);
  add(uses, "GLU", nn::GLU(), call);
  add(uses, "Softmax", nn::Softmax(1), call);
  add(uses, "LogSoftmax", nn::LogSoftmax(1), call);
  add(uses, "Softmin", nn::Softmin(1), call);
  add(uses, "Softmax2d", nn::Softmax2d(), [x = randn({1, 2, 3, 3})](const auto& m) { m(x); });
  add(uses, "Flatten", nn::Flatten(), call);
  add(uses, "Unflatten", nn::Unflatten(1, {2, 2}), call);
  const auto two = [x = randn({2, 4})](const auto& m) { m(x, x); };
  add(uses, "PairwiseDistance", nn::PairwiseDistance(), two);
  add(uses, "CosineSimilarity", nn::CosineSimilarity(), two);
}

void add_losses(Uses& uses) {
  const Tensor x = gradus::rand({2, 4}), y = gradus::rand({2, 4}), classes = gradus::tensor({1, 3}), signs = gradus::tensor({1.F, -1.F});
  const auto of = [](const auto&... tensors) { return [=](const auto& m) { m(tensors...); }; };
  add(uses, "CrossEntropyLoss", nn::CrossEntropyLoss({.weight = gradus::ones(4)}), of(x, classes));
  add(uses, "NLLLoss", nn::NLLLoss(), of(x, classes));
  add(uses, "MSELoss", nn::MSELoss(), of(x, y));
  add(uses, "L1Loss", nn::L1Loss(), of(x, y));
  add(uses, "SmoothL1Loss", nn::SmoothL1Loss(), of(x, y));
  add(uses, "HuberLoss", nn::HuberLoss(), of(x, y));
  add(uses, "BCELoss", nn::BCELoss({.weight = gradus::ones(4)}), of(x, y));
  add(uses, "BCEWithLogitsLoss", nn::BCEWithLogitsLoss({.pos_weight = gradus::ones(4)}), of(x, y));
  add(uses, "KLDivLoss", nn::KLDivLoss(), of(x, y));
  add(uses, "PoissonNLLLoss", nn::PoissonNLLLoss(), of(x, y));
  add(uses, "GaussianNLLLoss", nn::GaussianNLLLoss(), of(x, y, gradus::ones({2, 4})));
  add(uses, "HingeEmbeddingLoss", nn::HingeEmbeddingLoss(), of(x[0].narrow(0, 0, 2), signs));
  add(uses, "MarginRankingLoss", nn::MarginRankingLoss(), of(x[0].narrow(0, 0, 2), x[1].narrow(0, 0, 2), signs));
  add(uses, "CosineEmbeddingLoss", nn::CosineEmbeddingLoss(), of(x, y, signs));
  add(uses, "SoftMarginLoss", nn::SoftMarginLoss(), of(x[0].narrow(0, 0, 2), signs));
  add(uses, "MultiMarginLoss", nn::MultiMarginLoss({.weight = gradus::ones(4)}), of(x, classes));
  add(uses, "MultiLabelMarginLoss", nn::MultiLabelMarginLoss(), of(x, gradus::tensor({{1, -1, 0, 0}, {2, 0, -1, 0}})));
  add(uses, "MultiLabelSoftMarginLoss", nn::MultiLabelSoftMarginLoss(), of(x, y));
  add(uses, "TripletMarginLoss", nn::TripletMarginLoss(), of(x, y, x));
  add(uses, "TripletMarginWithDistanceLoss", nn::TripletMarginWithDistanceLoss({.distance_function = nn::PairwiseDistance()}), of(x, y, x));
}

Uses all_uses() {
  Uses uses;
  add_layers(uses);
  add_attention(uses);
  add_containers(uses);
  add_activations(uses);
  add_losses(uses);
  return uses;
}

/// Every class that a header of modules declares as one that users make.
std::set<std::string> declared_modules() {
  constexpr std::string_view before = "class GRADUS_API ", after = " : public ";
  const std::set<std::string> bases{"Activation", "Convolution", "BatchNorm", "RecurrentLayers"};
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(GRADUS_SOURCE_ROOT "/include/gradus/nn")) {
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);)
      if (const size_t base = line.find(after);
          line.starts_with(before) && base != line.npos && !line.substr(base).starts_with(" : public Tensor"))
        if (const std::string name = line.substr(before.size(), base - before.size()); !bases.contains(name)) found.insert(name);
  }
  return found;
}

}  // namespace

TEST_CASE("every module that was moved from refuses every use and names its type, and the handle that it was moved to works") {
  for (const auto& [name, module] : all_uses()) check_moved(name, *module);
}

TEST_CASE("the table of moved modules has every module there is") {
  const Uses uses = all_uses();
  CHECK(declared_modules().size() > 90);
  for (const std::string& name : declared_modules()) {
    CAPTURE(name);
    CHECK(uses.contains(name));
  }
}

TEST_CASE("a module of one's own that was moved from refuses its layers") {
  Encoder encoder(10, 4, 3, 2);
  const Encoder taken = std::move(encoder);
  CHECK_THROWS_AS(encoder(tokens()), gradus::StateError);
  CHECK_THROWS_AS(encoder.rnn(zeros({2, 2, 4})), gradus::StateError);
  CHECK_NOTHROW(taken(tokens()));
}

TEST_CASE("an activation of a Transformer that was moved from says so") {
  nn::TransformerActivation named = "gelu", module = nn::Tanh();
  const nn::TransformerActivation a = std::move(named), b = std::move(module);
  CHECK_THROWS_AS(named(zeros(2)), gradus::StateError);
  CHECK_THROWS_AS(module(zeros(2)), gradus::StateError);
  CHECK_NOTHROW(a(zeros(2)));
  CHECK_NOTHROW(b(zeros(2)));
}

TEST_CASE("modules swap, shift in a vector and come back to themselves without touching each other's weights") {
  nn::Linear a(2, 2), b(2, 2);
  const Tensor of_a = a.weight, of_b = b.weight;
  const nn::Linear also_a = a;
  std::swap(a, b);
  CHECK(a.weight.is_same(of_b));
  CHECK(b.weight.is_same(of_a));
  CHECK(a.parameters()[0].is_same(of_b));
  CHECK(b.parameters()[0].is_same(of_a));
  CHECK(also_a.weight.is_same(of_a));
  const nn::Linear kept = a;
  a = b;
  b = kept;
  CHECK(a.weight.is_same(of_a));
  CHECK(b.weight.is_same(of_b));
  CHECK(also_a.parameters()[0].is_same(of_a));
  CHECK(kept.parameters()[0].is_same(of_b));
  std::vector<nn::Linear> layers{nn::Linear(2, 2), a, b};
  const nn::Linear first = layers[0];
  const Tensor of_first = first.weight;
  layers.erase(layers.begin());
  CHECK(layers[0].weight.is_same(of_a));
  CHECK(layers[1].parameters()[0].is_same(of_b));
  CHECK(first.parameters()[0].is_same(of_first));
  nn::Linear& self = layers[0];
  layers[0] = self;
  CHECK(layers[0].weight.is_same(of_a));
  CHECK(layers[0].parameters()[0].is_same(of_a));
}
