#include <cmath>

#include "gradus/creation.h"
#include "gradus/ops/indexing.h"
#include "gradus/parallel.h"
#include "ops/op_test.h"

using namespace op_test;
using gradus::BagMode;

namespace {

const Tensor kIndices = gradus::tensor({0, 2, 4, 2, 3, 0, 1});
const Tensor kOffsets = gradus::tensor({0, 3, 3, 5});  // bags of 3, 0, 2 and 2

}  // namespace

TEST_CASE("embedding_bag joins the rows of each bag, and gives 0 for an empty one") {
  const Tensor weight = gradus::tensor({{1, 10}, {2, 20}, {4, 40}, {8, 80}, {16, 160}}).to(gradus::float32);
  const auto joined = [&](BagMode mode) { return values(gradus::embedding_bag(kIndices, weight, kOffsets, {.mode = mode})); };
  CHECK(joined(BagMode::Sum) == Values{21, 210, 0, 0, 12, 120, 3, 30});
  CHECK(joined(BagMode::Mean) == Values{7, 70, 0, 0, 6, 60, 1.5, 15});
  CHECK(joined(BagMode::Max) == Values{16, 160, 0, 0, 8, 80, 2, 20});
  CHECK(values(gradus::embedding_bag(gradus::tensor({{0, 1}, {3, 3}}), weight)) == Values{1.5, 15, 8, 80});
}

TEST_CASE("a bag of two dimensions is the mean of its embeddings") {
  gradus::manual_seed(1);
  const Tensor weight = input({6, 3}), indices = gradus::randint(6, {4, 5});
  const Tensor y = gradus::embedding_bag(indices, weight), expected = gradus::embedding(indices, weight).mean({1});
  CHECK(y.grad_fn() == "EmbeddingBagBackward0");
  CHECK(y.allclose(expected, 1e-14, 1e-15));
  const Tensor dy = gradus::randn({4, 3}, {.dtype = gradus::float64});
  CHECK(gradient(y, weight, dy).allclose(gradient(expected, weight, dy), 1e-14, 1e-15));
}

TEST_CASE("derivatives of embedding_bag, of the first and second order") {
  gradus::manual_seed(2);
  for (BagMode mode : {BagMode::Sum, BagMode::Mean, BagMode::Max})
    for (std::optional<int64_t> padding : {std::optional<int64_t>(), std::optional<int64_t>(2)})
      check_gradients(
          [=](const Tensors& in) {
            return gradus::embedding_bag(kIndices, in[0], kOffsets, {.mode = mode, .padding_idx = padding}).square();
          },
          {input({5, 3})});
  check_gradients(
      [](const Tensors& in) { return gradus::embedding_bag(kIndices, in[0], kOffsets, {.mode = BagMode::Sum}, in[1]).square(); },
      {input({5, 3}), input({7})});
}

TEST_CASE("the index of padding counts for nothing in a bag") {
  const Tensor weight = gradus::tensor({{5.0}, {1.0}, {3.0}});
  const auto joined = [&](BagMode mode) {
    return values(gradus::embedding_bag(gradus::tensor({{0, 1, 2}, {0, 0, 0}}), weight, {}, {.mode = mode, .padding_idx = -3}));
  };
  CHECK(joined(BagMode::Sum) == Values{4, 0});
  CHECK(joined(BagMode::Mean) == Values{2, 0});
  CHECK(joined(BagMode::Max) == Values{3, 0});
}

TEST_CASE("the largest of equal rows is the first; NaN counts where it stands first") {
  const Tensor weight = gradus::tensor({{1.0}, {1.0}, {kNan}}).to(gradus::float64).requires_grad_();
  const auto bag = [&](const Tensor& indices) { return gradus::embedding_bag(indices, weight, {}, {.mode = BagMode::Max}); };
  const Tensor one = gradus::ones({1, 1}, {.dtype = gradus::float64});
  CHECK(values(gradient(bag(gradus::tensor({{1, 0, 2}})), weight, one)) == Values{0, 1, 0});
  CHECK(std::isnan(bag(gradus::tensor({{2, 0}})).item()));
}

TEST_CASE("scale_grad_by_freq divides by how often a row was looked up in all bags") {
  const Tensor weight = input({4, 1}), indices = gradus::tensor({1, 1, 1, 0, 2, 2});
  const Tensor y = gradus::embedding_bag(indices, weight, gradus::tensor({0, 2}), {.scale_grad_by_freq = true, .mode = BagMode::Sum});
  CHECK(gradient(y, weight, gradus::ones({2, 1}, {.dtype = gradus::float64}))
            .reshape(-1)
            .allclose(gradus::tensor({1.0, 1.0, 1.0, 0.0}).to(gradus::float64)));
}

TEST_CASE("with include_last_offset the last offset ends the last bag, and what follows is left out") {
  const Tensor weight = gradus::tensor({{1.0}, {2.0}, {4.0}});
  const auto sums = [&](const Tensor& offsets) {
    return values(gradus::embedding_bag(gradus::tensor({0, 1, 2}), weight, offsets, {.mode = BagMode::Sum, .include_last_offset = true}));
  };
  CHECK(sums(gradus::tensor({0, 1, 3})) == Values{1, 6});
  CHECK(sums(gradus::tensor({0, 1, 2})) == Values{1, 2});
  CHECK(sums(gradus::tensor({0})).empty());
}

TEST_CASE("a large embedding_bag and its gradient have the same bits for any number of threads") {
  gradus::manual_seed(3);
  const int threads = gradus::get_num_threads();
  const Tensor weight = gradus::randn({3000, 40}, {.requires_grad = true}), indices = gradus::randint(3000, {500, 20}),
               dy = gradus::randn({500, 40});
  const auto results = [&] {
    const Tensor y = gradus::embedding_bag(indices, weight);
    return std::pair(values(y), values(gradient(y, weight, dy)));
  };
  gradus::set_num_threads(1);
  const auto alone = results();
  gradus::set_num_threads(3);
  CHECK(results() == alone);
  gradus::set_num_threads(threads);
}

TEST_CASE("embedding_bag says what does not fit") {
  const Tensor weight = gradus::zeros({5, 3});
  const auto error = [&]<class E>(E*, const Tensor& indices, const Tensor& offsets, const gradus::EmbeddingBagOptions& options = {},
                                  const Tensor& samples = {}) {
    return error_of<E>([&] { gradus::embedding_bag(indices, weight, offsets, options, samples); });
  };
  gradus::ValueError* value = nullptr;
  gradus::ShapeError* shape = nullptr;
  gradus::IndexError* index = nullptr;
  CHECK(error(value, kIndices, {}) ==
        "embedding_bag: indices of shape [7] need offsets, where each bag begins; or give them as (bags, length)");
  CHECK(error(value, kIndices.reshape({1, 7}), kOffsets) ==
        "embedding_bag: indices of shape [1, 7] are bags as they are; leave out offsets and include_last_offset");
  CHECK(error(value, kIndices, gradus::tensor({1, 2})) == "embedding_bag: the first bag begins at 1; it must begin at 0");
  CHECK(error(value, kIndices, gradus::tensor({0, 8})) ==
        "embedding_bag: bag 0 reaches from 0 to 8; offsets must ascend, up to the number of indices, 7");
  CHECK(error(value, kIndices, gradus::tensor({0, 4, 3})) ==
        "embedding_bag: bag 1 reaches from 4 to 3; offsets must ascend, up to the number of indices, 7");
  CHECK(error(value, kIndices, gradus::zeros({0}, {.dtype = gradus::int64}), {.include_last_offset = true}) ==
        "embedding_bag: with include_last_offset there is at least one offset, the end of the last bag");
  CHECK(error(value, kIndices, kOffsets, {.mode = BagMode::Max, .sparse = true}) ==
        "embedding_bag: scale_grad_by_freq and sparse do not go with BagMode::Max");
  CHECK(error(value, kIndices, kOffsets, {}, gradus::ones(7)) ==
        "embedding_bag: per_sample_weights are factors of a sum; give mode BagMode::Sum");
  CHECK(error(shape, kIndices, kOffsets, {.mode = BagMode::Sum}, gradus::ones(6)) ==
        "embedding_bag: per_sample_weights have shape [6], the indices [7]; they must be equal");
  CHECK(error(shape, gradus::tensor(1), kOffsets) ==
        "embedding_bag: indices have shape [], expected (bags, length), or (number) with offsets");
  CHECK(error(shape, kIndices, kOffsets.reshape({2, 2})) == "embedding_bag: offsets have shape [2, 2], expected (bags)");
  CHECK(error(index, gradus::tensor({{0, 5}}), {}) == "embedding_bag: index 5 at [0, 1] is out of range for 5 rows");
  CHECK(error(index, kIndices, kOffsets, {.padding_idx = 5}) == "embedding_bag: padding_idx 5 is out of range for 5 rows");
  CHECK_THROWS_AS(gradus::embedding_bag(kIndices, gradus::zeros({5}), kOffsets), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::embedding_bag(kIndices, gradus::zeros({5, 2}, {.dtype = gradus::int64}), kOffsets), gradus::DTypeError);
  CHECK_THROWS_AS(gradus::embedding_bag(kIndices, weight, gradus::zeros(2)), gradus::DTypeError);
  CHECK_THROWS_AS(gradus::embedding_bag(gradus::zeros(2), weight, kOffsets), gradus::DTypeError);
  CHECK_THROWS_AS(gradus::embedding_bag(kIndices, weight, kOffsets, {.mode = BagMode::Sum}, gradus::ones(7, {.dtype = gradus::float64})),
                  gradus::DTypeError);
}
