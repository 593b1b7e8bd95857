#include <doctest/doctest.h>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/product.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
#include "gradus/random.h"
#include "ops/op_test.h"

using namespace gradus;
using op_test::error_of;
using op_test::Ints;
using op_test::ints;
using op_test::Tensors;
using op_test::Values;
using op_test::values;

TEST_CASE("a method of Tensor is the function of its name") {
  manual_seed(6);
  const Tensor x = rand({2, 3, 4}, {.dtype = float64}) + 0.1, y = rand({2, 3, 4}, {.dtype = float64}) + 0.1,
               m = rand({4, 2}, {.dtype = float64});
  const Tensor mask = x.gt(0.5), places = tensor({1, 0});
  const std::pair<Tensor, Tensor> pairs[] = {
      {x.add(y), add(x, y)},
      {x.add(y, 2), add(x, y, 2)},
      {x.add(2), add(x, 2)},
      {x.sub(y), sub(x, y)},
      {x.sub(2), sub(x, 2)},
      {x.mul(y), mul(x, y)},
      {x.mul(2), mul(x, 2)},
      {x.div(y), div(x, y)},
      {x.div(2), div(x, 2)},
      {x.pow(y), pow(x, y)},
      {x.pow(2), pow(x, 2)},
      {x.neg(), neg(x)},
      {x.exp(), exp(x)},
      {x.log(), log(x)},
      {x.sqrt(), sqrt(x)},
      {x.abs(), abs(x)},
      {x.tanh(), tanh(x)},
      {x.sigmoid(), sigmoid(x)},
      {x.relu(), relu(x)},
      {x.clamp(0.2, 0.6), clamp(x, 0.2, 0.6)},
      {x.masked_fill(mask, 3), masked_fill(x, mask, 3)},
      {x.matmul(m), matmul(x, m)},
      {x.eq(y), eq(x, y)},
      {x.eq(0.5), eq(x, 0.5)},
      {x.ne(y), ne(x, y)},
      {x.ne(0.5), ne(x, 0.5)},
      {x.lt(y), lt(x, y)},
      {x.lt(0.5), lt(x, 0.5)},
      {x.le(y), le(x, y)},
      {x.le(0.5), le(x, 0.5)},
      {x.gt(y), gt(x, y)},
      {x.gt(0.5), gt(x, 0.5)},
      {x.ge(y), ge(x, y)},
      {x.ge(0.5), ge(x, 0.5)},
      {x.sum({0, 2}, true), sum(x, {0, 2}, true)},
      {x.mean(1), mean(x, 1)},
      {x.var(-1, 0), var(x, -1, 0)},
      {x.max(), max(x)},
      {x.min(), min(x)},
      {x.argmax(1), argmax(x, 1)},
      {mask.any(), any(mask)},
      {mask.all(), all(mask)},
      {x.softmax(1), softmax(x, 1)},
      {x.log_softmax(1), log_softmax(x, 1)},
      {x.index_select(0, places), index_select(x, 0, places)},
      {x[0][0].gather(0, places), gather(x[0][0], 0, places)},
      {x.permute({2, 0, 1}), permute(x, {2, 0, 1})},
      {x.transpose(0, 2), transpose(x, 0, 2)},
      {m.t(), t(m)},
      {x.reshape({4, -1}), reshape(x, {4, -1})},
      {x.view({6, 4}), view(x, {6, 4})},
      {x.expand({5, 2, 3, 4}), expand(x, {5, 2, 3, 4})},
      {x.squeeze(0), squeeze(x, 0)},
      {x.unsqueeze(1), unsqueeze(x, 1)},
      {x.flatten(0, 1), flatten(x, 0, 1)},
      {x.slice(2, 1, {}, 2), slice(x, 2, 1, {}, 2)},
      {x.select(1, -1), select(x, 1, -1)},
      {x.narrow(2, 1, 2), narrow(x, 2, 1, 2)},
      {x[1], select(x, 0, 1)},
      {x.clone(), clone(x)},
      {x.to(float32), to(x, float32)},
      {x.split(2, 2)[1], split(x, 2, 2)[1]},
      {x.chunk(2, 2)[0], chunk(x, 2, 2)[0]},
      {x.unbind(1)[2], unbind(x, 1)[2]},
  };
  size_t i = 0;
  for (const auto& [method, function] : pairs) {
    CAPTURE(i++);
    CHECK(method.dtype() == function.dtype());
    CHECK(equal(method, function));
  }
}

TEST_CASE("whole tensors are compared by methods as by functions") {
  const Tensor x = tensor({1.0, op_test::kInf, 0.0}), y = tensor({1.0, op_test::kInf, 1e-6}), gap = tensor({1.0, op_test::kNan, 0.0});
  CHECK(x.equal(x.clone()));
  CHECK(!x.equal(y));
  CHECK(!x.equal(x.unsqueeze(0)));
  CHECK(!gap.equal(gap));
  CHECK(!x.allclose(y));
  CHECK(x.allclose(y, 0, 1e-5));
  CHECK(tensor(100.0).allclose(tensor(101.0), 0.01));
  CHECK(!gap.allclose(gap));
  CHECK(gap.allclose(gap, 0, 0, true));
  CHECK_THROWS_AS((void)x.allclose(ones(2)), ShapeError);
  CHECK_THROWS_AS((void)Tensor().equal(x), StateError);
}

TEST_CASE("a handle copied shares the elements, a clone does not") {
  const Tensor x = tensor({1, 2});
  const Tensor same = x, copy = x.clone();
  x.add_(1);
  CHECK(ints(same) == Ints{2, 3});
  CHECK(ints(copy) == Ints{1, 2});
  CHECK(same.is_same(x));
  CHECK(!x.detach().is_same(x));
  CHECK(x.detach().shares_storage_with(x));
  CHECK(!copy.shares_storage_with(x));
}

TEST_CASE("sizes and strides can be asked for from both ends") {
  const Tensor x = zeros({2, 3, 4});
  CHECK(x.size(-1) == 4);
  CHECK(x.size(0) == 2);
  CHECK(x.stride(0) == 12);
  CHECK(x.stride(-1) == 1);
  CHECK(x.dim() == 3);
  CHECK(x.numel() == 24);
  CHECK(error_of<IndexError>([&] { x.size(3); }) == "size: dimension 3 is out of range for a tensor with 3 dimensions: use -3 to 2");
  CHECK_THROWS_AS(x.stride(-4), IndexError);
  CHECK(error_of<IndexError>([] { tensor(1).size(0); }) == "size: a scalar has no dimension 0");
}

TEST_CASE("copy_ converts between all dtypes, broadcasts, and goes between any strides") {
  for (const DType from : {boolean, int64, float32, float64})
    for (const DType to : {boolean, int64, float32, float64}) {
      const Tensor source = tensor({1, 0, 1}).to(from), target = full({2, 3}, 1).to(to);
      target.copy_(source);
      CHECK(target.dtype() == to);
      CHECK(values(target) == Values{1, 0, 1, 1, 0, 1});
    }
  const Tensor x = zeros({3, 2});
  x.t().copy_(arange(6).view({2, 3}));
  CHECK(values(x) == Values{0, 3, 1, 4, 2, 5});
  x.slice(0, 0, 3, 2).copy_(tensor({7.0, 8.0}));
  CHECK(values(x) == Values{7, 8, 1, 4, 7, 8});
}

TEST_CASE("copy_ refuses what the target cannot hold, and leaves it as it was") {
  const Tensor x = tensor({1, 2});
  CHECK_THROWS_AS(x.copy_(tensor({1.0, op_test::kNan})), ValueError);
  CHECK_THROWS_AS(x.copy_(zeros({3})), ShapeError);
  CHECK_THROWS_AS(x.copy_(zeros({2, 2})), ShapeError);
  CHECK(ints(x) == Ints{1, 2});
  CHECK(x.version() == 0);
}

TEST_CASE("gradients of copy_ go to the source alone, in its dtype") {
  const Tensor source = ones({2}, {.requires_grad = true});
  const Tensor x = ones({2, 2}, {.dtype = float64, .requires_grad = true});
  const Tensor y = x * 2;
  y.copy_(source);
  (y * tensor({{1.0, 2.0}, {3.0, 4.0}})).sum().backward();
  CHECK(source.grad().dtype() == float32);
  CHECK(values(source.grad()) == Values{4, 6});
  CHECK(!x.grad().defined());
}

TEST_CASE("elements are read in row-major order, as any type") {
  const Tensor x = tensor({{1.5, 0.0}, {-2.5, 3.0}}).t();
  CHECK(x.to_vector<float>() == std::vector<float>{1.5F, -2.5F, 0, 3});
  CHECK(x.to_vector<int64_t>() == Ints{1, -2, 0, 3});
  CHECK(x.to_vector<bool>() == std::vector<bool>{true, true, false, true});
  CHECK(tensor(2.75).item<int64_t>() == 2);
  CHECK(tensor({{4}}).item() == 4);
  CHECK(zeros({0, 3}).to_vector<double>().empty());
  CHECK(x.data<float>()[x.stride(0)] == 0);
}
