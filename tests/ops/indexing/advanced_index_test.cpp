#include "gradus/creation.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/reduction.h"
#include "ops/op_test.h"

using namespace op_test;
using gradus::Index;
using gradus::tensor;

namespace {

/// x.index_put_(indices, value), as an operation on copies: x must not be a leaf.
Tensor put(const Tensor& x, std::initializer_list<Index> indices, const Tensor& value, bool accumulate = false) {
  return x.clone().index_put_(indices, value, accumulate);
}

Tensor numbers() { return gradus::arange(24).reshape({2, 3, 4}); }

}  // namespace

TEST_CASE("index gives what PyTorch gives, and puts the dimensions of index tensors where PyTorch puts them") {
  const Tensor x = numbers();
  struct Case {
    std::vector<Index> indices;
    Shape shape;
    Ints values;
  };
  const std::vector<Case> cases{
      {{tensor({1, 0, 1})}, {3, 3, 4}, {12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 0,  1,  2,  3,  4,  5,
                                        6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}},
      {{tensor({{1}, {-2}})}, {2, 1, 3, 4}, {12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
      {{gradus::Slice{}, tensor({2, 0})}, {2, 2, 4}, {8, 9, 10, 11, 0, 1, 2, 3, 20, 21, 22, 23, 12, 13, 14, 15}},
      {{gradus::Ellipsis, tensor({{3, 0}, {-1, 1}})}, {2, 3, 2, 2}, {3,  0,  3,  1,  7,  4,  7,  5,  11, 8,  11, 9,
                                                                     15, 12, 15, 13, 19, 16, 19, 17, 23, 20, 23, 21}},
      {{tensor({0, 1}), tensor({2, -1})}, {2, 4}, {8, 9, 10, 11, 20, 21, 22, 23}},
      {{tensor({{0}, {1}}), tensor({2, 0, 1})}, {2, 3, 4}, {8,  9,  10, 11, 0,  1,  2,  3,  4,  5,  6,  7,
                                                            20, 21, 22, 23, 12, 13, 14, 15, 16, 17, 18, 19}},
      {{tensor({0, 1}), gradus::Slice{}, tensor({3, 0})}, {2, 3}, {3, 7, 11, 12, 16, 20}},
      {{tensor({0, 1}), gradus::None, tensor({2, 0})}, {2, 1, 4}, {8, 9, 10, 11, 12, 13, 14, 15}},
      {{0, gradus::Slice{}, tensor({1, 2})}, {3, 2}, {1, 2, 5, 6, 9, 10}},
      {{gradus::Slice{}, tensor({0, 2}), 1}, {2, 2}, {1, 9, 13, 21}},
      {{gradus::Slice{0, 2}, tensor({2, 1}), tensor({0, 3})}, {2, 2}, {8, 7, 20, 19}},
      {{gradus::None, tensor(1)}, {1, 3, 4}, {12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}},
      {{tensor(true)}, {1, 2, 3, 4}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}},
      {{tensor(false)}, {0, 2, 3, 4}, {}},
      {{tensor({false, true})}, {1, 3, 4}, {12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}},
      {{gradus::Slice{}, tensor({true, false, true})}, {2, 2, 4}, {0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23}},
      {{tensor({{true, false, false}, {false, true, true}})}, {3, 4}, {0, 1, 2, 3, 16, 17, 18, 19, 20, 21, 22, 23}},
      {{gradus::Slice{}, tensor({true, false, true}), tensor({1, 3})}, {2, 2}, {1, 11, 13, 23}},
      {{tensor({{true, false, false}, {false, true, true}}), tensor({0})}, {3}, {0, 16, 20}},
      {{gradus::Ellipsis, gradus::Slice{1, {}, 2}, tensor({0})}, {2, 1, 1}, {4, 16}},
      {{gradus::zeros({0}, {.dtype = gradus::int64})}, {0, 3, 4}, {}},
      {{x.gt(20)}, {3}, {21, 22, 23}},
      {{gradus::Slice{}, gradus::Slice{}, gradus::Slice{1, 3}}, {2, 3, 2}, {1, 2, 5, 6, 9, 10, 13, 14, 17, 18, 21, 22}},
      {{gradus::Ellipsis, gradus::None, -1}, {2, 3, 1}, {3, 7, 11, 15, 19, 23}},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i);
    const Tensor y = x.index(cases[i].indices);
    CHECK(y.shape().str() == cases[i].shape.str());
    CHECK(ints(y) == cases[i].values);
    // The same elements stored in another order.
    const Tensor strided = x.permute({2, 0, 1}).contiguous().permute({1, 2, 0});
    CHECK(ints(strided.index(cases[i].indices)) == cases[i].values);
    CHECK(ints(x.to(gradus::float32).index(cases[i].indices)) == cases[i].values);

    // index_put_ writes where index reads.
    const Tensor changed = x.clone();
    changed.index_put_(cases[i].indices, y + 100);
    CHECK(ints(changed.index(cases[i].indices)) == ints(y + 100));
    CHECK(changed.ne(x).sum().item<int64_t>() <= y.numel());
  }
}

TEST_CASE("integers, slices, None and Ellipsis give views, tensors give copies") {
  const Tensor x = gradus::zeros({3, 4});
  x.index({1, gradus::Slice{0, 2}}).fill_(5);
  x.index({gradus::Ellipsis, gradus::None, 3}).add_(1);
  CHECK(values(x) == Values{0, 0, 0, 1, 5, 5, 0, 1, 0, 0, 0, 1});
  CHECK_FALSE(x.index({tensor({0, 1})}).shares_storage_with(x));
  CHECK(gradus::index(x, {}).shape() == x.shape());
}

TEST_CASE("index_put_ writes, broadcasts and adds, through views too") {
  const Tensor x = gradus::zeros({3, 4});
  x.index_put_({tensor({0, 2}), tensor({1, 3})}, tensor({1.0, 2.0}));
  x.index_put_({1}, 7);
  x.index_put_({gradus::Slice{}, tensor({0})}, -1);
  CHECK(values(x) == Values{-1, 1, 0, 0, -1, 7, 7, 7, -1, 0, 0, 2});
  x.index_put_({x.gt(1)}, 0.5);
  CHECK(values(x) == Values{-1, 1, 0, 0, -1, 0.5, 0.5, 0.5, -1, 0, 0, 0.5});
  x.index_put_({tensor({0, 0, 2})}, gradus::ones({1, 1, 4}), true);
  CHECK(values(x) == Values{1, 3, 2, 2, -1, 0.5, 0.5, 0.5, 0, 1, 1, 1.5});
  x.index_put_({0, gradus::Slice{0, 2}}, tensor({10.0, 20.0}), true);
  CHECK(values(x[0]) == Values{11, 23, 2, 2});
  x.index_put_({gradus::Slice{1, 3}, tensor({0, 1})}, tensor({{1}, {2}}));
  CHECK(values(x.slice(0, 1)) == Values{1, 1, 0.5, 0.5, 2, 2, 1, 1.5});

  const Tensor y = gradus::arange(6).reshape({2, 3});
  y.t().index_put_({tensor({2, 0})}, tensor({{20, 21}, {0, 1}}));
  CHECK(ints(y) == Ints{0, 1, 20, 1, 4, 21});
  y.index_put_({tensor({0, 1})}, y.index({gradus::Slice{}}).index({tensor({1, 0})}));
  CHECK(ints(y) == Ints{1, 4, 21, 0, 1, 20});
  y[0].index_put_({tensor({0, 1})}, y[0].slice(0, 1));
  CHECK(ints(y) == Ints{4, 21, 21, 0, 1, 20});
  const Tensor mask = gradus::zeros({3}, {.dtype = gradus::boolean});
  mask.index_put_({tensor({1})}, true);
  CHECK(mask.to_vector<bool>() == std::vector<bool>{false, true, false});
}

TEST_CASE("rows that index_put adds are those of a loop in double, where few meet and where many do, and x stays") {
  const Tensor x = gradus::randn({7, 3, 5}), rows = gradus::randint(7, {4, 50}) - 7, values = gradus::randn({4, 50, 3, 5});
  const Tensor before = x.clone(), y = gradus::index_put(x, {rows}, values, true);
  Tensor expected = x.to(gradus::float64);
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t j = 0; j < 50; ++j) expected[rows[i][j].item<int64_t>()].add_(values[i][j].to(gradus::float64));
  CHECK(gradus::allclose(y, expected.to(gradus::float32), 1e-6, 1e-6));
  CHECK(gradus::allclose(x, before, 0, 0));
  const Tensor once = gradus::index_put(x, {tensor({-1, 2})}, values[0].slice(0, 0, 2), true);
  CHECK(gradus::allclose(once[6], x[6] + values[0][0], 0, 0));
  CHECK(gradus::allclose(once[2], x[2] + values[0][1], 0, 0));
  CHECK(gradus::allclose(once[1], x[1], 0, 0));
  const Tensor turned = x.transpose(0, 1), more = gradus::randn({1, 7, 5});  // not dense
  CHECK(gradus::allclose(gradus::index_put(turned, {tensor({1})}, more, true)[1], turned[1] + more[0], 0, 0));
}

TEST_CASE("where a place is named twice the last value stays") {
  const Tensor x = gradus::zeros({3});
  x.index_put_({tensor({1, 1, 0})}, tensor({1.0, 2.0, 3.0}));
  CHECK(values(x) == Values{3, 2, 0});
}

TEST_CASE("derivatives of index") {
  gradus::manual_seed(1);
  const Tensor x = input({2, 3, 4});
  const Tensor a = tensor({0, 1, 1}), b = tensor({{2}, {0}}), mask = tensor({true, false, true});
  check_gradients([&](const Tensors& in) { return in[0].index({a}).exp(); }, {x});
  check_gradients([&](const Tensors& in) { return in[0].index({a, b}).exp(); }, {x});
  check_gradients([&](const Tensors& in) { return in[0].index({a, gradus::Slice{}, b}).exp(); }, {x});
  check_gradients([&](const Tensors& in) { return in[0].index({gradus::Slice{}, mask, gradus::Slice{1, 4, 2}}).exp(); }, {x});
  check_gradients([&](const Tensors& in) { return in[0].index({1, gradus::None, gradus::Ellipsis, a}).exp(); }, {x});
  check_gradients([&](const Tensors& in) { return in[0].index({in[0].detach().gt(0)}).exp(); }, {x});
  CHECK(x.index({a}).grad_fn() == "IndexBackward0");
}

TEST_CASE("derivatives of index_put_, with respect to the tensor and to the value") {
  gradus::manual_seed(2);
  const Tensor x = input({2, 3, 4});
  const Tensor once = tensor({2, 0}), twice = tensor({1, 1, 0}), mask = tensor({true, false, true});
  for (bool accumulate : {false, true}) {
    check_gradients([&](const Tensors& in) { return put(in[0], {0, once}, in[1], accumulate).exp(); }, {x, input({2, 4})});
    check_gradients([&](const Tensors& in) { return put(in[0], {twice}, in[1], accumulate).exp(); }, {x, input({3, 1, 4})});
    check_gradients(
        [&](const Tensors& in) {
          return put(in[0], {twice, gradus::Slice{}, once.unsqueeze(1)}, in[1], accumulate).exp();
        },
        {x, input({})});
    check_gradients(
        [&](const Tensors& in) {
          return put(in[0], {gradus::Slice{}, mask}, in[1], accumulate).exp();
        },
        {x, input({1, 2, 2, 4})});
    check_gradients([&](const Tensors& in) { return put(in[0], {1, gradus::Slice{0, 2}}, in[1], accumulate).exp(); }, {x, input({4})});
    check_gradients([&](const Tensors& in) { return put(in[0], {gradus::Ellipsis}, in[1], accumulate).exp(); }, {x, input({3, 1})});
  }
  check_gradients([&](const Tensors& in) { return put(in[0] * 1, {once}, tensor(2.0)).exp(); }, {input({3, 2})});
  CHECK(put(x * 1, {twice}, tensor(1.0)).grad_fn() == "IndexPutBackward0");
}

TEST_CASE("index_put_ through a view reaches the history of the whole") {
  gradus::manual_seed(3);
  const Tensor index = tensor({1, 0});
  check_gradients(
      [&](const Tensors& in) {
        const Tensor y = in[0] * in[0];
        y.t()[1].index_put_({index}, in[1]);
        return y.exp();
      },
      {input({3, 2}), input({2})});
  check_gradients(
      [&](const Tensors& in) {
        const Tensor y = gradus::zeros({3, 2}, {.dtype = gradus::float64});
        y.index_put_({gradus::Slice{}, index}, in[0]);
        return y.exp() * y;
      },
      {input({3, 2})});
}

TEST_CASE("a tensor that backward needs may not be changed by index_put_, nor may a leaf") {
  const Tensor x = input({3});
  CHECK_THROWS_AS(x.index_put_({tensor({0})}, 1.0), gradus::AutogradError);
  CHECK_THROWS_AS(x.index_put_({0}, 1.0), gradus::AutogradError);
  const Tensor y = x.exp(), z = y.exp();
  y.detach().index_put_({tensor({0})}, 1.0);
  CHECK_THROWS_AS(z.sum().backward(), gradus::AutogradError);
  {
    gradus::NoGradGuard no_grad;
    x.index_put_({tensor({0, 2})}, 4);
  }
  CHECK(values(x)[2] == 4);
  CHECK_THROWS_AS(gradus::zeros({1}).expand({3}).index_put_({tensor({0})}, 1.0), gradus::ValueError);
}

TEST_CASE("index names what is out of range or does not fit") {
  const Tensor x = gradus::zeros({3, 10});
  CHECK(error_of<gradus::IndexError>([&] {
          x.index({gradus::Slice{}, tensor({{1, 2}, {17, 0}})});
        }) == "index: index 17 at [1, 0] is out of range for 10 elements");
  CHECK(error_of<gradus::IndexError>([&] { x.index_put_({tensor({-4})}, 1.0); }) ==
        "index_put_: index -4 at [0] is out of range for 3 elements");
  CHECK_THROWS_AS(x.index({3}), gradus::IndexError);
  CHECK(error_of<gradus::IndexError>([&] { x.index({0, 0, 0}); }) == "index: 3 indices for shape [3, 10], which has 2 dimensions");
  CHECK(error_of<gradus::IndexError>([&] { x.index({gradus::Ellipsis, gradus::Ellipsis}); }) == "index: more than one Ellipsis");
  CHECK(error_of<gradus::DTypeError>([&] { x.index({tensor({1.0})}); }) ==
        "index: indices must be int64, got float32; convert with .to(gradus::int64)");
  CHECK(error_of<gradus::ShapeError>([&] {
          x.index({gradus::Slice{}, tensor({true, false})});
        }) == "index: mask of shape [2] at dimension 1 of shape [3, 10]: sizes must be equal");
  CHECK_THROWS_AS(x.index({tensor({0, 1, 2}), tensor({0, 1})}), gradus::ShapeError);
  CHECK_THROWS_AS(x.index({Tensor()}), gradus::StateError);
  CHECK_THROWS_AS(Tensor().index({0}), gradus::StateError);
}

TEST_CASE("index_put_ names a value that does not fit, and then changes nothing") {
  const Tensor x = gradus::zeros({3, 4}), whole = gradus::zeros({3}, {.dtype = gradus::int64});
  CHECK(error_of<gradus::ShapeError>([&] {
          x.index_put_({tensor({0, 1})}, gradus::ones({3, 4}));
        }) == "index_put_: a value of shape [3, 4] does not broadcast to [2, 4], the shape of what is indexed");
  CHECK(error_of<gradus::ShapeError>([&] {
          x.index_put_({0}, gradus::ones({2, 4}));
        }) == "index_put_: a value of shape [2, 4] does not broadcast to [4], the shape of what is indexed");
  CHECK(error_of<gradus::DTypeError>([&] {
          whole.index_put_({tensor({0})}, 1.5);
        }).starts_with("index_put_: a value of dtype float64 does not fit into a tensor of dtype int64"));
  CHECK_THROWS_AS(whole.index_put_({0}, tensor(1.5)), gradus::DTypeError);
  CHECK_THROWS_AS(whole.eq(0).index_put_({tensor({0})}, tensor(true), true), gradus::DTypeError);
  CHECK_THROWS_AS(x.index_put_({0}, Tensor()), gradus::StateError);
  CHECK(values(x) == Values(12, 0));
  CHECK(ints(whole) == Ints{0, 0, 0});
}
