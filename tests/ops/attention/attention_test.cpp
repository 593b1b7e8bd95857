#include <cmath>

#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/attention.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/normalization.h"
#include "gradus/ops/product.h"
#include "gradus/ops/shape.h"
#include "ops/op_test.h"

using namespace op_test;

TEST_CASE("masked_softmax is the softmax of what the mask lets through, for rows of every length") {
  gradus::manual_seed(1);
  for (int64_t n : {1, 2, 7, 31, 32, 33, 600})
    for (gradus::DType dtype : {gradus::float32, gradus::float64}) {
      CAPTURE(n);
      const Tensor x = (gradus::randn({6, n}) * 4).to(dtype), mask = gradus::rand({6, n}).gt(0.4);
      mask.select(1, n - 1).fill_(true);
      const Tensor expected = gradus::softmax(x.masked_fill(gradus::logical_not(mask), -kInf), 1);
      check_equal(gradus::masked_softmax(x, mask), expected);
      const Tensor added = gradus::zeros({6, n}, {.dtype = dtype}).masked_fill(gradus::logical_not(mask), -kInf);
      check_equal(gradus::masked_softmax(x, added), expected);
    }
}

TEST_CASE("masked_softmax runs along any dimension, with masks that broadcast and masks of any strides") {
  gradus::manual_seed(2);
  const Tensor x = gradus::randn({3, 4, 5}, {.dtype = gradus::float64});
  const Tensor whole = gradus::rand({5, 4, 3}).gt(0.4);
  whole.select(0, 0).fill_(true);
  whole.select(1, 0).fill_(true);
  whole.select(2, 0).fill_(true);
  const Tensor strided = whole.permute({2, 1, 0});
  for (const Tensor& mask : {strided, strided.slice(0, 0, 1), strided.select(0, 0), strided.slice(2, 0, 1), strided.slice(1, 0, 1)})
    for (int64_t d = -3; d < 3; ++d) {
      const Tensor expected = gradus::softmax(x.masked_fill(gradus::logical_not(mask), -kInf), d);
      CHECK(gradus::masked_softmax(x, mask, d).allclose(expected, 1e-15, 0));
    }
}

TEST_CASE("where a mask lets nothing through, weights and gradients are 0; NaN stays NaN") {
  for (int64_t n : {3, 70}) {
    const Tensor x = gradus::ones({4, n}).requires_grad_(), mask = gradus::ones({4, n}, {.dtype = gradus::boolean});
    mask.select(0, 1).fill_(false);
    const Tensor y = gradus::masked_softmax(x, mask);
    CHECK(values(y.select(0, 1)) == Values(static_cast<size_t>(n), 0));
    CHECK(y.select(0, 2).sum().item() == doctest::Approx(1));
    CHECK(values(gradient(y, x, gradus::randn({4, n})).select(0, 1)) == Values(static_cast<size_t>(n), 0));
    const Tensor nothing = gradus::full({n}, -kInf);
    CHECK(values(gradus::masked_softmax(gradus::zeros({n}), nothing)) == Values(static_cast<size_t>(n), 0));
    const Tensor bad = gradus::full({n}, -kInf);
    bad.select(0, n - 1).fill_(kNan);
    CHECK(gradus::isnan(gradus::masked_softmax(bad, gradus::ones({n}, {.dtype = gradus::boolean}))).all().item<bool>());
  }
}

TEST_CASE("masked_softmax of nothing and of a scalar") {
  const Tensor yes = gradus::tensor(true);
  CHECK(gradus::masked_softmax(gradus::zeros({2, 0}), yes).shape() == Shape{2, 0});
  CHECK(gradus::masked_softmax(gradus::zeros({0, 2}), yes).shape() == Shape{0, 2});
  CHECK(gradus::masked_softmax(gradus::tensor(3.0), yes, 0).item() == 1);
  CHECK(gradus::masked_softmax(gradus::tensor(3.0), gradus::tensor(false), 0).item() == 0);
}

TEST_CASE("masked_softmax names a mask that does not fit") {
  const Tensor x = gradus::zeros({2, 3});
  CHECK(error_of<gradus::ShapeError>([&] {
          gradus::masked_softmax(x, gradus::ones({1, 2, 3}, {.dtype = gradus::boolean}));
        }) == "masked_softmax: a mask of shape [1, 2, 3] does not broadcast to [2, 3]");
  CHECK_THROWS_AS(gradus::masked_softmax(x, gradus::ones(2, {.dtype = gradus::boolean})), gradus::ShapeError);
  CHECK(error_of<gradus::DTypeError>([&] { gradus::masked_softmax(x, gradus::ones(3, {.dtype = gradus::int64})); }) ==
        "masked_softmax: the mask is int64; give bool, true where an element counts, or float32, which is added");
  CHECK_THROWS_AS(gradus::masked_softmax(x, gradus::ones(3, {.dtype = gradus::float64})), gradus::DTypeError);
  CHECK_THROWS_AS(gradus::masked_softmax(x, {}), gradus::StateError);
  CHECK_THROWS_AS(gradus::masked_softmax(gradus::tensor({1, 2}), gradus::tensor({true, true})), gradus::DTypeError);
}

TEST_CASE("a mask that is added gets the gradient of what it was added to") {
  gradus::manual_seed(3);
  const Tensor x = input({2, 3, 4}), mask = input({3, 1});
  check_gradients([](const Tensors& in) { return gradus::masked_softmax(in[0], in[1], 1); }, {x, mask});
}

TEST_CASE("attention is softmax(q k^T / sqrt(E)) v") {
  gradus::manual_seed(4);
  const gradus::Options f64{.dtype = gradus::float64};
  const Tensor q = gradus::randn({2, 3, 4, 5}, f64), k = gradus::randn({2, 3, 6, 5}, f64), v = gradus::randn({2, 3, 6, 2}, f64);
  const Tensor weights = gradus::softmax(gradus::matmul(q, k.transpose(-2, -1)) / std::sqrt(5.0), -1);
  CHECK(gradus::attention_weights(q, k).allclose(weights, 1e-13, 1e-15));
  CHECK(gradus::scaled_dot_product_attention(q, k, v).allclose(gradus::matmul(weights, v), 1e-13, 1e-15));
  CHECK(
      gradus::scaled_dot_product_attention(q.select(0, 0).select(0, 0), k.select(0, 0).select(0, 0), v.select(0, 0).select(0, 0)).shape() ==
      Shape{4, 2});
}

TEST_CASE("a causal query sees the keys up to its own place, and a masked one what the mask shows") {
  gradus::manual_seed(5);
  const Tensor q = gradus::randn({2, 4, 5}), k = gradus::randn({2, 4, 5}), v = gradus::randn({2, 4, 3});
  const Tensor weights = gradus::attention_weights(q, k, {}, 0, true);
  check_equal(weights, gradus::tril(weights));
  const Tensor lower = gradus::tril(gradus::ones({4, 4}, {.dtype = gradus::boolean}));
  check_equal(gradus::attention_weights(q, k, lower), weights);
  check_equal(gradus::scaled_dot_product_attention(q, k, v, {}, 0, true).select(1, 0), v.select(1, 0));
  lower.select(0, 2).fill_(false);
  CHECK(values(gradus::scaled_dot_product_attention(q, k, v, lower).select(1, 2)) == Values(6, 0));
}

TEST_CASE("attention's dropout acts on the weights, drawn as dropout draws") {
  gradus::manual_seed(6);
  const Tensor q = gradus::randn({2, 4, 5}), k = gradus::randn({2, 6, 5}), v = gradus::randn({2, 6, 3});
  gradus::manual_seed(7);
  const Tensor y = gradus::scaled_dot_product_attention(q, k, v, {}, 0.4);
  gradus::manual_seed(7);
  check_equal(y, gradus::matmul(gradus::dropout(gradus::attention_weights(q, k), 0.4), v));
  CHECK(values(gradus::scaled_dot_product_attention(q, k, v, {}, 1.0)) == Values(24, 0));
}

namespace {

/// The number of heads, of queries, keys and features; value is one for all heads where it says so.
struct AttentionSizes {
  int64_t heads, queries, keys, features;
  bool one_value = false;
};

/// What attention gives and passes back, where nobody asks for the queries from `asked` on.
struct AttentionResult {
  Tensor y, dq, dk, dv;
};

using Attend = std::function<Tensor(const Tensor& q, const Tensor& k, const Tensor& v)>;

/// `bad` stands in the keys and values from `first_bad` on, and in the queries that nobody asks for.
AttentionResult attended(const AttentionSizes& s, gradus::DType dtype, int64_t asked, int64_t first_bad, double bad, const Attend& attend) {
  gradus::manual_seed(8);
  const auto made = [&](int64_t steps, bool one, int64_t from) {
    const Tensor x = gradus::randn(one ? Shape{steps, s.features} : Shape{s.heads, steps, s.features}).to(dtype);
    if (from < steps) x.narrow(-2, from, steps - from).fill_(bad);
    return x.requires_grad_();
  };
  const Tensor q = made(s.queries, false, asked), k = made(s.keys, false, first_bad), v = made(s.keys, s.one_value, first_bad);
  const Tensor y = attend(q, k, v).narrow(-2, 0, asked);
  const Tensors d = gradus::autograd::grad({y}, {q, k, v}, {gradus::randn(y.shape()).to(dtype)});
  return {y.detach(), d[0], d[1], d[2]};
}

/// What stands where nobody looks makes no difference.
void check_unseen(const AttentionSizes& s, int64_t asked, int64_t first_bad, const Attend& attend) {
  CAPTURE(s.heads);
  CAPTURE(s.keys);
  for (const gradus::DType dtype : {gradus::float32, gradus::float64}) {
    const AttentionResult right = attended(s, dtype, asked, first_bad, 0, attend);
    for (const double bad : {kNan, kInf, -kInf}) {
      CAPTURE(bad);
      const AttentionResult ours = attended(s, dtype, asked, first_bad, bad, attend);
      const double close = dtype == gradus::float32 ? 1e-5 : 1e-12;
      CHECK(ours.y.allclose(right.y, close, close));
      CHECK(ours.dq.allclose(right.dq, close, close));
      CHECK(ours.dk.allclose(right.dk, close, close));
      CHECK(ours.dv.allclose(right.dv, close, close));
    }
  }
}

constexpr AttentionSizes kAttentionSizes[] = {{1, 3, 5, 4}, {2, 4, 6, 3}, {3, 40, 70, 32}, {1, 1, 3, 2}, {2, 20, 40, 17, true}};

}  // namespace

TEST_CASE("a NaN or infinity in the future of a causal mask reaches no earlier step, forward or backward") {
  for (const AttentionSizes& s : kAttentionSizes)
    check_unseen(s, s.queries / 2 + s.queries % 2, s.queries / 2 + s.queries % 2, [](const Tensor& q, const Tensor& k, const Tensor& v) {
      return gradus::scaled_dot_product_attention(q, k, v, {}, 0, true);
    });
}

TEST_CASE("a NaN or infinity in keys and values that a mask keeps out makes no difference, forward or backward") {
  for (const AttentionSizes& s : kAttentionSizes) {
    const int64_t seen = s.keys / 2;
    const Tensor mask = gradus::sequence_mask(gradus::tensor({seen}), s.keys);
    check_unseen(s, s.queries, seen,
                 [&](const Tensor& q, const Tensor& k, const Tensor& v) { return gradus::scaled_dot_product_attention(q, k, v, mask); });
    check_unseen(s, s.queries, seen, [&](const Tensor& q, const Tensor& k, const Tensor& v) {
      const Tensor added = gradus::zeros({1, s.keys}, {.dtype = q.dtype()}).masked_fill(gradus::logical_not(mask), -kInf);
      return gradus::scaled_dot_product_attention(q, k, v, added);
    });
    check_unseen(s, s.queries, seen, [&](const Tensor& q, const Tensor& k, const Tensor& v) {  // by its parts
      return gradus::scaled_dot_product_attention(q, k, v, mask) + gradus::attention_weights(q, k, mask).sum(-1, true);
    });
  }
}

TEST_CASE("queries of NaN that nobody asks for pass nothing back") {
  for (const AttentionSizes& s : kAttentionSizes) {
    const int64_t seen = s.keys - 1;
    check_unseen(s, (s.queries + 1) / 2, seen, [&](const Tensor& q, const Tensor& k, const Tensor& v) {
      return gradus::scaled_dot_product_attention(q, k, v, gradus::sequence_mask(gradus::tensor({seen}), s.keys));
    });
  }
}

TEST_CASE("a NaN that is asked for shows in all that it reaches, and only there") {
  const Tensor q = gradus::ones({3, 2}), k = gradus::ones({3, 2}), v = gradus::ones({3, 2});
  k[1][0].fill_(kNan);
  const Tensor weights = gradus::attention_weights(q, k, {}, 0, true);
  CHECK(values(weights[0]) == Values{1, 0, 0});
  CHECK(gradus::isnan(weights[1]).to_vector<bool>() == std::vector<bool>{true, true, false});
  CHECK(gradus::isnan(weights[2]).all().item<bool>());
  v[1][0].fill_(kInf);
  const Tensor y = gradus::scaled_dot_product_attention(q, gradus::ones({3, 2}), v, {}, 0, true);
  CHECK(values(y) == Values{1, 1, kInf, 1, kInf, 1});
}

TEST_CASE("what a mask keeps out makes no difference to second derivatives either") {
  const auto second = [](double bad) {
    gradus::manual_seed(9);
    const Tensor q = input({2, 3, 4}), k = input({2, 5, 4}).detach(), v = input({2, 5, 4}).detach();
    k.narrow(1, 3, 2).fill_(bad);
    v.narrow(1, 3, 2).fill_(bad);
    k.requires_grad_();
    v.requires_grad_();
    const Tensor y = gradus::scaled_dot_product_attention(q, k, v, gradus::sequence_mask(gradus::tensor({3}), 5));
    const Tensors first = gradus::autograd::grad({y.square().sum()}, {q, k, v}, {}, {.create_graph = true});
    Tensors all = gradus::autograd::grad({first[0].square().sum() + first[1].square().sum() + first[2].square().sum()}, {q, k, v});
    all.insert(all.end(), first.begin(), first.end());
    return all;
  };
  const Tensors right = second(0), ours = second(kNan);
  for (size_t i = 0; i < right.size(); ++i) CHECK(ours[i].detach().allclose(right[i].detach(), 1e-12, 1e-12));
}

TEST_CASE("attention names what does not fit") {
  const Tensor q = gradus::zeros({2, 3, 4}), k = gradus::zeros({2, 5, 4}), v = gradus::zeros({2, 5, 6});
  const auto text = [](auto f) { return error_of<gradus::ShapeError>(f); };
  CHECK(text([&] {
          gradus::scaled_dot_product_attention(q, gradus::zeros({2, 5, 3}), v);
        }) == "scaled_dot_product_attention: query [2, 3, 4] and key [2, 5, 3] have 4 and 3 features");
  CHECK(text([&] {
          gradus::scaled_dot_product_attention(q, k, gradus::zeros({2, 4, 6}));
        }) == "scaled_dot_product_attention: key [2, 5, 4] and value [2, 4, 6] have 5 and 4 steps");
  CHECK(text([&] { gradus::scaled_dot_product_attention(gradus::zeros(4), k, v); }) ==
        "scaled_dot_product_attention: query has shape [4], expected (..., steps, features)");
  CHECK_THROWS_AS(gradus::scaled_dot_product_attention(q, gradus::zeros({3, 5, 4}), v), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::scaled_dot_product_attention(q, k, gradus::zeros({3, 5, 6})), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::scaled_dot_product_attention(q, k, v, gradus::zeros({2, 5})), gradus::ShapeError);
  CHECK(error_of<gradus::ValueError>([&] {
          gradus::scaled_dot_product_attention(q, k, v, gradus::zeros({3, 5}), 0, true);
        }) == "scaled_dot_product_attention: is_causal is a mask of its own; leave out attn_mask, or is_causal");
  CHECK_THROWS_AS(gradus::scaled_dot_product_attention(q, k, v, {}, -0.1), gradus::ValueError);
  CHECK(error_of<gradus::DTypeError>([&] { gradus::scaled_dot_product_attention(q, k.to(gradus::float64), v); }) ==
        "scaled_dot_product_attention: key is float64 and query float32; they must be float32 or float64 alike, convert with .to()");
  CHECK_THROWS_AS(gradus::scaled_dot_product_attention(q.to(gradus::int64), k, v), gradus::DTypeError);
  CHECK_THROWS_AS(gradus::scaled_dot_product_attention(q, {}, v), gradus::StateError);
}

TEST_CASE("sequence_mask is true below each length") {
  check_equal(gradus::sequence_mask(gradus::tensor({0, 2, 3}), 3),
              gradus::tensor({{false, false, false}, {true, true, false}, {true, true, true}}));
  CHECK(gradus::sequence_mask(gradus::tensor({{1, 2}}), 4).shape() == Shape{1, 2, 4});
  CHECK(error_of<gradus::ValueError>([] {
          gradus::sequence_mask(gradus::tensor({1, 4}), 3);
        }) == "sequence_mask: a length of 4 is not in 0 to 3");
  CHECK_THROWS_AS(gradus::sequence_mask(gradus::tensor({-1}), 3), gradus::ValueError);
  CHECK_THROWS_AS(gradus::sequence_mask(gradus::tensor({1.0}), 3), gradus::DTypeError);
}
