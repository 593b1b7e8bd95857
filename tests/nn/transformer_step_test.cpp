#include <array>
#include <utility>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/generate.h"
#include "gradus/nn/embedding.h"
#include "gradus/nn/transformer.h"
#include "gradus/ops/attention.h"
#include "gradus/random.h"
#include "nn/nn_test.h"

using namespace nn_test;
using gradus::randn;

namespace {

constexpr int64_t kSteps = 7, kBatch = 3, kFeatures = 8;

/// An encoder's or decoder's layers with dropout, which evaluation turns off, and weights far from their first ones.
template <class Stack, class Layer>
Stack stack(const nn::TransformerLayerOptions& options, gradus::DType dtype) {
  Stack made(Layer(kFeatures, 2, options), 3, nn::LayerNorm(kFeatures));
  for (const Tensor& p : made.parameters()) p.detach().normal_(0, 0.4);
  made.to(dtype);
  made.eval();
  return made;
}

struct Form {
  bool norm_first, batch_first;
  gradus::DType dtype;
  double tolerance;

  nn::TransformerLayerOptions options() const { return {.dim_feedforward = 10, .batch_first = batch_first, .norm_first = norm_first}; }
  Tensor sequence(int64_t steps) const {
    return batch_first ? randn({kBatch, steps, kFeatures}, {.dtype = dtype}) : randn({steps, kBatch, kFeatures}, {.dtype = dtype});
  }
  Tensor steps(const Tensor& x, int64_t from, int64_t count) const { return x.narrow(batch_first ? 1 : 0, from, count); }
};

const std::array forms{Form{false, false, gradus::float32, 2e-5}, Form{true, false, gradus::float32, 2e-5},
                       Form{false, true, gradus::float32, 2e-5}, Form{true, true, gradus::float64, 1e-12}};

Tensor subsequent(gradus::DType dtype) { return nn::Transformer::generate_square_subsequent_mask(kSteps, {.dtype = dtype}); }

}  // namespace

TEST_CASE("steps of a TransformerDecoder with a cache give what the whole target gives") {
  for (const Form& form : forms)
    for (const bool padded : {false, true}) {
      CAPTURE(form.norm_first);
      CAPTURE(form.batch_first);
      CAPTURE(padded);
      gradus::manual_seed(1);
      const auto decoder = stack<nn::TransformerDecoder, nn::TransformerDecoderLayer>(form.options(), form.dtype);
      const Tensor memory = form.sequence(5), tgt = form.sequence(kSteps);
      const Tensor padding = padded ? ~gradus::sequence_mask(gradus::tensor({5, 2, 3}), 5) : Tensor();
      const Tensor whole = decoder(tgt, memory, {.tgt_mask = subsequent(form.dtype), .memory_key_padding_mask = padding}).detach();
      nn::TransformerCache cache = decoder.begin(memory, padding);
      CHECK(cache.steps() == 0);
      for (int64_t i = 0; i < kSteps; ++i) {
        const Tensor y = decoder.step(form.steps(tgt, i, 1), cache);
        check_close(y, form.steps(whole, i, 1), form.tolerance);
        CHECK(cache.steps() == i + 1);
        CHECK_FALSE(y.requires_grad());
      }
      // Several at once: a prompt.
      nn::TransformerCache by_parts = decoder.begin(memory, padding);
      check_close(decoder.step(form.steps(tgt, 0, 4), by_parts), form.steps(whole, 0, 4), form.tolerance);
      check_close(decoder.step(form.steps(tgt, 4, 1), by_parts), form.steps(whole, 4, 1), form.tolerance);
      check_close(decoder.step(form.steps(tgt, 5, 2), by_parts), form.steps(whole, 5, 2), form.tolerance);
    }
}

TEST_CASE("steps of a TransformerEncoder with a cache give what the whole sequence gives under the subsequent mask") {
  for (const Form& form : forms) {
    CAPTURE(form.norm_first);
    CAPTURE(form.batch_first);
    gradus::manual_seed(2);
    const auto encoder = stack<nn::TransformerEncoder, nn::TransformerEncoderLayer>(form.options(), form.dtype);
    const Tensor src = form.sequence(kSteps);
    const Tensor whole = encoder(src, subsequent(form.dtype)).detach();
    nn::TransformerCache cache = encoder.begin();
    for (int64_t i = 0; i < kSteps; ++i) check_close(encoder.step(form.steps(src, i, 1), cache), form.steps(whole, i, 1), form.tolerance);
  }
}

TEST_CASE("prompts of different lengths are padded in front, and the padding does not count in later steps") {
  const Form form = forms[3];
  gradus::manual_seed(3);
  const auto encoder = stack<nn::TransformerEncoder, nn::TransformerEncoderLayer>(form.options(), form.dtype);
  const Tensor src = form.sequence(kSteps);
  const std::vector<int64_t> hidden{0, 2, 3};
  const Tensor padding = gradus::arange(4).unsqueeze(0) < gradus::from_vector(hidden, 3).unsqueeze(1);
  nn::TransformerCache cache = encoder.begin();
  encoder.step(form.steps(src, 0, 4), cache, padding);
  for (int64_t i = 4; i < kSteps; ++i) {
    const Tensor y = encoder.step(form.steps(src, i, 1), cache);
    for (int64_t row = 0; row < kBatch; ++row) {
      const int64_t from = hidden[static_cast<size_t>(row)];
      const Tensor alone = src[row].narrow(0, from, i + 1 - from);
      const Tensor mask = nn::Transformer::generate_square_subsequent_mask(i + 1 - from, {.dtype = form.dtype});
      check_close(y[row][0], encoder(alone, mask)[-1].detach(), 1e-12);
    }
  }
}

TEST_CASE("one sequence takes steps without a batch") {
  gradus::manual_seed(4);
  const auto decoder =
      stack<nn::TransformerDecoder, nn::TransformerDecoderLayer>({.dim_feedforward = 10, .batch_first = true}, gradus::float64);
  const gradus::Options f64{.dtype = gradus::float64};
  const Tensor memory = randn({5, kFeatures}, f64), tgt = randn({kSteps, kFeatures}, f64), padding = gradus::arange(5) > 2;
  const Tensor whole = decoder(tgt, memory, {.tgt_mask = subsequent(gradus::float64), .memory_key_padding_mask = padding}).detach();
  nn::TransformerCache cache = decoder.begin(memory, padding);
  for (int64_t i = 0; i < kSteps; ++i) check_close(decoder.step(tgt.narrow(0, i, 1), cache), whole.narrow(0, i, 1), 1e-12);
}

TEST_CASE("a TransformerCache is reordered by rows: what follows is what the reordered sequences give") {
  gradus::manual_seed(5);
  const Form form = forms[3];
  const auto decoder = stack<nn::TransformerDecoder, nn::TransformerDecoderLayer>(form.options(), form.dtype);
  const Tensor memory = form.sequence(5), padding = ~gradus::sequence_mask(gradus::tensor({5, 2, 3}), 5);
  nn::TransformerCache cache = decoder.begin(memory, padding);
  Tensor tgt = form.sequence(2), sources = gradus::arange(3);
  decoder.step(tgt, cache);
  for (const Tensor& rows : {gradus::tensor({2, 2, 0, 1}), gradus::tensor({1, 0, 2, 3}), gradus::tensor({3, 1})}) {
    cache = cache.reorder(rows);
    sources = sources.index_select(0, rows);
    const Tensor next = randn({rows.size(0), 1, kFeatures}, {.dtype = form.dtype});
    const int64_t before = tgt.size(1);
    const Tensor longer = gradus::zeros({rows.size(0), before + 1, kFeatures}, {.dtype = form.dtype});
    longer.narrow(1, 0, before).copy_(tgt.index_select(0, rows));
    longer.narrow(1, before, 1).copy_(next);
    tgt = longer;
    const Tensor mask = nn::Transformer::generate_square_subsequent_mask(tgt.size(1), {.dtype = form.dtype});
    const Tensor whole =
        decoder(tgt, memory.index_select(0, sources), {.tgt_mask = mask, .memory_key_padding_mask = padding.index_select(0, sources)});
    check_close(decoder.step(next, cache), whole.narrow(1, tgt.size(1) - 1, 1).detach(), 1e-12);
  }
}

TEST_CASE("a copy of a TransformerCache is a cache of its own, and a step that fails leaves it as it was") {
  gradus::manual_seed(6);
  const Form form = forms[3];
  const auto decoder = stack<nn::TransformerDecoder, nn::TransformerDecoderLayer>(form.options(), form.dtype);
  const Tensor memory = form.sequence(5), a = form.sequence(1), b = form.sequence(1), c = form.sequence(1);
  nn::TransformerCache cache = decoder.begin(memory);
  decoder.step(a, cache);
  nn::TransformerCache other = cache;
  const Tensor with_b = decoder.step(b, cache);
  const Tensor with_c = decoder.step(c, other);
  nn::TransformerCache again = decoder.begin(memory);
  decoder.step(a, again);
  CHECK(error_of<gradus::ShapeError>([&] {
          decoder.step(randn({2, 1, kFeatures}, {.dtype = form.dtype}), again);
        }).starts_with("layers.0.self_attn: KeyValueCache: steps of shape [2, 2, 1, 4] do not fit behind those of shape [3, 2, 1, 4]"));
  CHECK_FALSE(error_of<gradus::ShapeError>([&] { decoder.step(randn({3, 1, 4}, {.dtype = form.dtype}), again); }).empty());
  CHECK_FALSE(error_of<gradus::DTypeError>([&] { decoder.step(randn({3, 1, kFeatures}), again); }).empty());
  CHECK(again.steps() == 1);
  check_close(decoder.step(c, again), with_c, 1e-13);
  nn::TransformerCache fresh = decoder.begin(memory);
  decoder.step(a, fresh);
  check_close(decoder.step(b, fresh), with_b, 1e-13);
  check_close(decoder.step(c, cache), decoder.step(c, fresh), 1e-13);
  CHECK_FALSE(with_b.allclose(with_c));
}

TEST_CASE("a cache of another number of layers, or without memory, is refused") {
  gradus::manual_seed(7);
  const auto decoder = stack<nn::TransformerDecoder, nn::TransformerDecoderLayer>({.dim_feedforward = 10}, gradus::float32);
  const Tensor x = randn({1, 2, kFeatures});
  nn::TransformerCache none, empty{std::vector<nn::TransformerLayerCache>(3)};
  CHECK(error_of<gradus::ValueError>([&] { decoder.step(x, none); }) ==
        "TransformerDecoder: the cache is of 0 layers, but here are 3; begin() makes one that fits");
  CHECK(error_of<gradus::ValueError>([&] { decoder.step(x, empty); }) ==
        "layers.0.multihead_attn: MultiheadAttention: the cache is empty; project() fills one");
  CHECK(empty.steps() == 0);
}

TEST_CASE("PositionalEncoding goes on from any step") {
  gradus::manual_seed(8);
  for (const bool batch_first : {false, true}) {
    const nn::PositionalEncoding position(4, {.dropout = 0, .max_len = 6, .batch_first = batch_first});
    const int64_t steps = batch_first ? 1 : 0;
    const Tensor x = batch_first ? randn({2, 6, 4}) : randn({6, 2, 4}), whole = position(x);
    for (int64_t i = 0; i < 6; ++i) check_same(position(x.narrow(steps, i, 1), i), whole.narrow(steps, i, 1));
    check_same(position(x.narrow(steps, 2, 4), 2), whole.narrow(steps, 2, 4));
    CHECK(error_of<gradus::ShapeError>([&] { position(x.narrow(steps, 0, 2), 5); }).ends_with("has 2 steps from step 5, but max_len is 6"));
    CHECK(error_of<gradus::ValueError>([&] { position(x, -1); }) == "PositionalEncoding: start -1 is negative");
  }
}

TEST_CASE("beam search over a TransformerDecoder finds the same with a cache and without") {
  gradus::manual_seed(9);
  const auto decoder = stack<nn::TransformerDecoder, nn::TransformerDecoderLayer>({.dim_feedforward = 10}, gradus::float64);
  const nn::Embedding embedding(6, kFeatures);
  const nn::PositionalEncoding position(kFeatures, {.dropout = 0});
  const nn::Linear out(kFeatures, 6);
  for (const nn::Module& m : {nn::Module(embedding), nn::Module(position), nn::Module(out)}) m.to(gradus::float64);
  const Tensor memory = randn({5, kBatch, kFeatures}, {.dtype = gradus::float64});
  const auto cached = [&](const Tensor& tokens, nn::TransformerCache cache) {
    const Tensor x = position(embedding(tokens).unsqueeze(0), cache.steps());
    const Tensor y = decoder.step(x, cache);
    return std::pair(out(y.squeeze(0)), cache);
  };
  // The state is the memory and the tokens so far.
  using State = std::pair<gradus::generate::Batched<1>, Tensor>;
  const auto anew = [&](const Tensor& tokens, const State& state) {
    const Tensor& before = state.second;
    const Tensor prefix = gradus::zeros({tokens.size(0), before.size(1) + 1}, {.dtype = gradus::int64});
    prefix.narrow(1, 0, before.size(1)).copy_(before);
    prefix.select(1, before.size(1)).copy_(tokens);
    const Tensor mask = nn::Transformer::generate_square_subsequent_mask(prefix.size(1), {.dtype = gradus::float64});
    const Tensor y = decoder(position(embedding(prefix.t())), state.first, {.tgt_mask = mask});
    return std::pair(out(y[-1]), State(state.first, prefix));
  };
  const gradus::generate::BeamOptions options{.num_beams = 4, .max_length = 9, .end = 0, .num_return = 4};
  const Tensor start = gradus::tensor({1, 2, 3}), none = gradus::zeros({kBatch, 0}, {.dtype = gradus::int64});
  const auto ours = gradus::generate::beam_search(cached, start, decoder.begin(memory), options);
  const auto theirs = gradus::generate::beam_search(anew, start, State(memory, none), options);
  for (size_t row = 0; row < kBatch; ++row)
    for (size_t i = 0; i < 4; ++i) {
      CHECK(ours[row][i].tokens == theirs[row][i].tokens);
      CHECK(ours[row][i].score == doctest::Approx(theirs[row][i].score).epsilon(1e-10));
    }
}
