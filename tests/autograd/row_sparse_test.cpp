#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/nn/clip.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/shape.h"
#include "gradus/optim/sgd.h"
#include "gradus/random.h"
#include "ops/op_test.h"

using namespace op_test;

namespace {

const Tensor kIndices = gradus::tensor({{4, 1, 4}, {0, 1, 4}});

/// The gradients of one weight that both kinds of lookup leave, for the same numbers.
struct Pair {
  Tensor sparse = input({6, 2}), dense = sparse.detach().clone().requires_grad_();

  explicit Pair(int times = 1) {
    for (int i = 0; i < times; ++i) {
      const Tensor dy = gradus::randn({2, 3, 2}, {.dtype = gradus::float64});
      gradus::embedding(kIndices, sparse, {.padding_idx = 0, .sparse = true}).backward(dy);
      gradus::embedding(kIndices, dense, {.padding_idx = 0}).backward(dy);
    }
  }
};

}  // namespace

TEST_CASE("a sparse embedding leaves a gradient of the rows that were looked up, and no others") {
  gradus::manual_seed(1);
  const Pair w;
  const Tensor grad = w.sparse.grad();
  CHECK(grad.is_sparse());
  CHECK_FALSE(w.dense.grad().is_sparse());
  CHECK(grad.shape() == Shape{6, 2});
  CHECK(grad.dtype() == gradus::float64);
  CHECK(grad.indices().shape() == Shape{1, 5});
  CHECK(ints(grad.indices()) == Ints{4, 1, 4, 1, 4});
  CHECK(grad.values().shape() == Shape{5, 2});
  check_equal(grad.to_dense(), w.dense.grad());
  CHECK(w.dense.grad().to_dense().is_same(w.dense.grad()));
}

TEST_CASE("coalesce adds up the rows of each index, in ascending order") {
  gradus::manual_seed(2);
  const Pair w;
  const Tensor grad = w.sparse.grad(), once = grad.coalesce();
  CHECK_FALSE(grad.is_coalesced());
  CHECK(once.is_coalesced());
  CHECK(ints(once.indices()) == Ints{1, 4});
  check_equal(once.to_dense(), w.dense.grad());
  check_equal(once.values()[1], w.dense.grad()[4]);
}

TEST_CASE("rows that ascend already are coalesced as they are") {
  const Tensor values = gradus::ones({2, 3}), rows = gradus::sparse_coo_tensor(gradus::tensor({1, 4}), values, {6, 3});
  CHECK_FALSE(rows.is_coalesced());
  const Tensor once = rows.coalesce();
  CHECK(once.is_coalesced());
  CHECK(once.values().data<float>() == values.data<float>());
  CHECK(gradus::sparse_coo_tensor(gradus::tensor({1, 1}), values, {6, 3}).coalesce().values().size(0) == 1);
}

TEST_CASE("a leaf that welcomes rows gets them from lookups of few of its rows, unless it has hooks, with the numbers of dense ones") {
  gradus::manual_seed(4);
  const Tensor few = gradus::randint(0, 100, {20}), many = gradus::arange(90), dy = gradus::randn({20, 2}, {.dtype = gradus::float64});
  const auto gradient = [](const Tensor& weight, const Tensor& y, const Tensor& of_y, bool welcome) {
    weight.set_grad({});
    autograd::backward({y}, {of_y}, {.rows_welcome = welcome ? std::vector<Tensor>{weight} : std::vector<Tensor>{}});
    return weight.grad();
  };
  const Tensor weight = input({100, 2}), other = input({100, 2});
  const auto lookup = [&](const Tensor& at) { return gradus::embedding(at, weight, {.padding_idx = 3}); };
  const Tensor dense = gradient(weight, lookup(few), dy, false), rows = gradient(weight, lookup(few), dy, true);
  CHECK_FALSE(dense.is_sparse());
  REQUIRE(rows.is_sparse());
  CHECK(rows.to_dense().equal(dense));
  CHECK(rows.coalesce().to_dense().equal(dense));
  CHECK_FALSE(gradient(weight, lookup(many), gradus::ones({90, 2}, {.dtype = gradus::float64}), true).is_sparse());
  SUBCASE("of another leaf, or one that something else also adds to: dense") {
    weight.set_grad({});
    autograd::backward({lookup(few)}, {dy}, {.rows_welcome = {other}});
    CHECK_FALSE(weight.grad().is_sparse());
    const Tensor both = gradient(weight, lookup(few).sum() + weight.sum(), {}, true);
    CHECK_FALSE(both.is_sparse());
  }
  SUBCASE("of a leaf that is looked up twice: dense, since rows would be added up in another order") {
    const auto twice = [&] { return lookup(few) + gradus::embedding(few * 1, weight); };
    const Tensor plain = gradient(weight, twice(), dy, false), both = gradient(weight, twice(), dy, true);
    CHECK_FALSE(both.is_sparse());
    CHECK(both.equal(plain));
  }
  SUBCASE("of a leaf that requires no gradient, and of no leaf at all") {
    weight.set_grad({});
    const Tensor frozen = gradus::ones({3});
    autograd::backward({lookup(few)}, {dy}, {.leaves = {frozen}, .arrived = [](size_t) {}, .rows_welcome = {frozen}});
    CHECK(weight.grad().equal(dense));
    CHECK_THROWS_AS(autograd::backward({lookup(few)}, {dy}, {.rows_welcome = {Tensor()}}), gradus::StateError);
    CHECK_THROWS_AS(autograd::backward({lookup(few)}, {dy}, {.leaves = {Tensor()}, .arrived = [](size_t) {}}), gradus::StateError);
  }
  SUBCASE("with a hook") {
    bool seen_sparse = true;
    weight.register_hook([&](const Tensor& g) {
      seen_sparse = g.is_sparse();
      return g * 2;
    });
    CHECK(gradient(weight, lookup(few), dy, true).equal(dense * 2));
    CHECK_FALSE(seen_sparse);
  }
  SUBCASE("scaled by frequency: dense, with the same bits") {
    const Tensor scaled = gradus::embedding(few, weight, {.scale_grad_by_freq = true});
    CHECK_FALSE(gradient(weight, scaled, dy, true).is_sparse());
  }
}

TEST_CASE("gradients of both kinds add up: rows to rows, and with a dense one to a dense one") {
  gradus::manual_seed(3);
  const Pair twice(2);
  CHECK(twice.sparse.grad().is_sparse());
  CHECK(twice.sparse.grad().to_dense().allclose(twice.dense.grad(), 1e-14, 0));
  for (bool sparse_first : {true, false}) {
    const Tensor w = input({6, 2});
    const auto sparse = [&] { return gradus::embedding(kIndices, w, {.sparse = true}).sum(); };
    // In one pass and over two.
    (sparse_first ? sparse() + w.sum() : w.sum() + sparse()).backward();
    CHECK_FALSE(w.grad().is_sparse());
    CHECK(values(w.grad().select(1, 0)) == Values{2, 3, 1, 1, 4, 1});
    w.set_grad({});
    (sparse_first ? sparse() : w.sum()).backward();
    (sparse_first ? w.sum() : sparse()).backward();
    CHECK_FALSE(w.grad().is_sparse());
    CHECK(values(w.grad().select(1, 0)) == Values{2, 3, 1, 1, 4, 1});
  }
}

TEST_CASE("what a weight was computed from gets a dense gradient, and a recorded backward pass is dense") {
  const Tensor w = input({6, 2});
  gradus::embedding(kIndices, w * 2, {.sparse = true}).sum().backward();
  CHECK(values(w.grad().select(1, 0)) == Values{2, 4, 0, 0, 6, 0});
  const Tensor y = gradus::embedding(kIndices, w, {.sparse = true}).square().sum();
  const Tensor dw = gradus::autograd::grad({y}, {w}, {}, {.create_graph = true})[0];
  CHECK_FALSE(dw.is_sparse());
  CHECK(dw.requires_grad());
  CHECK(gradus::autograd::grad({y}, {w})[0].is_sparse());
}

TEST_CASE("the gradient is its own: later changes of the indices or of the given gradient do not reach it") {
  const Tensor w = input({6, 2}), indices = gradus::tensor({1, 2}), dy = gradus::ones({2, 2}, {.dtype = gradus::float64});
  gradus::embedding(indices, w, {.sparse = true}).backward(dy);
  indices.fill_(5);
  dy.fill_(7);
  CHECK(values(w.grad().to_dense().select(1, 0)) == Values{0, 1, 1, 0, 0, 0});
  const Tensor rows = gradus::ones({1, 2}, {.dtype = gradus::float64});
  const Tensor given = gradus::sparse_coo_tensor(gradus::tensor({3}), rows, {6, 2});
  w.set_grad({});
  w.backward(given);
  rows.fill_(9);
  CHECK(values(w.grad().to_dense().select(1, 1)) == Values{0, 0, 0, 1, 0, 0});
}

TEST_CASE("a hook sees the row-sparse gradient and may give another") {
  const Tensor w = input({6, 2});
  w.register_hook([](const Tensor& g) { return gradus::sparse_coo_tensor(g.indices(), g.values() * 3, g.shape()); });
  gradus::embedding(gradus::tensor({2}), w, {.sparse = true}).sum().backward();
  CHECK(w.grad().is_sparse());
  CHECK(values(w.grad().values()) == Values{3, 3});
  const gradus::autograd::DetectAnomalyGuard detect;
  const Tensor bad = gradus::full({1, 2}, kNan, {.dtype = gradus::float64});
  CHECK_THROWS_AS(gradus::embedding(gradus::tensor({2}), w, {.sparse = true}).backward(bad), gradus::AutogradError);
}

TEST_CASE("embedding_bag leaves row-sparse gradients too") {
  gradus::manual_seed(4);
  for (gradus::BagMode mode : {gradus::BagMode::Sum, gradus::BagMode::Mean}) {
    const Tensor w = input({6, 2}), dy = gradus::randn({2, 2}, {.dtype = gradus::float64}), samples = input({2, 3});
    const auto grad = [&](bool sparse) {
      const Tensor factors = mode == gradus::BagMode::Sum ? samples : Tensor();
      return gradient(gradus::embedding_bag(kIndices, w, {}, {.mode = mode, .sparse = sparse, .padding_idx = 1}, factors), w, dy);
    };
    CHECK(ints(grad(true).indices()) == Ints{4, 4, 0, 4});
    CHECK(grad(true).to_dense().allclose(grad(false), 1e-14, 0));
  }
}

TEST_CASE("zero_grad takes the rows of a gradient away") {
  const Pair w;
  gradus::optim::SGD sgd({w.sparse});
  sgd.zero_grad(false);
  CHECK(w.sparse.grad().is_sparse());
  CHECK(w.sparse.grad().indices().shape() == Shape{1, 0});
  CHECK(values(w.sparse.grad().to_dense()) == Values(12, 0));
  sgd.zero_grad();
  CHECK_FALSE(w.sparse.grad().defined());
}

TEST_CASE("clipping a row-sparse gradient gives the numbers of the dense one") {
  gradus::manual_seed(5);
  for (double p : {2.0, 1.0, 3.0, kInf}) {
    const Pair w(2);
    CHECK(gradus::nn::clip_grad_norm_({w.sparse}, 0.5, p) == doctest::Approx(gradus::nn::clip_grad_norm_({w.dense}, 0.5, p)));
    CHECK(w.sparse.grad().to_dense().allclose(w.dense.grad(), 1e-12, 0));
  }
  const Pair w(3);
  gradus::nn::clip_grad_value_({w.sparse}, 0.7);
  gradus::nn::clip_grad_value_({w.dense}, 0.7);
  CHECK(w.sparse.grad().to_dense().allclose(w.dense.grad(), 1e-12, 0));
}

TEST_CASE("every other use of a row-sparse gradient throws and names to_dense") {
  const Pair w;
  const Tensor grad = w.sparse.grad(), dense = w.dense.grad();
  const std::string text = "tanh: the tensor of shape [6, 2] is a row-sparse gradient, which has no elements; call to_dense() first";
  CHECK(error_of<gradus::StateError>([&] { grad.tanh(); }) == text);
  const std::vector<std::function<void()>> uses{[&] { grad + dense; },
                                                [&] { dense* grad; },
                                                [&] { dense.add_(grad); },
                                                [&] { grad.zero_(); },
                                                [&] { grad.sum(); },
                                                [&] { grad.contiguous(); },
                                                [&] { grad.clone(); },
                                                [&] { grad.data<double>(); },
                                                [&] { grad.to_vector<float>(); },
                                                [&] { grad.t(); },
                                                [&] { grad[0]; },
                                                [&] { grad.matmul(dense.t()); },
                                                [&] { grad.strides(); },
                                                [&] {
                                                  grad.index({0, 1});
                                                },
                                                [&] { dense.copy_(grad); },
                                                [&] {
                                                  gradus::cat({dense, grad});
                                                },
                                                [&] { grad.equal(grad); },
                                                [&] { grad.requires_grad_(); },
                                                [&] { gradus::zeros_like(grad) + grad; }};
  for (size_t i = 0; i < uses.size(); ++i) {
    CAPTURE(i);
    CHECK(error_of<gradus::StateError>(uses[i]).ends_with("call to_dense() first"));
  }
  CHECK(error_of<gradus::StateError>([&] { dense.indices(); }) ==
        "indices: the tensor of shape [6, 2] is dense; only gradients of embeddings with sparse have rows");
  for (const auto& use :
       std::vector<std::function<void()>>{[&] { dense.values(); }, [&] { dense.coalesce(); }, [&] { dense.is_coalesced(); }})
    CHECK_THROWS_AS(use(), gradus::StateError);
}

TEST_CASE("sparse_coo_tensor checks what it is given") {
  const Tensor rows = gradus::ones({2, 3}), at = gradus::tensor({0, 4});
  CHECK(values(gradus::sparse_coo_tensor(at.unsqueeze(0), rows, {5, 3}).to_dense().select(1, 0)) == Values{1, 0, 0, 0, 1});
  CHECK(error_of<gradus::IndexError>([&] {
          gradus::sparse_coo_tensor(at, rows, {4, 3});
        }) == "sparse_coo_tensor: index 4 at [1] is out of range for 4 rows");
  CHECK_THROWS_AS(gradus::sparse_coo_tensor(at, rows, {5, 2}), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::sparse_coo_tensor(gradus::tensor({{0}, {1}}), rows, {5, 3}), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::sparse_coo_tensor(at, rows, {}), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::sparse_coo_tensor(rows, rows, {5, 3}), gradus::DTypeError);
  CHECK_THROWS_AS(gradus::sparse_coo_tensor(at, at, {5}), gradus::DTypeError);
}
