#include <memory>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/nn/attention.h"
#include "gradus/nn/attention_recorder.h"
#include "gradus/nn/transformer.h"
#include "gradus/random.h"
#include "nn/nn_test.h"

using namespace nn_test;
using gradus::randn;

namespace {

const nn::TransformerOptions one_layer{
    .d_model = 4, .nhead = 2, .num_encoder_layers = 2, .num_decoder_layers = 2, .dim_feedforward = 6, .dropout = 0};

}  // namespace

TEST_CASE("an AttentionRecorder has the weights of every attention layer of a Transformer, and changes no result") {
  gradus::manual_seed(1);
  const nn::Transformer model(one_layer);
  const Tensor src = randn({5, 3, 4}), tgt = randn({2, 3, 4});
  const Tensor mask = nn::Transformer::generate_square_subsequent_mask(2);
  const Tensor before = model(src, tgt, {.tgt_mask = mask}).detach();
  const nn::AttentionRecorder seen(model);
  check_same(model(src, tgt, {.tgt_mask = mask}).detach(), before);
  std::vector<std::string> layers;
  for (const auto& record : seen.records()) layers.push_back(record.name);
  CHECK(layers == std::vector<std::string>{"encoder.layers.0.self_attn", "encoder.layers.1.self_attn", "decoder.layers.0.self_attn",
                                           "decoder.layers.0.multihead_attn", "decoder.layers.1.self_attn",
                                           "decoder.layers.1.multihead_attn"});
  // What the layers give when they are asked for it.
  const gradus::NoGradGuard no_grad;
  const auto& first = model.encoder.layers[0].self_attn;
  check_same(seen.of("encoder.layers.0.self_attn")[0], first(src, src, src, {.average_attn_weights = false}).weights);
  check_close(seen.of("encoder.layers.0.self_attn")[0].mean(1), first(src, src, src).weights, 0);
  const nn::TransformerDecoderLayer& layer = model.decoder.layers[0];
  const Tensor memory = model.encoder(src);
  const Tensor x = layer.norm1(tgt + layer.self_attn(tgt, tgt, tgt, {.attn_mask = mask}).output);
  const Tensor cross = seen.of("decoder.layers.0.multihead_attn")[0];
  CHECK(cross.shape() == Shape{3, 2, 2, 5});
  check_close(cross, layer.multihead_attn(x, memory, memory, {.average_attn_weights = false}).weights, 1e-6);
  const Tensor self = seen.of("decoder.layers.1.self_attn")[0];
  CHECK(self.shape() == Shape{3, 2, 2, 2});
  CHECK(values(self.select(2, 0).select(2, 1)) == Values(6, 0));
}

TEST_CASE("an AttentionRecorder sees steps with a cache: a weight for every step so far") {
  gradus::manual_seed(2);
  const nn::Transformer model(one_layer);
  const Tensor src = randn({5, 3, 4}), tgt = randn({2, 3, 4});
  nn::AttentionRecorder seen(model);
  model(src, tgt, {.tgt_mask = nn::Transformer::generate_square_subsequent_mask(2)});
  const Tensor whole = seen.of("decoder.layers.1.self_attn")[0], cross = seen.of("decoder.layers.1.multihead_attn")[0];
  seen.clear();
  CHECK(seen.records().empty());
  nn::TransformerCache cache = model.decoder.begin(model.encoder(src).detach());
  for (int64_t i = 0; i < 2; ++i) model.decoder.step(tgt.narrow(0, i, 1), cache);
  const auto steps = seen.of("decoder.layers.1.self_attn");
  REQUIRE(steps.size() == 2);
  for (int64_t i = 0; i < 2; ++i) {
    check_close(steps[static_cast<size_t>(i)], whole.narrow(2, i, 1).narrow(3, 0, i + 1), 1e-5);
    check_close(seen.of("decoder.layers.1.multihead_attn")[static_cast<size_t>(i)], cross.narrow(2, i, 1), 1e-5);
  }
}

TEST_CASE("an AttentionRecorder sees the layers of its model alone, while it lives, and without history") {
  gradus::manual_seed(3);
  const nn::AdditiveAttention additive(4, 4, 3);
  const nn::DotProductAttention dot;
  const Tensor x = randn({2, 3, 4}).requires_grad_();
  const nn::AttentionRecorder of_additive(additive);
  {
    const nn::AttentionRecorder of_dot(dot);
    const Tensor weights = additive(x, x, x).weights;
    check_same(of_additive.of("")[0], weights.detach());
    CHECK_FALSE(of_additive.of("")[0].requires_grad());
    CHECK(of_dot.records().empty());
    const Tensor of_products = dot(x, x, x).weights.detach();
    check_same(of_dot.of("")[0], of_products);
    CHECK(of_dot.records().size() == 1);
  }
  dot(x, x, x);
  additive.attend(x, additive.project_keys(x), x);
  CHECK(of_additive.records().size() == 2);
  CHECK(of_additive.records()[0].name.empty());
}

TEST_CASE("the weights of one sequence are recorded as a batch of 1, and a layer of another name is an error") {
  gradus::manual_seed(4);
  const nn::TransformerEncoder encoder(nn::TransformerEncoderLayer(4, 2, {.dim_feedforward = 6}), 1);
  const nn::AttentionRecorder seen(encoder);
  encoder(randn({3, 4}));
  CHECK(seen.of("layers.0.self_attn")[0].shape() == Shape{1, 2, 3, 3});
  CHECK(seen.of("layers.0.linear1").empty());
  CHECK(error_of<gradus::ValueError>([&] { (void)seen.of("layers.1.self_attn"); }) ==
        "AttentionRecorder: the model has no module \"layers.1.self_attn\"; named_modules() lists them");
}

TEST_CASE("AttentionRecorders may go in any order") {
  gradus::manual_seed(5);
  const nn::DotProductAttention dot;
  const Tensor x = randn({2, 3, 4});
  auto first = std::make_unique<nn::AttentionRecorder>(dot), second = std::make_unique<nn::AttentionRecorder>(dot),
       third = std::make_unique<nn::AttentionRecorder>(dot);
  second.reset();
  dot(x, x, x);
  CHECK(first->records().size() == 1);
  first.reset();
  dot(x, x, x);
  CHECK(third->records().size() == 2);
  third.reset();
  dot(x, x, x);
}
