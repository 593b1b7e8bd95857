#include <atomic>
#include <chrono>
#include <thread>

#include "core/function_ref.h"
#include "core/thread_pool.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/nn/activation.h"
#include "gradus/nn/containers.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/loss.h"
#include "gradus/nn/sequential.h"
#include "gradus/nn/transformer.h"
#include "gradus/parallel.h"
#include "nn/encoder.h"
#include "nn/nn_test.h"

using namespace nn_test;
using gradus::zeros;

namespace {

struct Decoder : nn::Module {
  nn::Linear out;
  Decoder() : out(register_module("out", nn::Linear(3, 5))) {}
  Tensor operator()(const Tensor& x) const { return out(x); }
};

struct Seq2Seq : nn::Module {
  Encoder encoder;
  Decoder decoder;
  nn::ModuleList<nn::Linear> layers;
  nn::Sequential head;
  nn::CrossEntropyLoss loss;
  Seq2Seq()
      : encoder(register_module("encoder", Encoder(10, 4, 3, 1))),
        decoder(register_module("decoder", Decoder())),
        layers(register_module("layers", nn::ModuleList<nn::Linear>{nn::Linear(2, 2), nn::Linear(2, 2)})),
        head(register_module("head", nn::Sequential(nn::Tanh(), nn::Linear(2, 2)))),
        loss(register_module("loss", nn::CrossEntropyLoss())) {}
};

/// A module of one's own that says where it is.
struct Scaled : nn::Module {
  nn::Parameter scale;
  Scaled() : scale(register_parameter("scale", gradus::ones(3))) {}
  Tensor operator()(const Tensor& x) const {
    const nn::ForwardScope here(*this);
    return x * scale;
  }
};

std::string path_of(gradus::FunctionRef<void()> f) {
  const std::string text = error_of<gradus::Error>(f);
  return text.substr(0, text.find(": "));
}

}  // namespace

TEST_CASE("an error begins with the path of the layer in which it happened") {
  const Seq2Seq model;
  const Tensor wrong = zeros({2, 7});
  const std::string plain = error_of<gradus::ShapeError>([&] { nn::Linear(3, 5)(wrong); });
  CHECK(plain.starts_with("linear: "));
  CHECK(error_of<gradus::ShapeError>([&] { model.decoder(wrong); }) == "decoder.out: " + plain);
  CHECK(path_of([&] { model.encoder(gradus::tensor({{0, 10}})); }) == "encoder.embedding");
  CHECK(path_of([&] { model.encoder.rnn(wrong); }) == "encoder.rnn");
  CHECK(path_of([&] { model.layers[1](wrong); }) == "layers.1");
  CHECK(path_of([&] { model.head(wrong); }) == "head.1");
  CHECK(path_of([&] { model.loss(wrong, gradus::tensor({0, 9})); }) == "loss");
}

TEST_CASE("an error of a thread of the pool names the layer that the calling thread is in") {
  struct Model : nn::Module {
    Scaled inner;
    Model() : inner(register_module("inner", Scaled())) {}
  };
  const Model model;
  gradus::set_num_threads(3);
  const auto fail_on_a_helper = [] {
    const auto caller = std::this_thread::get_id();
    std::atomic<bool> thrown = false;
    gradus::run_pieces(64, [&](int64_t) {
      if (std::this_thread::get_id() != caller) {
        thrown = true;
        throw gradus::IndexError("gather: out of range");
      }
      for (int i = 0; i < 1000 && !thrown; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
  };
  CHECK(error_of<gradus::IndexError>([&] {
          const nn::ForwardScope here(model.inner);
          fail_on_a_helper();
        }) == "inner: gather: out of range");
  CHECK(error_of<gradus::IndexError>(fail_on_a_helper) == "gather: out of range");
  // One of the calling thread itself says it once.
  CHECK(error_of<gradus::IndexError>([&] {
          const nn::ForwardScope here(model.inner);
          const auto caller = std::this_thread::get_id();
          std::atomic<bool> thrown = false;
          gradus::run_pieces(64, [&](int64_t) {
            if (std::this_thread::get_id() == caller) {
              thrown = true;
              throw gradus::IndexError("gather: out of range");
            }
            for (int i = 0; i < 1000 && !thrown; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
          });
        }) == "inner: gather: out of range");
  gradus::set_num_threads(1);
}

TEST_CASE("the parts of attention and of a Transformer are named too") {
  struct Model : nn::Module {
    nn::Transformer transformer;
    nn::AdditiveAttention attention;
    Model()
        : transformer(register_module(
              "transformer",
              nn::Transformer({.d_model = 4, .nhead = 2, .num_encoder_layers = 2, .num_decoder_layers = 1, .dim_feedforward = 5}))),
          attention(register_module("attention", nn::AdditiveAttention(4, 4, 3))) {}
  };
  const Model model;
  const Tensor x = zeros({2, 3, 4}), mask = zeros({9, 9});
  CHECK(path_of([&] { model.transformer(x, zeros({2, 3, 6})); }) == "transformer");
  CHECK(path_of([&] { model.transformer(x, x, {.src_mask = mask}); }) == "transformer.encoder.layers.0.self_attn");
  CHECK(path_of([&] { model.transformer(x, x, {.memory_mask = mask}); }) == "transformer.decoder.layers.0.multihead_attn");
  CHECK(path_of([&] { model.attention(zeros({2, 3, 6}), x, x); }) == "attention.W_q");
}

TEST_CASE("the path ends with the call, on this thread alone") {
  const Seq2Seq model;
  CHECK_THROWS_AS(model.decoder(zeros({2, 7})), gradus::ShapeError);
  const std::string plain = error_of<gradus::ShapeError>([] { zeros({2, 7}) + zeros({2, 6}); });
  CHECK(plain.starts_with("add: "));
  std::string elsewhere;
  model.head.register_forward_hook([](const nn::Module&, const auto&, const auto& y) { return y; });
  std::thread([&] { elsewhere = error_of<gradus::ShapeError>([] { zeros({2, 7}) + zeros({2, 6}); }); }).join();
  CHECK(elsewhere == plain);
}

TEST_CASE("a module of one's own is named where it opens a ForwardScope or goes through nn::call or a container") {
  struct Model : nn::Module {
    Scaled scaled;
    nn::Sequential steps;
    Model() : scaled(register_module("scaled", Scaled())), steps(register_module("steps", nn::Sequential(Scaled()))) {}
  };
  struct Silent : nn::Module {
    nn::Parameter scale;
    Silent() : scale(register_parameter("scale", gradus::ones(3))) {}
    Tensor operator()(const Tensor& x) const { return x * scale; }
  };
  struct Outer : nn::Module {
    Silent inner;
    Outer() : inner(register_module("inner", Silent())) {}
  };
  const Model model;
  CHECK(path_of([&] { model.scaled(zeros(2)); }) == "scaled");
  CHECK(path_of([&] { model.steps(zeros(2)); }) == "steps.0");
  const Outer outer;
  CHECK(path_of([&] { nn::call(outer.inner, zeros(2)); }) == "inner");
  CHECK(path_of([&] { outer.inner(zeros(2)); }) == "mul");
}

TEST_CASE("a shared layer has the path of the module that is being called, and else the first; a layer taken out has none") {
  const nn::Linear shared(3, 3);
  struct Holder : nn::Module {
    nn::Linear layer;
    explicit Holder(const nn::Linear& l) : layer(register_module("layer", l)) {}
    Tensor operator()(const Tensor& x) const { return layer(x); }
  };
  struct Model : nn::Module {
    Holder first, second;
    explicit Model(const nn::Linear& l) : first(register_module("first", Holder(l))), second(register_module("second", Holder(l))) {}
  };
  {
    const Model model(shared);
    CHECK(path_of([&] { model.first(zeros(2)); }) == "first.layer");
    CHECK(path_of([&] { nn::call(model.second, zeros(2)); }) == "second.layer");
    CHECK(path_of([&] { shared(zeros(2)); }) == "first.layer");
  }
  CHECK(path_of([&] { shared(zeros(2)); }) == "linear");
  nn::ModuleList<nn::Linear> list{shared};
  CHECK(path_of([&] { shared(zeros(2)); }) == "0");
  const nn::Linear taken = list.pop();
  CHECK(path_of([&] { taken(zeros(2)); }) == "linear");
}

TEST_CASE("the layers of a clone have the path in the clone") {
  const auto model = std::make_unique<Seq2Seq>();
  const Decoder alone = nn::clone(model->decoder);
  CHECK(path_of([&] { alone(zeros({2, 7})); }) == "out");
  const Seq2Seq twin = nn::clone(*model);
  CHECK(path_of([&] { twin.head(zeros({2, 7})); }) == "head.1");
}
