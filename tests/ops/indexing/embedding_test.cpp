#include "gradus/creation.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/product.h"
#include "gradus/parallel.h"
#include "ops/op_test.h"

using namespace op_test;

TEST_CASE("embedding gathers rows for indices of every shape, from a table of any strides") {
  const Tensor table = gradus::arange(0.0, 20.0).reshape({4, 5});
  for (const Tensor& weight : {table, table.t().contiguous().t(), table.slice(1, 0, 5, 2)})
    for (const Tensor& indices : {gradus::tensor({{3, 0, 0}, {1, 2, 3}}), gradus::tensor({1, 3}), gradus::tensor(2),
                                  gradus::tensor({{0, 1}, {2, 3}}).t(), gradus::zeros({0, 2}, {.dtype = gradus::int64})}) {
      const Tensor y = gradus::embedding(indices, weight);
      Shape shape = indices.shape();
      shape.push_back(weight.size(1));
      REQUIRE(y.shape() == shape);
      Values expected;
      for (int64_t i : ints(indices))
        for (double v : values(weight.select(0, i))) expected.push_back(v);
      CHECK(values(y) == expected);
    }
  CHECK(gradus::embedding(gradus::tensor({1}), table).grad_fn().empty());
}

TEST_CASE("an embedding is one-hot times the table") {
  gradus::manual_seed(1);
  const Tensor weight = gradus::randn({6, 3}, {.requires_grad = true}), indices = gradus::tensor({{0, 5}, {2, 2}});
  const Tensor y = gradus::embedding(indices, weight);
  CHECK(y.grad_fn() == "EmbeddingBackward0");
  const Tensor product = gradus::matmul(gradus::one_hot(indices, 6).to(gradus::float32), weight);
  CHECK(y.equal(product));
  const Tensor w = gradus::randn({2, 2, 3});
  CHECK(gradient(y, weight, w).allclose(gradient(product, weight, w), 1e-6, 1e-7));
}

TEST_CASE("derivatives of embedding, rows looked up more than once among them") {
  gradus::manual_seed(2);
  const Tensor indices = gradus::tensor({{0, 3, 3}, {1, 3, 0}});
  for (std::optional<int64_t> padding : {std::optional<int64_t>(), std::optional<int64_t>(3), std::optional<int64_t>(-4)}) {
    const auto f = [&](const Tensors& in) { return gradus::embedding(indices, in[0], {.padding_idx = padding}); };
    if (!padding) check_gradients([&](const Tensors& in) { return f(in).exp(); }, {input({4, 2})});
    const Tensor weight = input({4, 2}), dy = gradus::randn({2, 3, 2}, {.dtype = gradus::float64});
    Tensor kept = dy;
    if (padding) kept = dy.masked_fill(indices.eq((*padding + 4) % 4).unsqueeze(-1), 0);
    CHECK(gradient(f({weight}), weight, dy)
              .allclose(gradus::zeros({4, 2}, {.dtype = gradus::float64})
                            .add(gradus::index_add(gradus::zeros({4, 2}, {.dtype = gradus::float64}), 0, indices.reshape(-1),
                                                   kept.reshape({6, 2}))),
                        1e-14, 0));
  }
}

TEST_CASE("rows of padding_idx are looked up, but get no gradient, of the second order neither") {
  const Tensor weight = input({4, 2}), indices = gradus::tensor({1, 2, 1});
  check_equal(gradus::embedding(indices, weight, {.padding_idx = 1}), gradus::embedding(indices, weight));
  const Tensor dy = input({3, 2});
  const Tensor dw = gradient(gradus::embedding(indices, weight, {.padding_idx = -3}), weight, dy, true);
  CHECK(values(dw.select(0, 1)) == Values{0, 0});
  check_equal(dw.select(0, 2), dy.select(0, 1));
  const Tensor ddy = gradient(dw, dy, gradus::ones({4, 2}, {.dtype = gradus::float64}));
  CHECK(values(ddy) == Values{0, 0, 1, 1, 0, 0});
}

TEST_CASE("the gradient of a large embedding has the same bits for any number of threads") {
  gradus::manual_seed(3);
  const int threads = gradus::get_num_threads();
  const Tensor weight = gradus::randn({50, 300}, {.requires_grad = true}), indices = gradus::randint(50, {40, 30}),
               dy = gradus::randn({40, 30, 300});
  gradus::set_num_threads(1);
  const Values y = values(gradus::embedding(indices, weight)), dw = values(gradient(gradus::embedding(indices, weight), weight, dy));
  gradus::set_num_threads(3);
  CHECK(values(gradus::embedding(indices, weight)) == y);
  CHECK(values(gradient(gradus::embedding(indices, weight), weight, dy)) == dw);
  gradus::set_num_threads(threads);
}

TEST_CASE("embedding names the index, its place and the limit when it is out of range") {
  const Tensor weight = gradus::zeros({10, 2});
  const Tensor indices = gradus::zeros({3, 6}, {.dtype = gradus::int64});
  indices.select(0, 2).select(0, 5).fill_(17);
  CHECK(error_of<gradus::IndexError>([&] { gradus::embedding(indices, weight); }) ==
        "embedding: index 17 at [2, 5] is out of range for 10 rows");
  CHECK(error_of<gradus::IndexError>([&] { gradus::embedding(gradus::tensor(-1), weight); }) ==
        "embedding: index -1 at [] is out of range for 10 rows");
}

TEST_CASE("embedding checks the table, the indices' dtype and padding_idx") {
  const Tensor weight = gradus::zeros({10, 2}), indices = gradus::tensor({1});
  CHECK(error_of<gradus::DTypeError>([&] { gradus::embedding(gradus::tensor({1.0}), weight); }) ==
        "embedding: indices must be int64, got float32; convert with .to(gradus::int64)");
  CHECK(error_of<gradus::ShapeError>([&] { gradus::embedding(indices, gradus::zeros({3})); }) ==
        "embedding: weight has shape [3], expected (rows, features)");
  CHECK(error_of<gradus::IndexError>([&] { gradus::embedding(indices, weight, {.padding_idx = 10}); }) ==
        "embedding: padding_idx 10 is out of range for 10 rows");
  CHECK_THROWS_AS(gradus::embedding(indices, weight, {.padding_idx = -11}), gradus::IndexError);
  CHECK_THROWS_AS(gradus::embedding(indices, Tensor()), gradus::StateError);
  CHECK_THROWS_AS(gradus::embedding(Tensor(), weight), gradus::StateError);
}

TEST_CASE("max_norm scales the rows beyond it that are looked up, in the weight itself and unrecorded") {
  for (const Tensor& weight :
       {gradus::tensor({{3.0, 4.0}, {0.3, 0.4}, {6.0, 8.0}}), gradus::tensor({{3.0, 0.3, 6.0}, {4.0, 0.4, 8.0}}).t()}) {
    const Tensor y = gradus::embedding(gradus::tensor({0, 1, 0}), weight, {.max_norm = 1});
    CHECK(y.allclose(gradus::tensor({{0.6, 0.8}, {0.3, 0.4}, {0.6, 0.8}}), 1e-6, 0));
    CHECK(weight.select(0, 0).equal(y.select(0, 0)));
    CHECK(values(weight.select(0, 1)) == values(gradus::tensor({0.3, 0.4})));
    CHECK(values(weight.select(0, 2)) == Values{6, 8});
  }
  const Tensor leaf = gradus::tensor({{3.0, 4.0}}).requires_grad_();
  CHECK(values(gradient(gradus::embedding(gradus::tensor({0, 0}), leaf, {.max_norm = 7, .norm_type = 1}), leaf, gradus::ones({2, 2}))) ==
        Values{2, 2});
}

TEST_CASE("what embedding refuses leaves the weight as it was") {
  const Tensor weight = gradus::tensor({{3.0, 4.0}, {6.0, 8.0}});
  CHECK_THROWS_AS(gradus::embedding(gradus::tensor({0, 2}), weight, {.max_norm = 1}), gradus::IndexError);
  CHECK_THROWS_AS(gradus::embedding_bag(gradus::tensor({{0, 1}}), weight, gradus::tensor({0}), {.max_norm = 1}), gradus::ValueError);
  CHECK(error_of<gradus::ValueError>([&] { gradus::embedding(gradus::tensor({0}), weight, {.max_norm = -1}); }) ==
        "embedding: max_norm is -1, but must not be negative");
  CHECK_THROWS_AS(gradus::embedding(gradus::tensor({0}), gradus::ones({1, 2}).expand({4, 2}), {.max_norm = 1}), gradus::ValueError);
  CHECK(values(weight) == Values{3, 4, 6, 8});
}

TEST_CASE("scale_grad_by_freq divides each row's gradient by how often it was looked up") {
  const Tensor weight = input({3, 2}), dy = gradus::ones({4, 2}, {.dtype = gradus::float64});
  const Tensor y = gradus::embedding(gradus::tensor({2, 0, 2, 2}), weight, {.scale_grad_by_freq = true});
  CHECK(gradient(y, weight, dy).reshape(-1).allclose(gradus::tensor({1.0, 1.0, 0.0, 0.0, 1.0, 1.0}).to(gradus::float64)));
}

TEST_CASE("an index changed after the lookup is reported by backward") {
  const Tensor weight = input({4, 2}), indices = gradus::tensor({1, 2});
  const Tensor y = gradus::embedding(indices, weight);
  indices.fill_(0);
  CHECK_THROWS_AS(y.sum().backward(), gradus::AutogradError);
}

TEST_CASE("one_hot marks each index's class") {
  const Tensor y = gradus::one_hot(gradus::tensor({{0, 2}, {1, 0}}).t());
  CHECK(y.shape() == Shape{2, 2, 3});
  CHECK(y.dtype() == gradus::int64);
  CHECK(ints(y) == Ints{1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0});
  CHECK(gradus::one_hot(gradus::tensor(1), 4).shape() == Shape{4});
  CHECK(gradus::one_hot(gradus::zeros({0}, {.dtype = gradus::int64}), 4).shape() == Shape{0, 4});
  CHECK(error_of<gradus::IndexError>([] {
          gradus::one_hot(gradus::tensor({0, 3}), 3);
        }) == "one_hot: index 3 at [1] is out of range for 3 classes");
  CHECK_THROWS_AS(gradus::one_hot(gradus::tensor({0, -1})), gradus::IndexError);
  CHECK_THROWS_AS(gradus::one_hot(gradus::tensor({0}), -2), gradus::ValueError);
  CHECK_THROWS_AS(gradus::one_hot(gradus::zeros({0}, {.dtype = gradus::int64})), gradus::ValueError);
  CHECK_THROWS_AS(gradus::one_hot(gradus::tensor({0.0})), gradus::DTypeError);
}
