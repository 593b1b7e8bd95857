#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "gradus/creation.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/reduction.h"
#include "gradus/parallel.h"
#include "ops/op_test.h"

using namespace op_test;

namespace {

/// Every place of `shape`, in row-major order.
std::vector<Shape> places(const Shape& shape) {
  std::vector<Shape> result;
  Shape at = Shape::filled(shape.size(), 0);
  for (int64_t i = 0; i < shape.numel(); ++i) {
    result.push_back(at);
    for (int64_t d = shape.size() - 1; d >= 0 && ++at[d] == shape[d]; --d) at[d] = 0;
  }
  return result;
}

double& element(Values& x, const Shape& shape, const Shape& at) {
  int64_t i = 0;
  for (int64_t d = 0; d < shape.size(); ++d) i = i * shape[d] + at[d];
  return x[static_cast<size_t>(i)];
}

Tensor random_index(const Shape& shape, int64_t limit) { return gradus::randint(limit, shape); }

}  // namespace

TEST_CASE("index_select and index_add agree with plain loops along every dimension") {
  gradus::manual_seed(1);
  const Tensor dense = gradus::randn({3, 4, 5}, {.dtype = gradus::float64});
  for (const Tensor& x : {dense, dense.permute({1, 2, 0}), dense.to(gradus::float32), dense.slice(0, 0, 3, 2)})
    for (int64_t d = 0; d < 3; ++d)
      for (int64_t n : {0, 1, 6}) {
        const Tensor index = random_index({n}, x.size(d));
        const Ints at = ints(index);
        Shape shape = x.shape();
        shape[d] = n;
        const Tensor y = gradus::index_select(x, d - 3, index), source = gradus::randn(shape).to(x.dtype());
        REQUIRE(y.shape() == shape);
        CHECK(y.dtype() == x.dtype());
        Values all = values(x), picked(static_cast<size_t>(shape.numel()));
        Values added = all, from = values(source);
        for (const Shape& place : places(shape)) {
          Shape in_x = place;
          in_x[d] = at[static_cast<size_t>(place[d])];
          element(picked, shape, place) = element(all, x.shape(), in_x);
          element(added, x.shape(), in_x) += 2 * element(from, shape, place);
        }
        CHECK(values(y) == picked);
        const Tensor sums = gradus::index_add(x, d, index, source, 2);
        CHECK(gradus::allclose(sums.to(gradus::float64), gradus::from_vector(added, x.shape()), 1e-6, 1e-6));
      }
}

TEST_CASE("gather and scatter_add agree with plain loops along every dimension, for smaller indices too") {
  gradus::manual_seed(2);
  const Tensor dense = gradus::randn({3, 4, 5}, {.dtype = gradus::float64});
  for (const Tensor& x : {dense, dense.permute({1, 2, 0})})
    for (int64_t d = 0; d < 3; ++d)
      for (int64_t n : {0, 2, 7}) {
        Shape shape = x.shape();
        shape[(d + 1) % 3] -= 1;
        shape[d] = n;
        const Tensor index = random_index(shape, x.size(d)), source = gradus::randn(shape, {.dtype = gradus::float64});
        Values at = values(index), all = values(x), added = all, from = values(source), picked(at.size());
        for (const Shape& place : places(shape)) {
          Shape in_x = place;
          in_x[d] = static_cast<int64_t>(element(at, shape, place));
          element(picked, shape, place) = element(all, x.shape(), in_x);
          element(added, x.shape(), in_x) += element(from, shape, place);
        }
        CHECK(values(gradus::gather(x, d, index)) == picked);
        CHECK(gradus::allclose(gradus::scatter_add(x, d - 3, index, source), gradus::from_vector(added, x.shape()), 1e-14, 1e-14));
      }
  CHECK(gradus::gather(gradus::tensor(3.0), 0, gradus::tensor(0)).item() == 3);
}

TEST_CASE("many float32 terms that scatter_add adds along rows are added in double, with the same bits for 1 to 3 threads") {
  const int before = gradus::get_num_threads();
  const Tensor x = gradus::randn({300, 50}), source = gradus::randn({290, 400}), index = gradus::randint(50, {290, 400});
  const Tensor expected = gradus::scatter_add(x.to(gradus::float64), 1, index, source.to(gradus::float64)).to(gradus::float32);
  for (const int threads : {1, 2, 3}) {
    gradus::set_num_threads(threads);
    CHECK(gradus::allclose(gradus::scatter_add(x, 1, index, source), expected, 0, 0));
    CHECK(gradus::allclose(gradus::gather(gradus::scatter_add(x, 1, index, source), 1, index), gradus::gather(expected, 1, index), 0, 0));
  }
  gradus::set_num_threads(before);
}

TEST_CASE("derivatives of index_select, index_add, gather and scatter_add") {
  gradus::manual_seed(3);
  const Tensor x = input({3, 4, 2});
  for (int64_t d = 0; d < 3; ++d) {
    const Tensor index = random_index({5}, x.size(d));
    Shape shape = x.shape();
    shape[d] = 5;
    check_gradients([&](const Tensors& in) { return gradus::index_select(in[0], d, index).exp(); }, {x});
    check_gradients([&](const Tensors& in) { return gradus::index_add(in[0], d, index, in[1], 3).exp(); }, {x, input(shape)});
    const Tensor places = random_index(shape, x.size(d));
    check_gradients([&](const Tensors& in) { return gradus::gather(in[0], d, places).exp(); }, {x});
    check_gradients([&](const Tensors& in) { return gradus::scatter_add(in[0], d, places, in[1]).exp(); }, {x, input(shape)});
  }
}

TEST_CASE("a scalar has the one place 0") {
  const Tensor s = gradus::tensor(3.0);
  CHECK(gradus::index_select(s, 0, gradus::tensor({0})).shape() == Shape{});
  CHECK(gradus::index_add(s, 0, gradus::tensor(0), gradus::tensor(2.0)).item() == 5);
  CHECK(error_of<gradus::ShapeError>([&] {
          gradus::index_select(s, 0, gradus::tensor({0, 0}));
        }) == "index_select: index has shape [2], but a scalar has one element");
  CHECK_THROWS_AS(gradus::index_add(s, 0, gradus::tensor({0, 0}), s), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::index_select(s, 0, gradus::tensor({1})), gradus::IndexError);
}

TEST_CASE("an index out of range is named, with its place and the limit") {
  const Tensor x = gradus::zeros({3, 4});
  CHECK(error_of<gradus::IndexError>([&] {
          gradus::index_select(x, 1, gradus::tensor({0, 3, 4}));
        }) == "index_select: index 4 at [2] is out of range for 4 elements");
  CHECK(error_of<gradus::IndexError>([&] {
          gradus::index_add(x, 0, gradus::tensor({-1}), gradus::zeros({1, 4}));
        }) == "index_add: index -1 at [0] is out of range for 3 elements");
  CHECK(error_of<gradus::IndexError>([&] {
          gradus::gather(x, 1, gradus::tensor({{0}, {9}}));
        }) == "gather: index 9 at [1, 0] is out of range for 4 elements");
  CHECK(error_of<gradus::IndexError>([&] {
          gradus::scatter_add(x, 0, gradus::tensor({{3}}), gradus::zeros({1, 1}));
        }) == "scatter_add: index 3 at [0, 0] is out of range for 3 elements");
  CHECK_THROWS_AS(gradus::index_select(gradus::zeros({0, 2}), 0, gradus::tensor({0})), gradus::IndexError);
}

TEST_CASE("of many indices that are out of range, looked at by several threads, the first is named") {
  const int before = gradus::get_num_threads();
  const Tensor x = gradus::zeros({50}), index = gradus::randint(50, {200000});
  for (const int threads : {1, 3}) {
    gradus::set_num_threads(threads);
    for (const int64_t bad : {int64_t{50}, int64_t{-1}, std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()}) {
      const Tensor several = index.clone();
      for (const int64_t at : {70001, 70002, 150000, 199999}) several.select(0, at).fill_(bad);
      CHECK(error_of<gradus::IndexError>([&] { gradus::index_select(x, 0, several); }) ==
            fmt::format("index_select: index {} at [70001] is out of range for 50 elements", bad));
    }
    CHECK(gradus::index_select(x, 0, index).numel() == 200000);
  }
  gradus::set_num_threads(before);
}

TEST_CASE("sums of bool are true where any summand is") {
  const Tensor x = gradus::tensor({true, false, false}), index = gradus::tensor({1, 1, 0}), source = gradus::tensor({false, true, false});
  CHECK(ints(gradus::index_add(x, 0, index, source)) == Ints{1, 1, 0});
  CHECK(ints(gradus::scatter_add(x, 0, index, source)) == Ints{1, 1, 0});
}

TEST_CASE("scatter_add leaves out what the index does not cover of a larger source, which gets no gradient there") {
  const Tensor x = input({2, 3}), source = input({2, 4}), index = gradus::tensor({{1, 0}});
  const Tensor y = gradus::scatter_add(x, 0, index, source);
  CHECK(gradus::allclose(y, gradus::scatter_add(x, 0, index, source.slice(0, 0, 1).slice(1, 0, 2)), 0, 0));
  CHECK(values(gradient(y, source, gradus::ones({2, 3}, {.dtype = gradus::float64}))) == Values{1, 1, 0, 0, 0, 0, 0, 0});
  check_gradients([&](const Tensors& in) { return gradus::scatter_add(in[0], 0, index, in[1]).exp(); }, {x, source});
}

TEST_CASE("indexing checks shapes and dtypes") {
  const Tensor x = gradus::zeros({3, 4}), one = gradus::tensor({0});
  CHECK(error_of<gradus::DTypeError>([&] { gradus::index_select(x, 0, gradus::tensor({true})); }) ==
        "index_select: indices must be int64, got bool; convert with .to(gradus::int64)");
  CHECK(error_of<gradus::ShapeError>([&] { gradus::index_select(x, 0, gradus::tensor({{0}})); }) ==
        "index_select: index has shape [1, 1], expected one dimension");
  CHECK(error_of<gradus::ShapeError>([&] {
          gradus::index_add(x, 0, one, gradus::zeros({1, 3}));
        }) == "index_add: source has shape [1, 3], expected [1, 4]");
  CHECK_THROWS_AS(gradus::index_add(x, 0, one, gradus::zeros({1, 4}, {.dtype = gradus::float64})), gradus::DTypeError);
  CHECK(error_of<gradus::DTypeError>([&] {
          gradus::index_add(x.to(gradus::int64), 0, one, gradus::zeros({1, 4}, {.dtype = gradus::int64}), 0.5);
        }).starts_with("index_add: alpha is a floating-point number"));
  CHECK_THROWS_AS(gradus::gather(x, 0, one), gradus::ShapeError);
  CHECK(error_of<gradus::ShapeError>([&] {
          gradus::gather(x, 0, gradus::zeros({1, 5}, {.dtype = gradus::int64}));
        }) == "gather: index of shape [1, 5] is larger than [3, 4] at dimension 1");
  CHECK_THROWS_AS(gradus::scatter_add(x, 0, gradus::zeros({1, 3}, {.dtype = gradus::int64}), gradus::zeros({1, 2})), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::scatter_add(x, 0, gradus::zeros({2, 2}, {.dtype = gradus::int64}), gradus::zeros({1, 2})), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::gather(x, 2, gradus::zeros({1, 1}, {.dtype = gradus::int64})), gradus::IndexError);
  CHECK_THROWS_AS(gradus::index_select(Tensor(), 0, one), gradus::StateError);
}

TEST_CASE("index_select and its gradient have the same bits for any number of threads") {
  gradus::manual_seed(4);
  const int threads = gradus::get_num_threads();
  for (int64_t d : {0, 1}) {
    const Tensor x = gradus::randn({300, 400}, {.requires_grad = true}), index = gradus::randint(300, {500});
    Shape shape = x.shape();
    shape[d] = 500;
    const Tensor w = gradus::randn(shape);
    gradus::set_num_threads(1);
    const Values y = values(gradus::index_select(x, d, index)), dx = values(gradient(gradus::index_select(x, d, index), x, w));
    gradus::set_num_threads(3);
    CHECK(values(gradus::index_select(x, d, index)) == y);
    CHECK(values(gradient(gradus::index_select(x, d, index), x, w)) == dx);
  }
  gradus::set_num_threads(threads);
}

TEST_CASE("scatter: of several values for one place the last stays, and it alone has a gradient") {
  const Tensor v = gradus::tensor({1.0, 2.0, 3.0}, {.dtype = gradus::float64, .requires_grad = true});
  const Tensor x = gradus::zeros({3}, {.dtype = gradus::float64, .requires_grad = true});
  const Tensor y = scatter(x, 0, gradus::tensor({1, 1, 0}), v);
  CHECK(values(y) == Values{3, 2, 0});
  y.sum().backward();
  CHECK(values(v.grad()) == Values{0, 1, 1});
  CHECK(values(x.grad()) == Values{0, 0, 1});
  const Tensor rows = input({3, 2}), onto = input({2, 2});
  check_gradients([](const Tensors& in) { return index_copy(in[0], 0, gradus::tensor({1, 1, 1}), in[1]); }, {onto, rows});
}

TEST_CASE("float32 sums into one place are as exact as sum, beyond 2^24 terms") {
  constexpr int64_t n = (int64_t{1} << 24) + 1000;
  const Tensor ones = gradus::ones({1}).expand({n}), places = gradus::zeros({1}, {.dtype = gradus::int64}).expand({n});
  CHECK(index_add(gradus::zeros({2}), 0, places, ones)[0].item() == n);
  CHECK(scatter_add(gradus::zeros({2}), 0, places, ones)[0].item() == n);
  Tensor x = gradus::zeros({2});
  x.index_put_({places}, ones, true);
  CHECK(x[0].item() == n);
}

TEST_CASE("the gradient of a row that was looked up 2^20 times is exact") {
  constexpr int64_t n = int64_t{1} << 20;
  const Tensor weight = gradus::zeros({2, 3}, {.requires_grad = true});
  const Tensor places = gradus::zeros({1}, {.dtype = gradus::int64}).expand({n});
  const Tensor dy = gradus::full({1, 3}, 0.1).expand({n, 3});
  const double truth = static_cast<double>(n) * static_cast<double>(0.1F);
  embedding(places, weight).backward(dy);
  CHECK(std::fabs(weight.grad()[0][0].item() / truth - 1) < 1e-7);
  const Tensor table = gradus::full({2, 3}, 0.1);
  const Tensor bag = embedding_bag(places, table, gradus::zeros({1}, {.dtype = gradus::int64}), {.mode = gradus::BagMode::Sum});
  CHECK(std::fabs(bag[0][0].item() / truth - 1) < 1e-7);
}
