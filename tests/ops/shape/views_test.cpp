
#include <doctest/doctest.h>

#include <limits>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/ops/shape.h"
#include "ops/op_test.h"

using namespace gradus;
using op_test::error_of;
using op_test::Ints;
using op_test::ints;
using op_test::Tensors;

namespace {

/// 0, 1, 2, … in the given shape.
Tensor counted(const Shape& shape) { return arange(shape.numel()).view(shape); }

/// The first element of the first of x's views is changed, and x shows it.
void check_is_view(const Tensor& x, const Tensor& y, const Shape& shape, const Strides& strides, int64_t offset, const Ints& elements) {
  CHECK(y.shape().str() == shape.str());
  CHECK(y.strides().str() == strides.str());
  CHECK(y.storage_offset() == offset);
  CHECK(ints(y) == elements);
  CHECK(y.shares_storage_with(x));
  const uint32_t version = x.version();
  y.add_(100);
  CHECK(x.version() == version + 1);
  Ints changed = elements;
  for (int64_t& v : changed) v += 100;
  CHECK(ints(y) == changed);
  CHECK(x.sum().item<int64_t>() == x.numel() * (x.numel() - 1) / 2 + 100 * y.numel());
}

}  // namespace

TEST_CASE("permute, transpose and t reorder dimensions without a copy") {
  Tensor x = counted({2, 1, 3});
  check_is_view(x, x.permute({2, 0, 1}), {3, 2, 1}, {1, 3, 3}, 0, {0, 3, 1, 4, 2, 5});
  x = counted({2, 3});
  check_is_view(x, x.transpose(0, -1), {3, 2}, {1, 3}, 0, {0, 3, 1, 4, 2, 5});
  x = counted({2, 3});
  check_is_view(x, x.t(), {3, 2}, {1, 3}, 0, {0, 3, 1, 4, 2, 5});
  x = counted({3});
  check_is_view(x, x.t(), {3}, {1}, 0, {0, 1, 2});
  CHECK(tensor(5).t().item() == 5);
  CHECK(tensor(5).transpose(0, -1).item() == 5);
}

TEST_CASE("view, reshape, flatten, squeeze and unsqueeze give the same elements another shape") {
  Tensor x = counted({2, 3});
  check_is_view(x, x.view({3, -1}), {3, 2}, {2, 1}, 0, {0, 1, 2, 3, 4, 5});
  x = counted({2, 3});
  check_is_view(x, x.reshape({6}), {6}, {1}, 0, {0, 1, 2, 3, 4, 5});
  x = counted({2, 1, 3});
  check_is_view(x, x.flatten(1), {2, 3}, {3, 1}, 0, {0, 1, 2, 3, 4, 5});
  x = counted({2, 1, 3});
  check_is_view(x, x.flatten(), {6}, {1}, 0, {0, 1, 2, 3, 4, 5});
  x = counted({1, 2, 1});
  check_is_view(x, x.squeeze(), {2}, {1}, 0, {0, 1});
  x = counted({1, 2, 1});
  check_is_view(x, x.squeeze(-1), {1, 2}, {2, 1}, 0, {0, 1});
  x = counted({1, 2, 1});
  check_is_view(x, x.squeeze(1), {1, 2, 1}, {2, 1, 1}, 0, {0, 1});
  x = counted({2, 2});
  check_is_view(x, x.unsqueeze(1), {2, 1, 2}, {2, 2, 1}, 0, {0, 1, 2, 3});
  CHECK(tensor(7).flatten().shape().str() == "[1]");
  CHECK(tensor(7).unsqueeze(-1).shape().str() == "[1]");
  CHECK(tensor(7).view({1, 1}).shape().str() == "[1, 1]");
}

TEST_CASE("select, narrow, slice, split, chunk and unbind cut without a copy") {
  Tensor x = counted({2, 3});
  check_is_view(x, x.select(1, -1), {2}, {3}, 2, {2, 5});
  x = counted({2, 3});
  check_is_view(x, x[1], {3}, {1}, 3, {3, 4, 5});
  x = counted({2, 3});
  check_is_view(x, x.narrow(1, 1, 2), {2, 2}, {3, 1}, 1, {1, 2, 4, 5});
  x = counted({7});
  check_is_view(x, x.slice(0, 1, -1, 2), {3}, {2}, 1, {1, 3, 5});
  x = counted({7});
  check_is_view(x, x.slice(0), {7}, {1}, 0, {0, 1, 2, 3, 4, 5, 6});
  x = counted({5, 2});
  check_is_view(x, x.split(2)[2], {1, 2}, {2, 1}, 8, {8, 9});
  x = counted({5});
  check_is_view(x, x.split({1, 4})[1], {4}, {1}, 1, {1, 2, 3, 4});
  x = counted({5});
  check_is_view(x, x.chunk(2)[0], {3}, {1}, 0, {0, 1, 2});
  x = counted({2, 3});
  check_is_view(x, x.unbind(1)[1], {2}, {3}, 1, {1, 4});
}

TEST_CASE("pieces cover the whole in order") {
  const auto sizes = [](const Tensors& pieces, int64_t dim) {
    Ints found;
    for (const Tensor& piece : pieces) found.push_back(piece.size(dim));
    return found;
  };
  const Tensor x = counted({7, 2});
  CHECK(sizes(x.split(3), 0) == Ints{3, 3, 1});
  CHECK(sizes(x.split(10), 0) == Ints{7});
  CHECK(sizes(x.split({2, 0, 5}), 0) == Ints{2, 0, 5});
  CHECK(sizes(x.chunk(3), 0) == Ints{3, 3, 1});
  CHECK(sizes(x.chunk(5), 0) == Ints{2, 2, 2, 1});
  CHECK(sizes(x.chunk(2, -1), 1) == Ints{1, 1});
  CHECK(sizes(zeros({0, 2}).chunk(3), 0) == Ints{0, 0, 0});
  CHECK(sizes(zeros({0, 2}).split(3), 0) == Ints{0});
  CHECK(zeros({0, 2}).unbind().empty());
  CHECK(cat(x.split(3)).equal(x));
  CHECK(stack(x.unbind(1), 1).equal(x));
}

TEST_CASE("expand shows one place many times, and cannot be written to") {
  const Tensor x = counted({2, 1});
  const Tensor y = x.expand({3, -1, 2});
  CHECK(y.shape().str() == "[3, 2, 2]");
  CHECK(y.strides().str() == "[0, 1, 0]");
  CHECK(y.shares_storage_with(x));
  CHECK(ints(y) == Ints{0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1});
  x.add_(5);
  CHECK(ints(y[2]) == Ints{5, 5, 6, 6});
  CHECK(error_of<ValueError>([&] { y.add_(1); }) ==
        "add_: several elements of the tensor of shape [3, 2, 2] with strides [0, 1, 0] share one place in memory, so that they cannot be "
        "written one by one; clone() it first");
  CHECK(ints(x) == Ints{5, 6});
  CHECK(tensor(3).expand({2}).sum().item() == 6);
  CHECK(counted({1, 3}).expand_as(zeros({2, 3})).shape().str() == "[2, 3]");
}

TEST_CASE("as_strided sees the storage through any window, and not beyond it") {
  const Tensor x = counted({3, 4});
  check_is_view(x, as_strided(x, {2, 2}, {4, 2}, 1), {2, 2}, {4, 2}, 1, {1, 3, 5, 7});
  CHECK(ints(as_strided(counted({6})[2].unsqueeze(0), {2}, {3})) == Ints{2, 5});
  CHECK(as_strided(x, {0, 100}, {1, 1}).numel() == 0);
  const int64_t huge = int64_t{1} << 62;
  CHECK(error_of<IndexError>([&] { as_strided(x, {13}, {1}); }) ==
        "as_strided: shape [13], strides [1], offset 0 reach beyond the storage of 96 bytes");
  CHECK_THROWS_AS(as_strided(x, {2}, {12}), IndexError);
  CHECK_THROWS_AS(as_strided(x, {1}, {1}, 12), IndexError);
  CHECK_THROWS_AS(as_strided(x, {1}, {1}, -1), IndexError);
  CHECK_THROWS_AS(as_strided(x, {2}, {huge}), IndexError);
  CHECK_THROWS_AS(as_strided(x, {2, 2}, {huge, huge}), IndexError);
  CHECK_THROWS_AS(as_strided(x, {1}, {1}, std::numeric_limits<int64_t>::max()), IndexError);
  CHECK(error_of<ValueError>([&] { as_strided(x, {2}, {-1}); }) == "as_strided: strides [-1] must not be negative");
  CHECK(error_of<ShapeError>([&] { as_strided(x, {2}, {1, 1}); }) == "as_strided: shape [2] and strides [1, 1] differ in length");
}

TEST_CASE("reshape copies where a view is not possible, and view says so") {
  const Tensor x = counted({2, 3}).t();
  const Tensor y = x.reshape({6});
  CHECK(!y.shares_storage_with(x));
  CHECK(ints(y) == Ints{0, 3, 1, 4, 2, 5});
  CHECK(error_of<ShapeError>([&] { x.view({6}); }) ==
        "view: shape [3, 2] with strides [1, 3] cannot be seen as [6] without a copy; use reshape");
  CHECK(x.view({3, 1, 2}).shares_storage_with(x));
}

TEST_CASE("clone copies, contiguous copies only what is not, to only what has another dtype") {
  const Tensor x = counted({2, 3}).t();
  const Tensor copy = x.clone();
  CHECK(!copy.shares_storage_with(x));
  CHECK(copy.is_contiguous());
  CHECK(copy.equal(x));
  CHECK(x.contiguous().is_contiguous());
  CHECK(!x.contiguous().shares_storage_with(x));
  CHECK(copy.contiguous().is_same(copy));
  CHECK(x.to(int64).is_same(x));
  CHECK(x.to(float64).dtype() == float64);
  CHECK(x.to(float64).to(int64).equal(x));
}

TEST_CASE("views of views stay windows onto one storage") {
  const Tensor x = counted({4, 6});
  const Tensor y = x.slice(0, 1).t().narrow(0, 2, 3)[1].unsqueeze(0);
  CHECK(ints(y) == Ints{9, 15, 21});
  y.zero_();
  CHECK(ints(x.select(1, 3)) == Ints{3, 0, 0, 0});
  CHECK(x.sum().item<int64_t>() == 276 - 45);
}

TEST_CASE("gradients go through every view, and through clone, contiguous, to and as_strided") {
  const auto x = [](const Shape& shape) { return Tensors{op_test::input(shape)}; };
  op_test::check_gradients([](const Tensors& in) { return in[0].t().reshape({6}) * 2; }, x({2, 3}));
  op_test::check_gradients([](const Tensors& in) { return as_strided(in[0], {2, 2}, {1, 1}, 1); }, x({4}));
  op_test::check_gradients([](const Tensors& in) { return as_strided(in[0], {3, 2}, {0, 2}); }, x({4}));
  op_test::check_gradients([](const Tensors& in) { return in[0].t().contiguous().clone(); }, x({2, 3}));
  op_test::check_gradients([](const Tensors& in) { return in[0].chunk(2)[1] * in[0].unbind()[0]; }, x({3, 2}));
  const Tensor single = ones({2}, {.requires_grad = true});
  single.to(float64).sum().backward();
  CHECK(single.grad().dtype() == float32);
  CHECK(single.grad().equal(ones({2})));
}

TEST_CASE("a view that does not fit is refused with operation, shape and rule") {
  const Tensor x = counted({2, 3});
  CHECK(error_of<ShapeError>([&] { x.view({4, 2}); }) == "view: 6 elements do not fill shape [4, 2]");
  CHECK(error_of<ShapeError>([&] { x.reshape({-1, -1}); }) == "reshape: shape [-1, -1] has more than one -1");
  CHECK(error_of<ShapeError>([&] { x.reshape({4, -1}); }) == "reshape: 6 elements do not fill shape [4, -1]");
  CHECK(error_of<ShapeError>([&] { x.permute({0}); }) == "permute: dims [0] for shape [2, 3]: name each of its 2 dimensions once");
  CHECK(error_of<ValueError>([&] { x.permute({1, 1}); }) == "permute: dims [1, 1] name dimension 1 twice");
  CHECK(error_of<ShapeError>([&] { counted({1, 2, 3}).t(); }).find("t: shape [1, 2, 3] has more than two dimensions") == 0);
  CHECK(error_of<ShapeError>([&] {
          x.expand({2, 6});
        }) == "expand: shape [2, 3] cannot become [2, 6]: dimension 1 has size 3, and only size 1 stretches");
  CHECK(error_of<IndexError>([&] { x.select(0, 2); }) == "select: index 2 is out of range for dimension 0 of shape [2, 3]");
  CHECK(error_of<IndexError>([&] { x[-3]; }) == "select: index -3 is out of range for dimension 0 of shape [2, 3]");
  CHECK(error_of<IndexError>([&] { x.select(2, 0); }) == "select: dimension 2 is out of range for a tensor with 2 dimensions: use -2 to 1");
  CHECK(error_of<IndexError>([&] { x.narrow(1, 2, 2); }) == "narrow: start 2 and length 2 go beyond dimension 1 of shape [2, 3]");
  CHECK(error_of<ValueError>([&] { x.slice(0, {}, {}, -1); }).find("slice: step -1 must be positive") == 0);
  CHECK(error_of<ValueError>([&] { x.slice(0, {}, {}, 0); }).find("slice: step 0 must be positive") == 0);
  CHECK(error_of<ValueError>([&] { x.flatten(1, 0); }) == "flatten: start_dim 1 comes after end_dim 0");
  CHECK(error_of<IndexError>([&] { x.squeeze(2); }).find("squeeze: dimension 2 is out of range") == 0);
  CHECK(error_of<IndexError>([&] { x.unsqueeze(3); }).find("unsqueeze: dimension 3 is out of range") == 0);
  CHECK(error_of<ShapeError>([&] { x.split({1, 2}); }) == "split: sizes add up to 3, but dimension 0 of shape [2, 3] has 2");
  CHECK(error_of<ValueError>([&] { x.split({-1, 3}); }) == "split: size -1 is negative");
  CHECK(error_of<ValueError>([&] { x.split(0); }) == "split: size 0 must be positive");
  CHECK(error_of<ValueError>([&] { x.chunk(0); }) == "chunk: 0 chunks; ask for at least one");
  CHECK(error_of<IndexError>([&] { tensor(1)[0]; }) == "select: a scalar has no dimension to choose from");
  CHECK(error_of<ShapeError>([&] { tensor(1).unbind(); }) == "unbind: a scalar has no dimension to take apart");
  CHECK(error_of<ShapeError>([&] { tensor(1).split(1); }) == "split: a scalar has no dimension to cut");
}

TEST_CASE("a shape with more elements than can be counted is refused, even where nothing would be stored") {
  const int64_t large = int64_t{1} << 40;
  CHECK_THROWS_AS(zeros({1}).expand({large, large}), ShapeError);
  CHECK_THROWS_AS(zeros({0}).view({large, large, large}), ShapeError);
  CHECK_THROWS_AS(as_strided(zeros({1}), {large, large}, {0, 0}), ShapeError);
  CHECK(zeros({1}).expand({large}).numel() == large);
}

TEST_CASE("more dimensions than a tensor can have are refused") {
  Tensor x = zeros({1, 1, 1, 1, 1, 1, 1, 1});
  CHECK_THROWS_AS(x.unsqueeze(0), ShapeError);
  CHECK_THROWS_AS(stack({x, x}), ShapeError);
  CHECK(x.dim() == 8);
}

TEST_CASE("cat and stack join copies, and say which tensor does not fit") {
  const Tensor x = counted({2, 3}), y = counted({1, 3});
  const Tensor joined = cat({x, y});
  CHECK(ints(joined) == Ints{0, 1, 2, 3, 4, 5, 0, 1, 2});
  CHECK(!joined.shares_storage_with(x));
  CHECK(cat({x, x.to(float64)}, -1).dtype() == float64);
  CHECK(stack({x, x}, -1).shape().str() == "[2, 3, 2]");
  CHECK_THROWS_AS(cat({}), ValueError);
  CHECK_THROWS_AS(stack({}), ValueError);
  CHECK(error_of<ShapeError>([&] { cat({x, y}, 1); }).find("cat: ") == 0);
  CHECK(error_of<ShapeError>([&] { stack({x, y}); }).find("stack: ") == 0);
  CHECK_THROWS_AS(cat({x, x}, 2), IndexError);
  CHECK_THROWS_AS(cat({tensor(1), tensor(2)}), ShapeError);
}

TEST_CASE("split, chunk and unbind refuse to make more tensors than memory holds") {
  constexpr int64_t many = int64_t{1} << 40;
  const Tensor x = gradus::zeros({1}).expand({many});
  CHECK_THROWS_WITH_AS(unbind(x), "unbind: dimension 0 of shape [1099511627776] gives 1099511627776 tensors, more than 16777216",
                       gradus::ValueError);
  CHECK_THROWS_AS(split(x, 1), gradus::ValueError);
  CHECK_THROWS_AS(chunk(x, many), gradus::ValueError);
  CHECK_THROWS_AS(chunk(gradus::zeros({0}), many), gradus::ValueError);
  constexpr int64_t most = std::numeric_limits<int64_t>::max();
  CHECK(split(gradus::zeros({3}), most).size() == 1);
  CHECK(chunk(gradus::zeros({3}), 2).size() == 2);
  CHECK_THROWS_AS(split(gradus::zeros({3}), {most, most, 5}), gradus::ShapeError);
}

TEST_CASE("roll takes any shift") {
  const Tensor x = gradus::tensor({1.0, 2.0, 3.0}, {.dtype = gradus::float64, .requires_grad = true});
  for (int64_t shift : {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), int64_t{-1}, int64_t{4}}) {
    const Tensor y = roll(x, shift);
    for (int64_t i = 0; i < 3; ++i) CHECK(y[((i + shift % 3) % 3 + 3) % 3].item() == x[i].item());
    CHECK(op_test::values(op_test::gradient(y, x, y.detach())) == op_test::values(x));
  }
  CHECK(roll(gradus::zeros({0}), std::numeric_limits<int64_t>::min()).numel() == 0);
}
