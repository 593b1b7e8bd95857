#include <array>

#include "gradus/creation.h"
#include "gradus/memory.h"
#include "gradus/nn/attention.h"
#include "gradus/ops/attention.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/normalization.h"
#include "gradus/ops/product.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
#include "ops/attention/attention.h"
#include "ops/op_test.h"

using namespace op_test;
using gradus::AttentionCall;

namespace {

Tensor plain(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionCall& call) {
  return gradus::weighted_sum(gradus::attention_weights(q, k, call.mask, call.dropout_p, call.is_causal), v);
}

/// Queries, keys and values of 3 x 2 heads: 21 queries, 19 keys.
std::array<Tensor, 3> operands() { return {input({3, 2, 21, 5}), input({3, 2, 19, 5}), input({3, 2, 19, 4})}; }

void check_blocks(const AttentionCall& call) {
  gradus::manual_seed(1);
  const auto [q, k, v] = operands();
  const Tensor expected = plain(q, k, v, call), dy = gradus::randn(expected.shape(), {.dtype = gradus::float64});
  const std::vector<Tensor> gradients = gradus::autograd::grad({expected}, {q, k, v}, {dy});
  for (const int64_t rows : {1, 4, 16, 21, 100}) {
    CAPTURE(rows);
    const Tensor y = gradus::blocked_attention(q, k, v, call, rows);
    CHECK(y.allclose(expected, 1e-12, 1e-13));
    const std::vector<Tensor> ours = gradus::autograd::grad({y}, {q, k, v}, {dy});
    for (size_t i = 0; i < ours.size(); ++i) CHECK(ours[i].allclose(gradients[i], 1e-11, 1e-12));
  }
}

}  // namespace

TEST_CASE("attention by blocks of queries is that of all at once, forward and backward, for every kind of mask") {
  check_blocks({});
  check_blocks({{}, 0, true});
  gradus::manual_seed(2);
  const auto allowed = [](const Shape& shape) {
    const Tensor mask = gradus::rand(shape).gt(0.4);
    mask.select(-1, 0).fill_(true);
    return mask;
  };
  for (const Shape& shape : {Shape{21, 19}, {3, 1, 21, 19}, {3, 2, 21, 19}, {3, 1, 1, 19}, {19}, {1, 19}, {21, 1}}) {
    CAPTURE(shape);
    check_blocks({allowed(shape)});
    check_blocks({gradus::randn(shape, {.dtype = gradus::float64})});
  }
}

TEST_CASE("attention by blocks has first and second derivatives, which agree with differences") {
  gradus::manual_seed(3);
  const auto f = [](const Tensors& x) { return gradus::blocked_attention(x[0], x[1], x[2], {{}, 0, true}, 3); };
  check_gradients(f, {input({2, 7, 3}), input({2, 7, 3}), input({2, 7, 2})});
}

TEST_CASE("a query that may look nowhere, and values that nobody may look at, are in a block as they are in all") {
  gradus::manual_seed(4);
  const Tensor q = gradus::randn({9, 4}), k = gradus::randn({9, 4}), v = gradus::randn({9, 4}),
               mask = gradus::ones({9, 9}).to(gradus::boolean);
  mask.select(0, 5).fill_(false);
  mask.select(1, 3).fill_(false);
  v.select(0, 3).fill_(kNan);
  k.select(0, 3).fill_(kInf);
  for (const Tensor& x : {q, k, v}) x.requires_grad_();
  const auto all = [&](const Tensor& y) {
    std::vector<Tensor> found = gradus::autograd::grad({y}, {q, k, v}, {gradus::ones_like(y)});
    found.push_back(y.detach());
    return found;
  };
  const std::vector<Tensor> expected = all(plain(q, k, v, {mask})), ours = all(gradus::blocked_attention(q, k, v, {mask}, 2));
  for (size_t i = 0; i < ours.size(); ++i) {
    CHECK(gradus::isfinite(ours[i]).all().item() == 1);
    CHECK(ours[i].allclose(expected[i], 1e-5, 1e-6));
  }
}

TEST_CASE("dropout in attention by blocks drops backward what it dropped forward, and leaves the generator where forward left it") {
  gradus::manual_seed(5);
  const auto [q, k, v] = operands();
  const Tensor y = gradus::blocked_attention(q, k, v, {{}, 0.5}, 4), dy = gradus::randn(y.shape(), {.dtype = gradus::float64});
  const Tensor state = gradus::get_rng_state();
  const Tensor dv = gradus::autograd::grad({y}, {v}, {dy})[0];
  check_equal(gradus::get_rng_state(), state);
  // y is linear in v, so that both are the same sum.
  CHECK((y * dy).sum().item() == doctest::Approx((dv * v).sum().item()));
  CHECK_FALSE(y.allclose(plain(q, k, v, {}), 1e-3, 1e-3));
}

TEST_CASE("blocks are for many weights, equal batches and masks without a gradient; what needs a gradient twice has it") {
  const auto block = [](const Shape& q, const Shape& k, const Tensor& mask = {}) {
    return gradus::attention_block(gradus::zeros(q), gradus::zeros(k), gradus::zeros(k), mask);
  };
  CHECK(block({1, 8, 64, 16}, {1, 8, 64, 16}) == 0);
  const Shape many{1, 8, 2048, 4};
  CHECK(block(many, many) == 128);
  CHECK(block(many, {8, 2048, 4}) == 0);
  CHECK(block(many, many, gradus::zeros({2048, 2048}).requires_grad_()) == 0);
  CHECK(block({1, 1, 1 << 24, 1}, {1, 1, 2, 1}) == 1 << 20);
}

TEST_CASE("memory of attention grows with the steps and not with their square") {
  const auto peak = [](int64_t steps) {
    gradus::manual_seed(6);
    const auto x = [&] { return gradus::randn({1, 4, steps, 16}, {.requires_grad = true}); };
    const Tensor q = x(), k = x(), v = x();
    const auto before = gradus::memory_stats().live_bytes;
    gradus::reset_peak_memory();
    gradus::scaled_dot_product_attention(q, k, v, {}, 0, true).sum().backward();
    return static_cast<double>(gradus::memory_stats().peak_bytes - before);
  };
  const double once = peak(2100), twice = peak(4200);
  CHECK(twice < 2.2 * once);
  CHECK(twice < 4.0 * 4 * 4200 * 4200 / 4);  // a quarter of the weights alone
}

TEST_CASE("attention whose weights nobody wants gives what it gives with them") {
  gradus::manual_seed(7);
  const gradus::nn::MultiheadAttention attention(16, 2);
  const Tensor x = gradus::randn({2900, 1, 16});
  const Tensor with = attention(x, x, x).output, without = attention(x, x, x, {.need_weights = false}).output;
  CHECK(with.allclose(without, 1e-5, 1e-6));
}
