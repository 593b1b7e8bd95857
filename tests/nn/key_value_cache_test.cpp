#include <set>
#include <string>
#include <utility>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/nn/attention.h"
#include "gradus/nn/key_value_cache.h"
#include "gradus/ops/attention.h"
#include "gradus/random.h"
#include "nn/nn_test.h"

using namespace nn_test;
using gradus::randn;

namespace {

/// A step of a batch of 3 with 2 heads of 4 features.
Tensor some(int64_t steps = 1) { return randn({3, 2, steps, 4}); }

}  // namespace

TEST_CASE("a KeyValueCache has the steps that were appended, in order") {
  gradus::manual_seed(1);
  const Tensor k = some(40), v = some(40);
  nn::KeyValueCache cache;
  CHECK(cache.steps() == 0);
  CHECK(cache.batch() == 0);
  CHECK_FALSE(cache.keys().defined());
  int64_t at = 0;
  for (const int64_t count : {1, 1, 5, 0, 20, 1, 12}) {
    cache.append(k.narrow(2, at, count), v.narrow(2, at, count));
    at += count;
    CHECK(cache.steps() == at);
    check_same(cache.keys(), k.narrow(2, 0, at));
    check_same(cache.values(), v.narrow(2, 0, at));
  }
  CHECK(cache.batch() == 3);
  CHECK_FALSE(cache.key_padding_mask().defined());
}

TEST_CASE("appending to a KeyValueCache copies what is there only when its memory is used up, which doubles") {
  gradus::manual_seed(2);
  nn::KeyValueCache cache;
  std::set<const float*> places;
  for (int i = 0; i < 1000; ++i) {
    cache.append(some(), some());
    places.insert(cache.keys().data<float>());
  }
  CHECK(places.size() <= 8);
}

TEST_CASE("copies of a KeyValueCache go their own ways") {
  gradus::manual_seed(3);
  nn::KeyValueCache cache;
  const Tensor first = some(), left = some(), right = some();
  cache.append(first, first);
  nn::KeyValueCache other = cache;
  const nn::KeyValueCache kept = cache;
  cache.append(left, left);
  other.append(right, right);
  cache.append(right, right);
  CHECK(kept.steps() == 1);
  check_same(kept.keys(), first);
  check_same(cache.keys().narrow(2, 0, 1), first);
  check_same(cache.keys().narrow(2, 1, 1), left);
  check_same(cache.keys().narrow(2, 2, 1), right);
  check_same(other.keys().narrow(2, 0, 1), first);
  check_same(other.values().narrow(2, 1, 1), right);
}

TEST_CASE("a KeyValueCache is reordered by rows, more or fewer of them, and the old one stays") {
  gradus::manual_seed(4);
  const Tensor k = some(5), v = some(5), mask = randn({3, 5}) > 0;
  nn::KeyValueCache cache;
  cache.append(k, v, mask);
  const Tensor rows = gradus::tensor({2, 2, 0, 1});
  nn::KeyValueCache other = cache.reorder(rows);
  check_same(other.keys(), k.index_select(0, rows));
  check_same(other.values(), v.index_select(0, rows));
  check_same(other.key_padding_mask(), mask.index_select(0, rows));
  const Tensor more = randn({4, 2, 1, 4});
  other.append(more, more);
  check_same(other.keys().narrow(2, 5, 1), more);
  check_same(cache.keys(), k);
  CHECK(other.reorder(gradus::tensor({3})).batch() == 1);
  CHECK(nn::KeyValueCache().reorder(rows).steps() == 0);
  CHECK_THROWS_AS(cache.reorder(gradus::tensor({3})), gradus::IndexError);
  CHECK_THROWS_AS(nn::KeyValueCache(k, v).reorder(gradus::tensor({-1})), gradus::IndexError);
}

TEST_CASE("rows that are the same need no copy when they change places") {
  gradus::manual_seed(5);
  const nn::KeyValueCache source(some(), some());
  const nn::KeyValueCache beams = source.reorder(gradus::tensor({0, 0, 1, 1}));
  const nn::KeyValueCache same = beams.reorder(gradus::tensor({1, 1, 3, 2}));
  CHECK(same.keys().shares_storage_with(beams.keys()));
  const nn::KeyValueCache apart = beams.reorder(gradus::tensor({2, 1, 3, 2}));
  CHECK_FALSE(apart.keys().shares_storage_with(beams.keys()));
  check_same(apart.keys(), source.keys().index_select(0, gradus::tensor({1, 0, 1, 1})));
  nn::KeyValueCache longer = beams;
  const Tensor step = randn({4, 2, 1, 4});
  longer.append(step, step);
  check_same(longer.reorder(gradus::tensor({1, 1, 3, 2})).keys().narrow(2, 1, 1), step.index_select(0, gradus::tensor({1, 1, 3, 2})));
}

TEST_CASE("steps without a mask beside steps with one are not padding") {
  nn::KeyValueCache cache;
  const Tensor x = gradus::zeros({1, 1, 1, 2}), hidden = gradus::ones({1, 1}, {.dtype = gradus::boolean});
  cache.append(x, x);
  cache.append(x, x, hidden);
  cache.append(x, x);
  CHECK(values(cache.key_padding_mask()) == Values{0, 1, 0});
}

TEST_CASE("a KeyValueCache refuses what does not fit, and stays as it was") {
  nn::KeyValueCache cache;
  const Tensor x = gradus::zeros({3, 2, 1, 4});
  cache.append(x, x);
  const auto refuses = [&](const Tensor& k, const Tensor& v, const Tensor& mask = {}) {
    const std::string text = error_of<gradus::ShapeError>([&] { cache.append(k, v, mask); });
    CHECK(cache.steps() == 1);
    return text;
  };
  CHECK(refuses(x, gradus::zeros({3, 2, 2, 4})) ==
        "KeyValueCache: keys have shape [3, 2, 1, 4] and values [3, 2, 2, 4]; both must be (batch, heads, steps, features)");
  CHECK_FALSE(refuses(x[0], x[0]).empty());
  const Tensor two = gradus::zeros({2, 2, 1, 4});
  CHECK(refuses(two, two) ==
        "KeyValueCache: steps of shape [2, 2, 1, 4] do not fit behind those of shape [3, 2, 1, 4]; batch, heads and features must be the "
        "same");
  CHECK(refuses(x, x, gradus::zeros({3, 2}, {.dtype = gradus::boolean})) ==
        "KeyValueCache: key_padding_mask has shape [3, 2], expected [3, 1]");
  const Tensor f64 = x.to(gradus::float64);
  CHECK(error_of<gradus::DTypeError>([&] { cache.append(f64, f64); }) ==
        "KeyValueCache: steps of float64 do not fit behind those of float32");
  CHECK(error_of<gradus::DTypeError>([&] { cache.append(x, f64); }) == "KeyValueCache: keys are float32 and values float64");
}

TEST_CASE("MultiheadAttention attends to projected keys and values as to the keys and values themselves") {
  for (const bool batch_first : {false, true})
    for (const bool more_keys : {false, true})
      for (const int64_t vdim : {6, 5}) {
        CAPTURE(batch_first);
        CAPTURE(more_keys);
        CAPTURE(vdim);
        gradus::manual_seed(6);
        const nn::MultiheadAttention attention(
            6, 2, {.add_bias_kv = more_keys, .add_zero_attn = more_keys, .vdim = vdim, .batch_first = batch_first});
        const auto sequence = [&](int64_t steps, int64_t features) {
          return batch_first ? randn({3, steps, features}) : randn({steps, 3, features});
        };
        const Tensor query = sequence(2, 6), key = sequence(4, 6), value = sequence(4, vdim).requires_grad_();
        const Tensor padding = ~gradus::sequence_mask(gradus::tensor({4, 2, 1}), 4), mask = randn({2, 4});
        const nn::KeyValueCache cache = attention.project(key, value, padding);
        CHECK(cache.keys().shape() == Shape{3, 2, 4, 3});
        const nn::AttentionOutput ours = attention.attend(query, cache, {.attn_mask = mask});
        const nn::AttentionOutput theirs = attention(query, key, value, {.key_padding_mask = padding, .attn_mask = mask});
        check_close(ours.output.detach(), theirs.output.detach(), 1e-6);
        check_close(ours.weights.detach(), theirs.weights.detach(), 1e-6);
        const Tensor dy = randn(theirs.output.shape());
        theirs.output.backward(dy);
        const Tensor expected = value.grad();
        value.set_grad({});
        ours.output.backward(dy);
        check_close(value.grad(), expected, 1e-5);
      }
}

TEST_CASE("one sequence attends to the projected keys of one") {
  gradus::manual_seed(7);
  const nn::MultiheadAttention attention(4, 2);
  const gradus::NoGradGuard no_grad;
  const Tensor query = randn({3, 4}), key = randn({5, 4}), padding = gradus::arange(5) > 3;
  const nn::AttentionOutput ours = attention.attend(query, attention.project(key, key, padding));
  const nn::AttentionOutput theirs = attention(query, key, key, {.key_padding_mask = padding});
  check_close(ours.output, theirs.output, 1e-6);
  check_close(ours.weights, theirs.weights, 1e-6);
}

TEST_CASE("MultiheadAttention refuses caches and masks that do not fit") {
  gradus::manual_seed(8);
  const nn::MultiheadAttention attention(4, 2);
  const Tensor x = randn({5, 3, 4});
  nn::KeyValueCache cache = attention.project(x, x);
  CHECK(error_of<gradus::ValueError>([&] { attention.attend(x, {}); }) == "MultiheadAttention: the cache is empty; project() fills one");
  CHECK(error_of<gradus::ValueError>([&] {
          attention.attend(x, cache, {.key_padding_mask = randn({3, 5})});
        }) == "MultiheadAttention: the cache has a key_padding_mask of its own; give it to project()");
  CHECK(error_of<gradus::ShapeError>([&] {
          attention.attend(randn({5, 2, 4}), cache);
        }) == "MultiheadAttention: query [5, 2, 4] and the cache's keys [3, 2, 5, 2] do not fit; expected (2, 2, steps, 2)");
  CHECK_FALSE(error_of<gradus::ShapeError>([&] { attention.attend(randn({5, 3, 6}), cache); }).empty());
  CHECK_FALSE(error_of<gradus::ShapeError>([&] { attention.attend(randn(4), cache); }).empty());
  CHECK_FALSE(error_of<gradus::ShapeError>([&] { attention.attend(x, cache, {.attn_mask = randn({5, 4})}); }).empty());
  CHECK_FALSE(error_of<gradus::DTypeError>([&] { attention.attend(x.to(gradus::float64), cache); }).empty());
  CHECK_FALSE(error_of<gradus::ShapeError>([&] { attention.project(x, randn({4, 3, 4})); }).empty());
  CHECK_FALSE(error_of<gradus::ShapeError>([&] { attention.project(x, x, randn({3, 4})); }).empty());
  CHECK_FALSE(error_of<gradus::ShapeError>([&] { attention.project(x[0][0], x[0][0]); }).empty());
  CHECK(error_of<gradus::ValueError>([&] {
          attention.step(x, cache, {.attn_mask = randn({5, 5})});
        }) == "MultiheadAttention: a step sees all before it; leave out attn_mask");
  CHECK_FALSE(error_of<gradus::ShapeError>([&] { attention.step(randn({1, 2, 4}), cache); }).empty());
  CHECK(cache.steps() == 5);
}

TEST_CASE("AdditiveAttention attends to projected keys as to the keys themselves") {
  gradus::manual_seed(9);
  const nn::AdditiveAttention attention(5, 4, 3);
  const Tensor queries = randn({2, 3, 4}), keys = randn({2, 6, 5}), lengths = gradus::tensor({6, 2});
  const Tensor projected = attention.project_keys(keys);
  CHECK(projected.shape() == Shape{2, 6, 3});
  const nn::AttentionOutput ours = attention.attend(queries, projected, keys, lengths), theirs = attention(queries, keys, keys, lengths);
  check_same(ours.output.detach(), theirs.output.detach());
  check_same(ours.weights.detach(), theirs.weights.detach());
  theirs.output.sum().backward();
  const Tensor expected = attention.W_k.weight.grad();
  attention.zero_grad();
  ours.output.sum().backward();
  check_same(attention.W_k.weight.grad(), expected);
  CHECK(error_of<gradus::ShapeError>([&] { attention.attend(queries, keys, keys); }) ==
        "AdditiveAttention: keys [2, 6, 5] are not projected to 3 features; see project_keys");
}

TEST_CASE("steps of MultiheadAttention give what the whole sequence gives under the subsequent mask, weights included") {
  for (const bool more_keys : {false, true}) {
    CAPTURE(more_keys);
    gradus::manual_seed(10);
    const nn::MultiheadAttention attention(4, 2, {.add_bias_kv = more_keys, .add_zero_attn = more_keys, .batch_first = true});
    const Tensor x = randn({3, 6, 4}), later = gradus::arange(6).unsqueeze(0) > gradus::arange(6).unsqueeze(1);
    const nn::AttentionOutput whole = attention(x, x, x, {.attn_mask = later, .average_attn_weights = false});
    const int64_t more = more_keys ? 2 : 0;
    nn::KeyValueCache cache;
    int64_t at = 0;
    for (const int64_t count : {1, 1, 3, 1}) {
      const nn::AttentionOutput y = attention.step(x.narrow(1, at, count), cache, {.average_attn_weights = false});
      check_close(y.output, whole.output.narrow(1, at, count).detach(), 1e-6);
      const Tensor expected = whole.weights.narrow(2, at, count).detach();
      at += count;
      CHECK(y.weights.shape() == Shape{3, 2, count, at + more});
      check_close(y.weights.narrow(3, 0, at), expected.narrow(3, 0, at), 1e-6);
      check_close(y.weights.narrow(3, at, more), expected.narrow(3, 6, more), 1e-6);
    }
    CHECK_FALSE(attention.step(x.narrow(1, 0, 1), cache, {.need_weights = false}).weights.defined());
    CHECK(attention.step(x.narrow(1, 0, 1), cache).weights.shape() == Shape{3, 1, 8 + more});
  }
}

TEST_CASE("a cache that was moved from is an empty one") {
  gradus::manual_seed(11);
  const Tensor x = randn({2, 1, 3, 4}), one = randn({2, 1, 1, 4});
  nn::KeyValueCache cache(x, x);
  const nn::KeyValueCache moved = std::move(cache);
  CHECK(moved.steps() == 3);
  CHECK(cache.steps() == 0);
  CHECK(cache.batch() == 0);
  CHECK_FALSE(cache.keys().defined());
  CHECK(cache.reorder(gradus::tensor({0})).steps() == 0);
  cache.append(one, one);
  check_same(cache.keys(), one);
  CHECK(moved.steps() == 3);
}
