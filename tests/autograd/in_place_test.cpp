#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "autograd/in_place.h"
#include "autograd/leaf.h"
#include "autograd/tensor_impl.h"
#include "error_of.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/memory.h"
#include "gradus/ops/product.h"
#include "gradus/ops/recurrent.h"
#include "gradus/ops/reduction.h"

using gradus::NoGradGuard;
using gradus::Tensor;
using testing::error_of;
namespace autograd = gradus::autograd;
using namespace autograd_test;

namespace {

Tensor constant(const Values& values) { return gradus::from_vector(values, {static_cast<int64_t>(values.size())}); }

}  // namespace

TEST_CASE("in-place operations are recorded: the derivative is that of the result") {
  const Tensor x = leaf({1, 2});
  const Tensor y = x * 3;
  y.mul_(x);
  y.add_(x);
  y.sub_(1);
  CHECK(y.to_vector<double>() == Values{3, 13});
  y.sum().backward();
  CHECK(grad_of(x) == Values{7, 13});
}

TEST_CASE("an operation in place on a constant takes over the history of its operand") {
  const Tensor w = leaf({3, 4});
  const Tensor x = constant({1, 2});
  x.mul_(w);  // needs the x that was
  CHECK(x.requires_grad());
  CHECK(x.to_vector<double>() == Values{3, 8});
  (x * w).sum().backward();
  CHECK(grad_of(w) == Values{6, 16});
}

TEST_CASE("functions in place keep what their derivative needs") {
  const Tensor x = leaf({0.5, 2});
  const Tensor y = x * 1;
  y.sqrt_();
  y.exp_();
  y.neg_();
  const Tensor expected = -x.detach().sqrt().exp() / (x.detach().sqrt() * 2);
  y.sum().backward();
  CHECK(x.grad().allclose(expected, 1e-12));
}

TEST_CASE("fill_, zero_ and copy_ of a constant cut the history") {
  const Tensor x = leaf({1, 2});
  const Tensor y = x * 2;
  y.zero_();
  CHECK_FALSE(y.requires_grad());
  const Tensor z = x * 2;
  z.copy_(constant({5, 6}));
  CHECK_FALSE(z.requires_grad());
  CHECK(z.to_vector<double>() == Values{5, 6});
}

TEST_CASE("copy_ passes the gradient to its source, broadcast and converted") {
  const Tensor source = gradus::ones({}, {.requires_grad = true});
  const Tensor y = gradus::zeros({3}, {.dtype = gradus::float64});
  y.copy_(source);
  (y * constant({1, 2, 3})).sum().backward();
  CHECK(source.grad().dtype() == gradus::float32);
  CHECK(source.grad().item() == 6);
}

TEST_CASE("copy_ between overlapping windows of one storage reads before it writes") {
  const Tensor x = constant({1, 2, 3, 4, 5});
  x.slice(0, 1).copy_(x.slice(0, 0, 4));
  CHECK(x.to_vector<double>() == Values{1, 1, 2, 3, 4});
}

TEST_CASE("a leaf that requires a gradient, and a view of it, are changed in place only under NoGradGuard") {
  const Tensor x = leaf({1, 2});
  const std::string text = error_of<gradus::Error>([&] { x.add_(1); });
  CHECK(text.starts_with("add_: a leaf of shape [2] that requires a gradient cannot be changed in place"));
  CHECK(text.find("NoGradGuard") != std::string::npos);
  CHECK_THROWS_AS(x[0].add_(1), gradus::AutogradError);
  CHECK(x.to_vector<double>() == Values{1, 2});
  {
    NoGradGuard no_grad;
    x.add_(1);
    x[0].add_(1);
  }
  CHECK(x.to_vector<double>() == Values{3, 3});
  CHECK(x.is_leaf());
  CHECK(x.requires_grad());
}

TEST_CASE("backward reports a saved tensor that was changed in place, with operation, shape and versions") {
  const Tensor x = leaf({1, 2});
  const Tensor y = x * 3;
  const Tensor z = y * y;
  y.add_(1);
  const std::string text = error_of<gradus::Error>([&] { z.sum().backward(); });
  CHECK(text.find("shape [2]") != std::string::npos);
  CHECK(text.find("changed in place after it was saved (it is at version 1, 0 was expected)") != std::string::npos);
  CHECK_THROWS_AS(z.sum().backward(), gradus::AutogradError);
}

TEST_CASE("a change through a detached alias, or of a saved output, is noticed too") {
  const Tensor x = leaf({1, 2});
  const Tensor y = x.exp();
  y.detach().zero_();
  CHECK_THROWS_AS(y.sum().backward(), gradus::AutogradError);
  const Tensor z = x.exp();
  z.mul_(2);
  CHECK_THROWS_AS((z.sum() + x.exp().sum() * 0 + z.detach().sum() * 0).backward(), gradus::AutogradError);
}

TEST_CASE("a change of what no derivative needs is no error") {
  const Tensor x = leaf({1, 2});
  const Tensor y = x + 1;
  const Tensor z = y + 2;
  y.mul_(10);
  (z.sum() + y.sum()).backward();
  CHECK(grad_of(x) == Values{11, 11});
}

TEST_CASE("writing into a view changes the history of its base") {
  const Tensor x = leaf({1, 2, 3});
  const Tensor w = gradus::from_vector(Values{10}, {}, {.requires_grad = true});
  const Tensor y = x * 2;
  y[1].mul_(w);
  CHECK(y.to_vector<double>() == Values{2, 40, 6});
  (y * constant({1, 10, 100})).sum().backward();
  CHECK(grad_of(x) == Values{2, 200, 200});
  CHECK(grad_of(w) == Values{40});
}

TEST_CASE("writing history into a window of a constant makes the whole depend on it") {
  const Tensor w = leaf({5, 6});
  const Tensor y = gradus::zeros({2, 2}, {.dtype = gradus::float64});
  y.select(1, 0).copy_(w);
  CHECK(y.requires_grad());
  CHECK(y.to_vector<double>() == Values{5, 0, 6, 0});
  (y * y).sum().backward();
  CHECK(grad_of(w) == Values{10, 12});
}

TEST_CASE("what is overwritten through a view gets no gradient") {
  const Tensor x = leaf({1, 2, 3, 4});
  const Tensor y = x * 2;
  y.slice(0, 0, 4, 2).zero_();
  CHECK(y.to_vector<double>() == Values{0, 4, 0, 8});
  y.sum().backward();
  CHECK(grad_of(x) == Values{0, 2, 0, 2});
}

TEST_CASE("other views of the storage follow a change through one of them") {
  const Tensor x = leaf({1, 2, 3, 4});
  const Tensor w = leaf({7, 8});
  const Tensor y = x * 1;
  const Tensor matrix = y.view({2, 2});
  const Tensor column = matrix.t()[1];  // elements 1 and 3
  const Tensor tail = y.slice(0, 2);
  matrix[1].copy_(w);
  CHECK(column.to_vector<double>() == Values{2, 8});
  (column * constant({10, 100})).sum().backward({}, true);
  CHECK(grad_of(x) == Values{0, 10, 0, 0});
  CHECK(grad_of(w) == Values{0, 100});
  w.set_grad({});
  (tail * tail).sum().backward();
  CHECK(grad_of(w) == Values{14, 16});
}

TEST_CASE("a change of the base shows in the history of views made before") {
  const Tensor x = leaf({1, 2});
  const Tensor y = x * 1;
  const Tensor first = y[0];
  y.mul_(constant({5, 6}));
  CHECK(first.item() == 5);
  first.backward();
  CHECK(grad_of(x) == Values{5, 0});
}

TEST_CASE("a view of a constant requires a gradient as soon as its base does") {
  const Tensor w = leaf({3});
  const Tensor y = gradus::zeros({2}, {.dtype = gradus::float64});
  const Tensor second = y[1];
  CHECK_FALSE(second.requires_grad());
  y.add_(w);
  CHECK(second.requires_grad());
  second.backward();
  CHECK(grad_of(w) == Values{1});
}

TEST_CASE("views of views write through to the base") {
  const Tensor w = leaf({1, 1});
  const Tensor y = gradus::zeros({2, 3, 2}, {.dtype = gradus::float64});
  y.select(1, 2).t()[0].add_(w);
  CHECK(y.to_vector<double>() == Values{0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0});
  (y * gradus::arange(12).view({2, 3, 2})).sum().backward();
  CHECK(grad_of(w) == Values{4, 10});
}

TEST_CASE("rows of a result are written in a loop, each depending on the one before") {
  const Tensor x = leaf({2});
  const Tensor y = gradus::ones({4, 1}, {.dtype = gradus::float64});
  for (int64_t t = 1; t < 4; ++t) y[t].copy_(y[t - 1].clone() * x);
  CHECK(y.to_vector<double>() == Values{1, 2, 4, 8});
  y.sum().backward();
  CHECK(grad_of(x) == Values{1 + 4 + 12});
}

TEST_CASE("an expanded tensor is not written to") {
  const Tensor x = gradus::zeros({1, 3}).expand({2, 3});
  CHECK(error_of<gradus::Error>([&] { x.add_(1); }).find("clone() it first") != std::string::npos);
}

TEST_CASE("an operation in place keeps shape and dtype") {
  const Tensor x = gradus::zeros({3});
  CHECK_THROWS_AS(x.add_(gradus::ones({2, 3})), gradus::ShapeError);
  const Tensor n = gradus::tensor({1, 2});
  CHECK_THROWS_AS(n.add_(gradus::tensor({0.5, 0.5})), gradus::DTypeError);
  CHECK(n.to_vector<int64_t>() == std::vector<int64_t>{1, 2});
  CHECK(n.version() == 0);
}

TEST_CASE("retain_grad stays with the tensor through a change in place") {
  const Tensor x = leaf({1, 2});
  const Tensor y = x * 2;
  y.retain_grad();
  y.mul_(5);
  (y * y).sum().backward();
  CHECK(grad_of(y) == Values{20, 40});
  CHECK(grad_of(x) == Values{200, 400});
  const Tensor z = x * 2;
  z.retain_grad();
  z.zero_();
  CHECK(z.is_leaf());
  CHECK_FALSE(z.requires_grad());
}

TEST_CASE("changes in place can be differentiated twice") {
  const Tensor x = leaf({2, 3});
  const Tensor y = x * x;
  y[0].mul_(x[1]);  // x0^2 x1, x1^2
  const Tensor d = autograd::grad({y.sum()}, {x}, {}, {.create_graph = true})[0];
  CHECK(d.to_vector<double>() == Values{12, 4 + 6});
  CHECK(autograd::grad({d.sum()}, {x})[0].to_vector<double>() == Values{6 + 4, 4 + 2});
}

TEST_CASE("versions count the changes of a storage, seen from every view") {
  const Tensor x = gradus::zeros({2, 2});
  CHECK(x.version() == 0);
  x.add_(1);
  x[0].zero_();
  CHECK(x.version() == 2);
  CHECK(x.t().version() == 2);
  CHECK(x.clone().version() == 0);
}

TEST_CASE("pieces of a split are written to in place, and the others follow") {
  const Tensor x = leaf({1, 2, 3, 4});
  const Tensor w = gradus::from_vector(Values{10}, {}, {.requires_grad = true});
  const Tensor y = x * 1;
  const auto pieces = y.split(2);
  pieces[0].mul_(w);
  (pieces[0] * pieces[1]).sum().backward();
  CHECK(grad_of(x) == Values{30, 40, 10, 20});
  CHECK(grad_of(w) == Values{1 * 3 + 2 * 4});
}

TEST_CASE("a view whose history was renewed is walked once, when all its gradients are there") {
  const Tensor x = leaf({2, 3});
  const Tensor y = x * 1;
  const Tensor first = y.slice(0, 0, 1);
  y.mul_(constant({5, 5}));
  // The first operand alone decides that the product is recorded; the second still has its old history.
  const Tensor product = x * first;
  int calls = 0;
  first.register_hook([&](const Tensor& g) {
    ++calls;
    return g;
  });
  (product.sum() + (x * first).sum()).backward();
  CHECK(calls == 1);
  CHECK(grad_of(x) == Values{2 * 10 + 5 * 10, 20});
}

TEST_CASE("operations in place on tensors that were saved leave no cycle behind") {
  const size_t before = gradus::memory_stats().live_bytes;
  {
    const Tensor x = leaf({1, 2});
    const Tensor y = x * 2;
    y.mul_(y);
    CHECK_THROWS_AS(y.sum().backward(), gradus::AutogradError);
    const Tensor rows = gradus::ones({3, 2}, {.dtype = gradus::float64});
    for (int64_t t = 1; t < 3; ++t) rows[t].copy_(rows[t - 1] * x);
    const Tensor z = x.exp();
    z[0].mul_(z[1]);
  }
  CHECK(gradus::memory_stats().live_bytes == before);
}

TEST_CASE("an output that its operation made as a view of something nobody has keeps its history when a part of it is changed") {
  const Tensor w = gradus::from_vector(Values{1, 2, 3, 4}, {2, 2});
  const auto gradient = [&](void (*change)(const Tensor&)) {
    const Tensor x = leaf({2, 3});
    const Tensor y = w.matmul(x);  // of shape [2, 1] before it is made [2]
    change(y);
    y.sum().backward();
    return grad_of(x);
  };
  CHECK(gradient([](const Tensor& y) { y[0].mul_(10); }) == Values{13, 24});
  CHECK(gradient([](const Tensor& y) { y.slice(0, 0, 1).fill_(0); }) == Values{3, 4});
  CHECK(gradient([](const Tensor& y) { y.slice(0, 2).copy_(constant({1})); }) == Values{4, 6});  // no elements
  CHECK(gradient([](const Tensor& y) { y.mul_(2); }) == Values{8, 12});

  const Tensor x = leaf({2, 3});
  const Tensor scalar = x.matmul(w[0]);
  scalar.unsqueeze(0).mul_(2);
  scalar.backward();
  CHECK(grad_of(x) == Values{2, 4});
}

TEST_CASE("an output that backward needs, made as a view of something nobody has, is refused when a part of it was changed") {
  const Tensor x = leaf({2, 3});
  const Tensor total = logsumexp(x.unsqueeze(0), 1, true);
  total.slice(1, 1).copy_(constant({1}));
  CHECK(error_of<gradus::AutogradError>([&] { total.sum().backward(); }).find("changed in place after it was saved") != std::string::npos);

  const Tensor weight = gradus::ones({3, 1}, {.requires_grad = true});
  const auto out = gradus::gru_layer(gradus::ones({2, 1, 1}), gradus::zeros({1, 1}), {weight, weight, {}, {}});
  out.output[0].mul_(2);
  CHECK(error_of<gradus::AutogradError>([&] { out.output.sum().backward(); }).find("changed in place after it was saved") !=
        std::string::npos);
}

TEST_CASE("a tensor that an operation kept before it was given a history leaves no cycle behind") {
  const size_t before = gradus::memory_stats().live_bytes;
  {
    const Tensor x = leaf({1, 2});
    const Tensor total = constant({3, 4});
    total.add_(x * total);
    total.add_(x * total);
    const Tensor rows = gradus::ones({3, 2}, {.dtype = gradus::float64});
    rows[1].add_((x * rows)[0]);
    const Tensor kept = constant({5, 6});
    kept.mul_(x * kept);
    const Tensor by_function = constant({7, 8});
    by_function.add_(autograd::apply_function(
        {x, by_function}, "times",
        [](autograd::Context& context, const std::vector<Tensor>& inputs) {
          context.save_for_backward(inputs);
          return std::vector<Tensor>{inputs[0] * inputs[1]};
        },
        [](autograd::Context& context, const std::vector<Tensor>& dy) {
          return std::vector<Tensor>{dy[0] * context.saved_tensors()[1], {}};
        })[0]);
    CHECK(gradus::memory_stats().live_bytes > before);
  }
  CHECK(gradus::memory_stats().live_bytes == before);
}

TEST_CASE("what was computed of a tensor that is gone still knows that it was changed after it was kept") {
  const Tensor x = leaf({1, 2});
  Tensor total = constant({3, 4});
  const Tensor product = x * total;
  total.add_(product);
  const Tensor result = total * 2;
  total = Tensor();
  for (const Tensor& y : {product, result}) {
    const std::string text = error_of<gradus::AutogradError>([&] { y.sum().backward(); });
    CHECK(text.find("of shape [2] that backward needs was changed in place after it was saved (it is at version 1, 0 was expected)") !=
          std::string::npos);
  }
}

TEST_CASE("a tensor that only operations keep has its gradient, and the second") {
  const Tensor x = leaf({2, 3});
  Tensor factor = constant({3, 4});
  factor.add_(x);
  factor.zero_();  // changed twice, and without a history again
  factor.add_(5);
  Tensor y = x * x * factor;
  factor = Tensor();
  const Tensor d = autograd::grad({y.sum()}, {x}, {}, {.create_graph = true})[0];
  CHECK(d.to_vector<double>() == Values{20, 30});
  y = Tensor();
  CHECK(autograd::grad({d.sum()}, {x})[0].to_vector<double>() == Values{10, 10});

  Tensor tracked = constant({1, 1});
  tracked.add_(x);
  const Tensor z = tracked * tracked;  // kept with its history
  tracked = Tensor();
  const Tensor first = autograd::grad({z.sum()}, {x}, {}, {.create_graph = true})[0];
  CHECK(first.to_vector<double>() == Values{6, 8});
  CHECK(autograd::grad({first.sum()}, {x})[0].to_vector<double>() == Values{2, 2});
}

TEST_CASE("a view that was made a leaf goes its own way") {
  const Tensor y = gradus::zeros({2, 2});
  const Tensor row = y[0].requires_grad_();
  CHECK_THROWS_AS(row[1].add_(1), gradus::AutogradError);
  y.add_(gradus::ones({2}, {.requires_grad = true}));
  CHECK(row.is_leaf());
  CHECK(row.grad_fn() == "");
  row.sum().backward();
  CHECK(row.grad().to_vector<double>() == Values{1, 1});
}

TEST_CASE("an operation in place computes once, also on a constant that takes over a history") {
  const Tensor w = leaf({3, 4});
  int calls = 0;
  const auto square_times = [&](const Tensor& x) {
    ++calls;
    return x * x * w;
  };
  const Tensor fresh = constant({1, 2}), tracked = w * 1;
  gradus::in_place("test", fresh, square_times, w);
  CHECK(calls == 1);
  gradus::in_place("test", tracked, square_times, w);
  CHECK(calls == 2);
  (fresh.sum() + tracked.sum()).backward();
  CHECK(grad_of(w) == Values{1 + 27, 4 + 48});
  {
    NoGradGuard no_grad;
    gradus::in_place("test", fresh, square_times, w);
  }
  CHECK(calls == 3);
}

TEST_CASE("asking a view about its history changes nothing") {
  const Tensor w = leaf({3});
  const Tensor y = gradus::zeros({2}, {.dtype = gradus::float64});
  const Tensor first = y[0], second = y[1];
  y.mul_(w);
  const gradus::TensorImpl& impl = *first.impl();
  for (int i = 0; i < 2; ++i) {
    CHECK(first.requires_grad());
    CHECK_FALSE(first.is_leaf());
    CHECK(first.grad_fn() == "AsStridedBackward0");
    CHECK(impl.is_behind_base());
    CHECK_FALSE(impl.grad_fn);
  }
  const Tensor z = first * 2;
  CHECK_FALSE(impl.is_behind_base());
  CHECK(first.grad_fn() == "AsStridedBackward0");
  y.zero_();
  CHECK_FALSE(first.requires_grad());
  CHECK(first.is_leaf());
  CHECK(first.grad_fn() == "");
  CHECK(impl.grad_fn);
  first.requires_grad_();
  CHECK_FALSE(impl.grad_fn);
  CHECK(first.is_leaf());
}

TEST_CASE("retain_grad ends on a view whose base was given another history without one") {
  const Tensor x = leaf({1, 2});
  const Tensor y = x * 1, first = y[0];
  first.retain_grad();
  y.zero_();
  CHECK_FALSE((first * 2).requires_grad());
  CHECK_FALSE(first.requires_grad());
  CHECK(first.is_leaf());
}
