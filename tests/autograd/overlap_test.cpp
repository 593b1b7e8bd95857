#include <doctest/doctest.h>

#include <functional>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/ops/shape.h"
#include "gradus/random.h"
#include "ops/op_test.h"

/// Tensors of which several elements share one place in memory: their gradients, and the refusal to write to them.
using namespace gradus;
using op_test::error_of;
using op_test::input;
using op_test::Tensors;
using op_test::Values;

namespace {

Tensor shaped_leaf(const Values& values, const Shape& shape) { return from_vector(values, shape, {.requires_grad = true}); }

/// The gradient of x when every element of y counts once.
Values grad_of_sum(const Tensor& y, const Tensor& x) {
  return autograd::grad({y.sum()}, {x}, {}, {.retain_graph = true})[0].to_vector<double>();
}

}  // namespace

TEST_CASE("the trace of an expanded column gives each element its gradient once") {
  const Tensor b = shaped_leaf({3, 4}, {2, 1});
  trace(b.expand({2, 2})).backward();
  CHECK(b.grad().to_vector<double>() == Values{1, 1});
}

TEST_CASE("unfold of expanded keys counts every key as often as windows show it, not once more a head") {
  const int64_t B = 2, H = 3, T = 5, D = 2;
  const Tensor keys = input({B, 1, T, D});
  const Tensor apart = keys.detach().clone().requires_grad_();
  const Tensor weights = randn({B, H, 3, D, 3}, {.dtype = float64});
  (unfold(keys.expand({B, H, T, D}), 2, 3, 1) * weights).sum().backward();
  (unfold(apart.repeat({1, H, 1, 1}), 2, 3, 1) * weights).sum().backward();
  CHECK(keys.grad().allclose(apart.grad(), 1e-12));
}

TEST_CASE("diagonal, unfold, slice and select of overlapping tensors give elements their own gradients, as PyTorch's do") {
  const Tensor b = shaped_leaf({1, 2, 3}, {3, 1});
  CHECK(grad_of_sum(diagonal(b.expand({3, 3})), b) == Values{1, 1, 1});
  CHECK(grad_of_sum(diagonal(b.expand({3, 3}), 1), b) == Values{1, 1, 0});
  CHECK(grad_of_sum(b.expand({3, 4}).slice(1, 1, 3), b) == Values{2, 2, 2});
  CHECK(grad_of_sum(b.expand({3, 4}).select(0, 1), b) == Values{0, 4, 0});
  const Tensor x = shaped_leaf({1, 2, 3, 4}, 4);
  const Tensor windows = unfold(x, 0, 2, 1);  // 12 23 34
  CHECK(grad_of_sum(unfold(windows, 0, 2, 1), x) == Values{1, 3, 3, 1});
  CHECK(grad_of_sum(diagonal(windows), x) == Values{1, 0, 1, 0});
  CHECK(grad_of_sum(windows.t().slice(0, 1), x) == Values{0, 1, 1, 1});
  CHECK(grad_of_sum(windows.contiguous().view(6), x) == Values{1, 2, 2, 1});
}

TEST_CASE("as_strided of an overlapping tensor divides a place's gradient among the elements that share it, as PyTorch does") {
  const Tensor b = shaped_leaf({3, 4}, {2, 1});
  const Tensor wide = b.expand({2, 4});
  CHECK(grad_of_sum(as_strided(wide, {2, 2}, {1, 0}), b) == Values{2, 2});
  wide.retain_grad();
  as_strided(wide, 2, 1).sum().backward();
  CHECK(wide.grad().to_vector<double>() == Values{.25, .25, .25, .25, .25, .25, .25, .25});
  // An element that the whole does not show has no gradient.
  const Tensor x = shaped_leaf({1, 2, 3}, 3);
  CHECK(grad_of_sum(as_strided(unfold(x.slice(0, 0, 2), 0, 1, 1), 3, 1, 0), x) == Values{1, 1, 0});
}

TEST_CASE("views of overlapping views have right first and second derivatives") {
  manual_seed(3);
  using View = std::function<Tensor(const Tensor&)>;
  const std::vector<View> bases{
      [](const Tensor& x) {
        return x.expand({3, 3});
      },
      [](const Tensor& x) {
        return x.t().expand({3, 3});
      },
      [](const Tensor& x) {
        return as_strided(x, {3, 3}, {0, 1});
      },
      [](const Tensor& x) {
        return as_strided(x, {3, 2}, {1, 0});
      },
      [](const Tensor& x) { return unfold(x.view(3), 0, 2, 1); },
      [](const Tensor& x) {
        return unfold(x.expand({3, 3}), 0, 2, 1);
      },
  };
  const std::vector<View> tops{
      [](const Tensor& x) { return diagonal(x); },
      [](const Tensor& x) { return unfold(x, 1, 2, 1); },
      [](const Tensor& x) {
        return as_strided(x, {2, 2}, {1, 1});
      },
      [](const Tensor& x) {
        return as_strided(x, {2, 2}, {0, 2});
      },
      [](const Tensor& x) { return x.slice(0, 0, 2).transpose(0, 1); },
      [](const Tensor& x) {
        Shape twice = x.select(1, 1).shape();
        twice.insert(0, 2);
        return x.select(1, 1).expand(twice);
      },
  };
  for (size_t i = 0; i < bases.size(); ++i)
    for (size_t k = 0; k < tops.size(); ++k) {
      CAPTURE(i);
      CAPTURE(k);
      const autograd::TensorFunction f = [&](const Tensors& in) {
        const Tensor y = tops[k](bases[i](in[0]));
        return Tensors{y * y.exp()};
      };
      CHECK(autograd::gradcheck(f, {input({3, 1})}));
      CHECK(autograd::gradgradcheck(f, {input({3, 1})}));
    }
}

TEST_CASE("a tensor written in place passes its gradients on through overlapping views made before and after") {
  manual_seed(4);
  const autograd::TensorFunction f = [](const Tensors& in) {
    const Tensor y = in[0] * 1;
    const Tensor before = y.expand({3, 2}), windows = unfold(y, 0, 1, 1);
    y.select(0, 0).mul_(in[1]);
    const Tensor after = as_strided(before, {2, 2}, {0, 1});
    return Tensors{diagonal(before) * in[1], after.exp(), windows * windows};
  };
  CHECK(autograd::gradcheck(f, {input({1, 2}), input(2)}));
  CHECK(autograd::gradgradcheck(f, {input({1, 2}), input(2)}));
}

TEST_CASE("an element written through a base whose elements share its place counts for all of them") {
  const Tensor w = shaped_leaf({2}, {});
  const Tensor base = ones(1, {.dtype = float64}).expand(3).detach();
  const Tensor last = base[2];
  base[0].mul_(w);
  CHECK(base.to_vector<double>() == Values{2, 2, 2});
  CHECK(grad_of_sum(base, w) == Values{3});
  CHECK(grad_of_sum(last, w) == Values{1});
}

TEST_CASE("a place seen 2^25 times has the gradient 2^25 in float32 too") {
  const Tensor x = ones(1, {.requires_grad = true});
  as_strided(x, int64_t{1} << 25, 0).sum().backward();
  CHECK(x.grad().item() == 1 << 25);
}

TEST_CASE("writing to a tensor whose elements share places is refused, whatever made it, by every way to write, and changes nothing") {
  const Tensor x = arange(6, {.dtype = float64});
  const Tensor row = ones({1, 3}, {.dtype = float64});
  const Tensor mask = ones({}, {.dtype = boolean});
  const Tensors shared{row.expand({2, 3}),
                       unfold(x, 0, 3, 1),
                       unfold(x, 0, 3, 2),
                       as_strided(x, {3, 2}, {1, 1}),
                       as_strided(x, {2, 2}, {0, 1}),
                       unfold(x, 0, 2, 1).t(),
                       as_strided(x, {2, 2, 2}, {2, 2, 1}),
                       row.expand({2, 3}).detach(),
                       unfold(row.expand({2, 3}), 0, 1, 1)};
  using Write = std::function<void(const Tensor&)>;
  const std::vector<Write> writes{
      [](const Tensor& y) { y.add_(1); },
      [](const Tensor& y) { y.add_(ones({}, {.dtype = float64})); },
      [](const Tensor& y) { y.add_(y.clone()); },
      [](const Tensor& y) { y.sub_(1); },
      [](const Tensor& y) { y.mul_(2); },
      [](const Tensor& y) { y.div_(y.clone()); },
      [](const Tensor& y) { y.neg_(); },
      [](const Tensor& y) { y.exp_(); },
      [](const Tensor& y) { y.sqrt_(); },
      [](const Tensor& y) { y.tanh_(); },
      [](const Tensor& y) { y.sigmoid_(); },
      [](const Tensor& y) { y.relu_(); },
      [](const Tensor& y) { y.clamp_(0, 1); },
      [&](const Tensor& y) { y.masked_fill_(mask, 7); },
      [](const Tensor& y) { y.fill_(7); },
      [](const Tensor& y) { y.zero_(); },
      [](const Tensor& y) { y.copy_(ones({}, {.dtype = float64})); },
      [](const Tensor& y) { y.uniform_(); },
      [](const Tensor& y) { y.normal_(); },
      [](const Tensor& y) { y.index_put_({Slice{}}, 7); },
      [](const Tensor& y) { y.index_put_({tensor({0})}, 7); },
      [](const Tensor& y) { y.index({Ellipsis}) = y.clone(); },
  };
  for (const bool recorded : {true, false}) {
    const GradMode mode(recorded);
    for (size_t k = 0; k < shared.size(); ++k)
      for (size_t i = 0; i < writes.size(); ++i) {
        CAPTURE(k);
        CAPTURE(i);
        const std::string text = error_of<ValueError>([&] { writes[i](shared[k]); });
        CHECK(text.find("share one place in memory") != std::string::npos);
        CHECK(text.find("clone() it first") != std::string::npos);
      }
  }
  CHECK(x.to_vector<double>() == Values{0, 1, 2, 3, 4, 5});
  CHECK(row.to_vector<double>() == Values{1, 1, 1});
  CHECK(x.version() == 0);
}

TEST_CASE("windows that do not meet are written to, and the gradient is that of the copy") {
  const Tensor w = shaped_leaf({1, 2, 3, 4, 5, 6}, {3, 2});
  const Tensor y = zeros(6, {.dtype = float64});
  unfold(y, 0, 2, 2).copy_(w);
  as_strided(y, {2, 2}, {3, 2}).mul_(10);  // places 0 2 3 5, in strides that interleave
  CHECK(y.to_vector<double>() == Values{10, 2, 30, 40, 5, 60});
  CHECK(grad_of_sum(y, w) == Values{10, 1, 10, 10, 1, 10});
}
