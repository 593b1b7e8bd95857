#include <cmath>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/nn/attention.h"
#include "gradus/nn/init.h"
#include "gradus/ops/attention.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/product.h"
#include "gradus/ops/shape.h"
#include "gradus/random.h"
#include "nn/nn_test.h"

using namespace nn_test;
using gradus::randn;

namespace {

Tensor flags(const std::vector<std::vector<bool>>& rows) {
  const auto height = static_cast<int64_t>(rows.size()), width = static_cast<int64_t>(rows[0].size());
  const Tensor x = gradus::zeros({height, width}, {.dtype = gradus::boolean});
  for (int64_t i = 0; i < height; ++i)
    for (int64_t j = 0; j < width; ++j)
      if (rows[static_cast<size_t>(i)][static_cast<size_t>(j)]) x[i][j].fill_(true);
  return x;
}

}  // namespace

TEST_CASE("MultiheadAttention starts with PyTorch's numbers for the same seed") {
  gradus::manual_seed(1);
  const nn::MultiheadAttention plain(4, 2);
  // torch.manual_seed(1); m = nn.MultiheadAttention(4, 2): in_proj_weight[0], out_proj.weight[0]
  check_close(plain.in_proj_weight[0], gradus::tensor({-0.228051335, -0.369849294, -0.102643207, -0.264141172}), 1e-6);
  check_close(plain.out_proj.weight[0], gradus::tensor({0.2576316, -0.220689118, -0.0969307423, 0.234684467}), 1e-6);
  CHECK(values(plain.in_proj_bias) == Values(12, 0));
  CHECK(values(plain.out_proj.bias) == Values(4, 0));
  gradus::manual_seed(1);
  const nn::MultiheadAttention wide(4, 2, {.bias = false, .add_bias_kv = true, .kdim = 3, .vdim = 5});
  // nn.MultiheadAttention(4, 2, bias=False, add_bias_kv=True, kdim=3, vdim=5): v_proj_weight[3], bias_v
  check_close(wide.v_proj_weight[3], gradus::tensor({0.253405511, -0.527799547, 0.530350983, 0.495696574, 0.724146724}), 1e-6);
  check_close(wide.bias_v.flatten(), gradus::tensor({0.415508151, -0.123853728, -0.401470482, 0.11828734}), 1e-5);
}

TEST_CASE("MultiheadAttention's state has PyTorch's names in PyTorch's order") {
  using Names = std::vector<std::string>;
  CHECK(names(nn::MultiheadAttention(4, 2, {.add_bias_kv = true}).state_dict()) ==
        Names{"in_proj_weight", "in_proj_bias", "bias_k", "bias_v", "out_proj.weight", "out_proj.bias"});
  CHECK(names(nn::MultiheadAttention(4, 2, {.bias = false, .kdim = 3}).state_dict()) ==
        Names{"q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight"});
  CHECK(nn::MultiheadAttention(4, 2).str() == "MultiheadAttention(\n  (out_proj): Linear(in_features=4, out_features=4, bias=True)\n)");
}

TEST_CASE("each head of MultiheadAttention is attention on its share of the projected features") {
  gradus::manual_seed(2);
  const nn::MultiheadAttention attention(6, 2, {.batch_first = true});
  attention.to(gradus::float64);
  const gradus::Options f64{.dtype = gradus::float64};
  const Tensor query = randn({3, 4, 6}, f64), key = randn({3, 5, 6}, f64), value = randn({3, 5, 6}, f64);
  const auto projected = [&](const Tensor& x, int64_t which) {
    return gradus::linear(x, attention.in_proj_weight.narrow(0, 6 * which, 6), attention.in_proj_bias.narrow(0, 6 * which, 6));
  };
  std::vector<Tensor> heads, weights;
  for (int64_t head = 0; head < 2; ++head) {
    const auto share = [&](const Tensor& x) { return x.narrow(2, 3 * head, 3); };
    const Tensor q = share(projected(query, 0)), k = share(projected(key, 1));
    heads.push_back(gradus::scaled_dot_product_attention(q, k, share(projected(value, 2))));
    weights.push_back(gradus::attention_weights(q, k));
  }
  const nn::AttentionOutput y = attention(query, key, value);
  check_close(y.output, attention.out_proj(gradus::cat(heads, 2)).detach(), 1e-12);
  check_close(y.weights, ((weights[0] + weights[1]) / 2).detach(), 1e-12);
  const nn::AttentionOutput apart = attention(query, key, value, {.average_attn_weights = false});
  check_close(apart.weights, gradus::stack(weights, 1).detach(), 1e-12);
  CHECK_FALSE(attention(query, key, value, {.need_weights = false}).weights.defined());
}

TEST_CASE("the same attention comes out with the batch first, second or missing") {
  gradus::manual_seed(3);
  const nn::MultiheadAttention second(4, 2), first(4, 2, {.batch_first = true});
  first.load_state_dict(second.state_dict());
  const Tensor q = randn({3, 2, 4}), kv = randn({5, 2, 4});
  const nn::AttentionOutput a = second(q, kv, kv), b = first(q.transpose(0, 1), kv.transpose(0, 1), kv.transpose(0, 1));
  check_close(a.output, b.output.transpose(0, 1).detach(), 1e-6);
  check_close(a.weights, b.weights.detach(), 1e-6);
  const nn::AttentionOutput one = first(q.select(1, 0), kv.select(1, 0), kv.select(1, 0));
  check_close(one.output, a.output.select(1, 0).detach(), 1e-6);
  check_close(one.weights, a.weights[0].detach(), 1e-6);
}

TEST_CASE("masks keep keys out: true ones, and numbers of -infinity, also together") {
  gradus::manual_seed(4);
  const nn::MultiheadAttention attention(4, 2, {.batch_first = true});
  const Tensor x = randn({2, 3, 4});
  const Tensor padding = flags({{false, false, true}, {false, false, false}});
  const Tensor later = flags({{false, true, true}, {false, false, true}, {false, false, false}});
  const auto numbers = [](const Tensor& mask) { return gradus::zeros(mask.shape()).masked_fill(mask, -kInf); };
  const auto weights = [&](const Tensor& of_keys, const Tensor& of_queries) {
    return attention(x, x, x, {.key_padding_mask = of_keys, .attn_mask = of_queries}).weights.detach();
  };
  const Tensor both = weights(padding, later);
  CHECK(values(both.select(2, 2)) == Values{0, 0, 0, 0, 0, both[1][2][2].item()});
  CHECK(both[1][2][2].item() > 0);
  CHECK(values(both.select(1, 0)) == Values{1, 0, 0, 1, 0, 0});
  check_close(weights(numbers(padding), later), both, 1e-6);
  check_close(weights(padding, numbers(later)), both, 1e-6);
  check_close(weights(numbers(padding), numbers(later)), both, 1e-6);
  const Tensor each = later.unsqueeze(0).expand({4, 3, 3});
  check_close(weights(padding, each), both, 0);
}

TEST_CASE("a sequence of padding alone gives the output's bias, and finite gradients") {
  gradus::manual_seed(5);
  const nn::MultiheadAttention attention(4, 2, {.batch_first = true});
  nn::init::constant_(attention.out_proj.bias, 0.25);
  const Tensor x = randn({2, 3, 4}).requires_grad_();
  const nn::AttentionOutput y = attention(x, x, x, {.key_padding_mask = flags({{true, true, true}, {false, false, true}})});
  CHECK(values(y.output[0]) == Values(12, 0.25));
  CHECK(values(y.weights[0]) == Values(9, 0));
  y.output.sum().backward();
  CHECK(gradus::isfinite(x.grad()).all().item<bool>());
  CHECK(gradus::isfinite(attention.in_proj_weight.grad()).all().item<bool>());
}

TEST_CASE("bias_k, bias_v and zero attention are keys behind those given, which no mask hides") {
  gradus::manual_seed(6);
  const nn::MultiheadAttention attention(4, 2, {.add_bias_kv = true, .add_zero_attn = true});
  const Tensor x = randn({3, 4});
  const Tensor hidden = gradus::ones({3, 3}, {.dtype = gradus::boolean});
  const nn::AttentionOutput y = attention(x, x, x, {.key_padding_mask = hidden[0], .attn_mask = hidden});
  CHECK(y.weights.shape() == Shape{3, 5});
  CHECK(values(y.weights.narrow(1, 0, 3)) == Values(9, 0));
  CHECK(y.weights.narrow(1, 3, 2).sum().item() == doctest::Approx(3));
}

TEST_CASE("MultiheadAttention drops weights while training only") {
  gradus::manual_seed(7);
  const nn::MultiheadAttention attention(4, 2, {.dropout = 0.5});
  const Tensor x = randn({6, 2, 4});
  CHECK(attention(x, x, x, {.average_attn_weights = false}).weights.eq(0).any().item<bool>());
  attention.eval();
  CHECK_FALSE(attention(x, x, x, {.average_attn_weights = false}).weights.eq(0).any().item<bool>());
}

TEST_CASE("a clone of MultiheadAttention has its own weights") {
  gradus::manual_seed(8);
  const nn::MultiheadAttention attention(4, 2);
  const nn::MultiheadAttention twin = nn::clone(attention);
  const Tensor x = randn({3, 4}), y = twin(x, x, x).output.detach();
  for (const Tensor& p : attention.parameters()) nn::init::zeros_(p);
  check_same(twin(x, x, x).output, y);
  CHECK(values(attention(x, x, x).output) == Values(12, 0));
}

TEST_CASE("MultiheadAttention says what does not fit") {
  CHECK(error_of<gradus::ValueError>([] { nn::MultiheadAttention(5, 2); }) ==
        "MultiheadAttention: embed_dim 5 does not divide into 2 heads");
  CHECK_THROWS_AS(nn::MultiheadAttention(4, 0), gradus::ValueError);
  CHECK_THROWS_AS(nn::MultiheadAttention(4, 2, {.dropout = 1.5}), gradus::ValueError);
  CHECK_THROWS_AS(nn::MultiheadAttention(4, 2, {.kdim = 0}), gradus::ValueError);
  const nn::MultiheadAttention attention(4, 2);
  const Tensor x = gradus::zeros({3, 2, 4});
  const auto text = [&](const Tensor& q, const Tensor& k, const Tensor& v, const nn::MultiheadAttentionCall& call = {}) {
    return error_of<gradus::ShapeError>([&] { attention(q, k, v, call); });
  };
  CHECK(text(gradus::zeros(4), x, x) ==
        "MultiheadAttention: query has shape [4], expected (steps, batch, 4), or (steps, 4) for one sequence");
  CHECK(text(x, x[0], x) ==
        "MultiheadAttention: query has shape [3, 2, 4], key [2, 4] and value [3, 2, 4]; all with a batch, or all without");
  CHECK(text(gradus::zeros({3, 2, 5}), x, x) ==
        "MultiheadAttention: query [3, 2, 5], key [3, 2, 4] and value [3, 2, 4] must have 4, 4 and 4 features");
  CHECK(text(x, x, gradus::zeros({5, 2, 4})) == "MultiheadAttention: key [3, 2, 4] and value [5, 2, 4] have 3 and 5 steps");
  CHECK(text(x, gradus::zeros({3, 1, 4}), gradus::zeros({3, 1, 4})) ==
        "MultiheadAttention: query [3, 2, 4], key [3, 1, 4] and value [3, 1, 4] have batches of different sizes");
  CHECK(text(x, x, x, {.key_padding_mask = gradus::zeros({3, 2})}) ==
        "MultiheadAttention: key_padding_mask has shape [3, 2], expected [2, 3]");
  CHECK(text(x, x, x, {.attn_mask = gradus::zeros({2, 3, 3})}) ==
        "MultiheadAttention: attn_mask has shape [2, 3, 3], expected [3, 3] or [4, 3, 3]");
  CHECK(error_of<gradus::DTypeError>([&] {
          attention(x, x, x, {.attn_mask = gradus::zeros({3, 3}, {.dtype = gradus::int64})});
        }) == "MultiheadAttention: attn_mask is int64; give bool, true to keep out, or float32, which is added");
  CHECK_THROWS_AS(attention(x.to(gradus::float64), x, x), gradus::DTypeError);
  CHECK_THROWS_AS(attention(x, x, {}), gradus::StateError);
}

TEST_CASE("AdditiveAttention scores with w_v tanh(W_q q + W_k k)") {
  gradus::manual_seed(9);
  const nn::AdditiveAttention attention(2, 3, 4);
  const Tensor queries = randn({2, 2, 3}), keys = randn({2, 5, 2}), v = randn({2, 5, 6});
  const nn::AttentionOutput y = attention(queries, keys, v);
  const Tensor score = gradus::matmul(attention.w_v.weight[0], gradus::tanh(attention.W_q(queries[1][0]) + attention.W_k(keys[1][3])));
  const Tensor first = gradus::matmul(attention.w_v.weight[0], gradus::tanh(attention.W_q(queries[1][0]) + attention.W_k(keys[1][0])));
  CHECK(std::log(y.weights[1][0][3].item() / y.weights[1][0][0].item()) == doctest::Approx(score.item() - first.item()).epsilon(1e-4));
  check_close(y.output, gradus::matmul(y.weights, v).detach(), 1e-6);
  CHECK(names(attention.state_dict()) == std::vector<std::string>{"W_k.weight", "W_q.weight", "w_v.weight"});
}

TEST_CASE("equal keys share the weight among the valid ones, as in Dive into Deep Learning") {
  const nn::AdditiveAttention additive(2, 20, 8, 0.1);
  const nn::DotProductAttention product(0.5);
  additive.eval();
  product.eval();
  const Tensor v = gradus::arange(40.0).reshape({1, 10, 4}).repeat({2, 1, 1}), lengths = gradus::tensor({2, 6});
  const Values expected{2, 3, 4, 5, 10, 11, 12, 13};
  const auto close = [&](const Tensor& y) {
    for (size_t i = 0; i < 8; ++i) CHECK(values(y)[i] == doctest::Approx(expected[i]).epsilon(1e-5));
  };
  close(additive(randn({2, 1, 20}), gradus::ones({2, 10, 2}), v, lengths).output);
  close(product(randn({2, 1, 2}), gradus::ones({2, 10, 2}), v, lengths).output);
  close(product(randn({2, 1, 2}), gradus::ones({2, 10, 2}), v, lengths.unsqueeze(1)).output);
}

TEST_CASE("lengths may be given for each query, and 0 gives 0") {
  const nn::AdditiveAttention attention(2, 2, 3);
  const Tensor queries = randn({1, 3, 2}), keys = randn({1, 4, 2}), v = gradus::ones({1, 4, 1});
  const nn::AttentionOutput y = attention(queries, keys, v, gradus::tensor({{0, 1, 4}}));
  CHECK(values(y.output.select(1, 0)) == Values{0});
  CHECK(values(y.weights.select(1, 1)) == Values{1, 0, 0, 0});
  CHECK(y.output.select(1, 2).item() == doctest::Approx(1));
}

TEST_CASE("attention with lengths says what does not fit") {
  const nn::AdditiveAttention attention(2, 2, 3);
  const Tensor q = gradus::zeros({2, 3, 2}), k = gradus::zeros({2, 4, 2}), v = gradus::zeros({2, 4, 1});
  CHECK(error_of<gradus::ShapeError>([&] {
          attention(q, k, gradus::zeros({2, 3, 1}));
        }) ==
        "AdditiveAttention: queries [2, 3, 2], keys [2, 4, 2] and values [2, 3, 1] must be (batch, steps, features), of one batch, with as "
        "many keys as values");
  CHECK(error_of<gradus::ShapeError>([&] { nn::DotProductAttention()(q, k, v, gradus::tensor({1})); }) ==
        "DotProductAttention: valid_lens has shape [1], expected [2] or [2, 3]");
  CHECK_THROWS_AS(attention(q, k, v, gradus::tensor({1, 5})), gradus::ValueError);
  CHECK_THROWS_AS(attention(q[0], k, v), gradus::ShapeError);
  CHECK_THROWS_AS(nn::AdditiveAttention(2, 2, 0), gradus::ValueError);
  CHECK_THROWS_AS(nn::DotProductAttention(2), gradus::ValueError);
}

namespace {

/// What a call gives, and what it passes back to its inputs and the parameters of the module.
std::vector<Tensor> results(const nn::Module& module, const std::vector<Tensor>& inputs,
                            const std::function<Tensor(const std::vector<Tensor>&)>& f) {
  std::vector<Tensor> all, leaves;
  for (const Tensor& x : inputs) leaves.push_back(x.detach().requires_grad_());
  const Tensor y = f(leaves);
  for (const Tensor& p : module.parameters()) leaves.push_back(p);
  gradus::manual_seed(10);
  all = gradus::autograd::grad({y}, leaves, {randn(y.shape())}, {.allow_unused = true});
  all.push_back(y.detach());
  return all;
}

void check_same(const std::vector<Tensor>& ours, const std::vector<Tensor>& right) {
  REQUIRE(ours.size() == right.size());
  for (size_t i = 0; i < ours.size(); ++i) {
    CAPTURE(i);
    REQUIRE(ours[i].defined() == right[i].defined());
    if (ours[i].defined()) CHECK(ours[i].allclose(right[i], 1e-5, 1e-5));
  }
}

/// x with `bad` in its last step.
Tensor spoiled(const Tensor& x, int64_t dim, double bad) {
  const Tensor y = x.clone();
  y.select(dim, x.size(dim) - 1).fill_(bad);
  return y;
}

}  // namespace

TEST_CASE("what MultiheadAttention's masks keep out makes no difference to outputs, inputs' and parameters' gradients") {
  gradus::manual_seed(11);
  const nn::MultiheadAttention attention(6, 2, {.batch_first = true});
  const Tensor query = randn({2, 3, 6}), key = randn({2, 4, 6}), value = randn({2, 4, 6});
  const Tensor padding = flags({{false, false, false, true}, {false, false, false, true}});
  const Tensor mask = flags(std::vector<std::vector<bool>>(3, {false, false, false, true}));
  const Tensor added = gradus::zeros({3, 4}).masked_fill(mask, -kInf);
  for (const nn::MultiheadAttentionCall& call :
       {nn::MultiheadAttentionCall{.key_padding_mask = padding}, nn::MultiheadAttentionCall{.attn_mask = mask},
        nn::MultiheadAttentionCall{.attn_mask = added}, nn::MultiheadAttentionCall{.key_padding_mask = padding, .attn_mask = added}}) {
    const auto run = [&](double bad) {
      return results(attention, {query, spoiled(key, 1, bad), spoiled(value, 1, bad)}, [&](const std::vector<Tensor>& in) {
        const nn::AttentionOutput y = attention(in[0], in[1], in[2], call);
        return y.output.sum() + y.weights.square().sum();
      });
    };
    const std::vector<Tensor> right = run(0);
    for (const double bad : {kNan, kInf}) check_same(run(bad), right);
  }
}

TEST_CASE("lengths of AdditiveAttention and DotProductAttention keep out what is beyond them") {
  gradus::manual_seed(12);
  const nn::AdditiveAttention additive(4, 4, 5);
  const nn::DotProductAttention product;
  const Tensor queries = randn({2, 2, 4}), keys = randn({2, 3, 4}), values = randn({2, 3, 4});
  for (const Tensor& lengths : {gradus::tensor({2, 1}), gradus::tensor({{1, 2}, {2, 0}})})
    for (const double bad : {kNan, kInf, -kInf}) {
      const auto run = [&](const auto& attention, double v) {
        return results(attention, {queries, spoiled(keys, 1, v), spoiled(values, 1, v)},
                       [&](const std::vector<Tensor>& in) { return attention(in[0], in[1], in[2], lengths).output; });
      };
      check_same(run(additive, bad), run(additive, 0));
      check_same(run(product, bad), run(product, 0));
    }
  // Beyond one query's length, within the other's.
  const auto weights = additive(queries, spoiled(keys, 1, kNan), values, gradus::tensor({{1, 3}, {2, 2}})).weights;
  CHECK(gradus::isfinite(weights[0][0]).all().item<bool>());
  CHECK(gradus::isnan(weights[0][1]).all().item<bool>());
}
