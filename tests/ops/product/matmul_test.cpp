
#include <doctest/doctest.h>

#include <cmath>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/product.h"
#include "gradus/parallel.h"
#include "gradus/profiler.h"
#include "gradus/random.h"
#include "ops/op_test.h"

using namespace gradus;
using op_test::error_of;
using op_test::Ints;
using op_test::ints;
using op_test::Tensors;

namespace {

/// The product by its definition: broadcasting and a sum over the inner dimension.
Tensor naive(const Tensor& a, const Tensor& b) {
  const Tensor x = a.dim() == 1 ? a.unsqueeze(0) : a, y = b.dim() == 1 ? b.unsqueeze(1) : b;
  const Tensor z = (x.unsqueeze(-1) * y.unsqueeze(-3)).sum(-2);
  Tensor squeezed = b.dim() == 1 ? z.squeeze(-1) : z;
  return a.dim() == 1 ? squeezed.squeeze(b.dim() == 1 ? -1 : -2) : squeezed;
}

struct Pair {
  Shape a, b;
};

/// Every pair of ranks from 1 to 4, batches that broadcast, and sizes of 0 and 1.
const std::vector<Pair> kPairs{
    {{3}, {3}},
    {{3}, {3, 2}},
    {{2, 3}, {3}},
    {{2, 3}, {3, 4}},
    {{3}, {2, 3, 4}},
    {{2, 4, 3}, {3}},
    {{2, 4, 3}, {3, 5}},
    {{4, 3}, {2, 3, 5}},
    {{2, 4, 3}, {2, 3, 5}},
    {{1, 4, 3}, {6, 3, 5}},
    {{6, 4, 3}, {1, 3, 5}},
    {{3}, {2, 5, 3, 4}},
    {{2, 5, 4, 3}, {3}},
    {{2, 5, 4, 3}, {3, 6}},
    {{4, 3}, {2, 5, 3, 6}},
    {{5, 4, 3}, {2, 1, 3, 6}},
    {{2, 1, 4, 3}, {5, 3, 6}},
    {{2, 5, 4, 3}, {2, 5, 3, 6}},
    {{2, 1, 4, 3}, {1, 5, 3, 6}},
    {{1, 1}, {1, 1}},
    {{1, 3}, {3, 1}},
    {{3, 1}, {1, 4}},
};

const std::vector<Pair> kEmpty{
    {{0}, {0}},    {{2, 0}, {0, 3}},       {{0, 2}, {2, 3}},       {{2, 3}, {3, 0}},
    {{2, 0}, {0}}, {{4, 2, 0}, {4, 0, 3}}, {{0, 2, 3}, {0, 3, 4}}, {{0, 2, 3}, {3, 4}},
};

std::string name_of(const Pair& p) { return p.a.str() + " x " + p.b.str(); }

Tensor turned(const Tensor& x) { return x.dim() < 2 ? x : x.transpose(-2, -1).clone().transpose(-2, -1); }

}  // namespace

TEST_CASE("matmul of all ranks from 1 to 4 is the sum over the inner dimension") {
  manual_seed(4);
  for (const Pair& p : kPairs) {
    CAPTURE(name_of(p));
    const Tensor a = randn(p.a, {.dtype = float64}), b = randn(p.b, {.dtype = float64});
    const Tensor expected = naive(a, b);
    for (const Tensor& x : {a, turned(a)})
      for (const Tensor& y : {b, turned(b)}) {
        const Tensor z = matmul(x, y);
        CHECK(z.shape().str() == expected.shape().str());
        CHECK(z.allclose(expected, 1e-12, 1e-12));
      }
    CHECK(a.matmul(b).to(float32).allclose(matmul(a.to(float32), b.to(float32)), 1e-5, 1e-5));
  }
}

TEST_CASE("matmul of integers is exact") {
  for (const Pair& p : kPairs) {
    CAPTURE(name_of(p));
    const Tensor a = randint(-50, 50, p.a), b = randint(-50, 50, p.b);
    CHECK(matmul(a, b).equal(naive(a, b)));
    CHECK(matmul(turned(a), turned(b)).equal(naive(a, b)));
  }
  const int64_t large = (int64_t{1} << 53) + 1;
  CHECK(matmul(tensor({large}), tensor({1})).item<int64_t>() == large);
}

TEST_CASE("matmul over nothing is 0, and of nothing is empty") {
  for (const Pair& p : kEmpty) {
    CAPTURE(name_of(p));
    const Tensor a = zeros(p.a, {.requires_grad = true}), b = zeros(p.b, {.requires_grad = true});
    const Tensor z = matmul(a, b);
    CHECK(z.shape().str() == naive(a, b).shape().str());
    CHECK(z.equal(zeros(z.shape())));
    z.sum().backward();
    CHECK(a.grad().shape() == p.a);
    CHECK(b.grad().shape() == p.b);
  }
}

TEST_CASE("matmul of all ranks passes gradcheck and gradgradcheck") {
  for (const Pair& p : kPairs) {
    CAPTURE(name_of(p));
    op_test::check_gradients([](const Tensors& in) { return matmul(in[0], in[1]); }, {op_test::input(p.a), op_test::input(p.b)});
  }
}

TEST_CASE("matmul takes windows with gaps, expanded tensors and one tensor twice") {
  const Tensor x = randn({6, 8}, {.dtype = float64});
  const Tensor window = x.slice(0, 0, 6, 2).narrow(1, 2, 3), every_second = x.slice(1, 0, 8, 3);
  CHECK(matmul(window, window.t()).allclose(naive(window, window.t())));
  CHECK(matmul(every_second.t(), every_second).allclose(naive(every_second.t(), every_second)));
  const Tensor row = randn({1, 5}, {.dtype = float64}).expand({4, 5});
  CHECK(matmul(row, row.t()).allclose(naive(row, row.t())));
  const Tensor y = op_test::input({3, 3});
  op_test::check_gradients([](const Tensors& in) { return matmul(in[0], in[0]); }, {y});
}

TEST_CASE("a batch is multiplied where it lies, whatever the strides of its dimensions") {
  const Tensor x = rand({4, 3, 2, 5, 6}), heads = x.permute({2, 0, 1, 3, 4}), turned = x.permute({1, 2, 0, 4, 3});
  const Tensor y = rand({6, 7}).expand({2, 4, 3, 6, 7}), z = rand({3, 1, 4, 5, 3}).expand({3, 2, 4, 5, 3});
  const Tensor cut = rand({2, 5, 3, 7, 6}).slice(1, 1).slice(3, 2).slice(4, 0, 6);
  const auto check = [](const Tensor& a, const Tensor& b) {
    Profiler profiler;
    const Tensor c = matmul(a, b);
    profiler.stop();
    for (const Profiler::Entry& e : profiler.entries()) CHECK(e.name != "copy");
    CHECK(equal(c, matmul(a.contiguous(), b.contiguous())));
  };
  check(heads, y);
  check(turned, z);
  check(cut.transpose(-2, -1), heads);
}

TEST_CASE("matmul passes NaN and infinity on") {
  const Tensor z = matmul(tensor({{op_test::kNan, 1.0}, {1.0, 1.0}}), tensor({{0.0}, {op_test::kInf}}));
  CHECK(std::isnan(z[0].item()));
  CHECK(z[1].item() == op_test::kInf);
}

TEST_CASE("matmul gives the same bits for every number of threads") {
  const int before = get_num_threads();
  const Tensor a = randn({300, 200}), b = randn({200, 500}), batch = randn({9, 40, 60}), other = randn({9, 60, 30});
  const auto results = [&] {
    std::vector<float> all = matmul(a, b).to_vector<float>();
    for (const float v : matmul(batch, other).to_vector<float>()) all.push_back(v);
    return all;
  };
  set_num_threads(1);
  const std::vector<float> one = results();
  for (const int threads : {2, 8}) {
    set_num_threads(threads);
    CHECK(results() == one);
  }
  set_num_threads(before);
}

TEST_CASE("matmul says which sizes do not fit") {
  const auto text = [](const Shape& a, const Shape& b) { return error_of<ShapeError>([&] { matmul(zeros(a), zeros(b)); }); };
  CHECK(text({2, 3}, {4, 5}) == "matmul: [2, 3] x [4, 5]: inner sizes differ (3 and 4)");
  CHECK(text({3}, {4}) == "matmul: [3] x [4]: inner sizes differ (3 and 4)");
  CHECK(text({3}, {4, 2}) == "matmul: [3] x [4, 2]: inner sizes differ (3 and 4)");
  CHECK(text({2, 3}, {2}) == "matmul: [2, 3] x [2]: inner sizes differ (3 and 2)");
  CHECK(text({5, 2, 3}, {5, 2, 3}) == "matmul: [5, 2, 3] x [5, 2, 3]: inner sizes differ (3 and 2)");
  CHECK(text({}, {2}) == "matmul: [] x [2]: both need a dimension; multiply scalars with *");
  CHECK(text({4, 2, 3}, {5, 3, 2}).find("matmul: shapes [4] and [5] do not broadcast") == 0);
  CHECK(error_of<DTypeError>([] {
          matmul(zeros({2, 2}), zeros({2, 2}, {.dtype = float64}));
        }) == "matmul: float32 x float64: dtypes differ; convert one with .to()");
  CHECK(error_of<DTypeError>([] {
          matmul(full({2, 2}, true), full({2, 2}, true));
        }) == "matmul: not defined for bool; convert with .to(gradus::int64)");
}

TEST_CASE("linear is x W^T + b, for any number of leading dimensions") {
  for (const Shape& shape : {Shape{3}, Shape{2, 3}, Shape{4, 2, 3}, Shape{0, 3}, Shape{2, 1, 2, 3}}) {
    CAPTURE(shape.str());
    const Tensor x = op_test::input(shape), w = op_test::input({5, 3}), b = op_test::input({5});
    CHECK(linear(x, w, b).allclose(matmul(x, w.t()) + b, 1e-12, 1e-12));
    CHECK(linear(x, w).allclose(matmul(x, w.t()), 1e-12, 1e-12));
    CHECK(linear(x, turned(w), b).allclose(matmul(x, w.t()) + b, 1e-12, 1e-12));
    if (shape.numel() > 0) op_test::check_gradients([](const Tensors& in) { return linear(in[0], in[1], in[2]); }, {x, w, b});
  }
  CHECK(linear(zeros({2, 3}), zeros({0, 3})).shape().str() == "[2, 0]");
  CHECK(linear(zeros({2, 0}), zeros({4, 0}), ones({4})).equal(ones({2, 4})));
}

TEST_CASE("a linear layer with more results than the caches hold has the same gradients, of what is wanted") {
  const auto number = [](const Shape& shape) { return randn(shape, {.dtype = float64}); };
  const Tensor dy = number({5, 220, 1000}), at[] = {number({5, 220, 3}), number({1000, 3}), number({1000})};
  for (const int wanted : {7, 1, 2, 4, 6}) {
    CAPTURE(wanted);
    const auto gradients = [&](auto&& f) {
      Tensors in;
      for (int i = 0; i < 3; ++i) in.push_back(at[i].clone().requires_grad_((wanted >> i & 1) != 0));
      f(in).backward(dy);
      Tensors found;
      for (const Tensor& x : in) found.push_back(x.grad());
      return found;
    };
    const Tensors ours = gradients([](const Tensors& in) { return linear(in[0], in[1], in[2]); });
    const Tensors plain = gradients([](const Tensors& in) { return matmul(in[0], in[1].t()) + in[2]; });
    for (size_t i = 0; i < 3; ++i) {
      REQUIRE(ours[i].defined() == plain[i].defined());
      if (ours[i].defined()) CHECK(ours[i].allclose(plain[i], 1e-11, 1e-11));
    }
  }
}

TEST_CASE("a backward pass makes only those products of a linear layer whose gradients it is asked for") {
  for (const int64_t rows : {8, 2048}) {  // the second by blocks of rows
    CAPTURE(rows);
    const Tensor x = randn({rows, 16}, {.requires_grad = true}), w = randn({512, 16}, {.requires_grad = true}), y = linear(x, w);
    const auto products = [&](const Tensors& inputs) {
      Profiler profiler;
      autograd::grad({y}, inputs, {ones(y.shape())}, {.retain_graph = true});
      int64_t calls = 0;
      for (const Profiler::Entry& e : profiler.entries()) calls += e.name == "gemm" ? e.calls : 0;
      return calls;
    };
    CHECK(products({x}) > 0);
    CHECK(products({w}) > 0);
    CHECK(products({x}) + products({w}) == products({x, w}));
  }
}

TEST_CASE("linear says what does not fit") {
  const Tensor w = zeros({5, 3});
  CHECK(error_of<ShapeError>([&] {
          linear(zeros({2, 4}), w);
        }) == "linear: x has shape [2, 4], but weight [5, 3] takes 3 features in the last dimension");
  CHECK(error_of<ShapeError>([&] { linear(zeros({3}), zeros({3})); }) == "linear: weight has shape [3], expected (outputs, inputs)");
  CHECK(error_of<ShapeError>([&] { linear(zeros({2, 3}), w, zeros({3})); }) == "linear: bias has shape [3], expected [5]");
  CHECK(error_of<ShapeError>([&] { linear(tensor(1.0), w); }).find("linear: x has shape []") == 0);
  CHECK(error_of<DTypeError>([&] {
          linear(zeros({2, 3}, {.dtype = float64}), w);
        }) == "linear: x is float64 and weight float32; convert one with .to()");
  CHECK(error_of<DTypeError>([&] { linear(zeros({3}), w, zeros({5}, {.dtype = float64})); }) ==
        "linear: x is float32 and bias float64; they must agree");
}

using namespace op_test;

TEST_CASE("a zero gradient passes through a product as zero, whatever it meets") {
  for (const double bad : {kNan, kInf})
    for (const int64_t n : {2, 40}) {
      CAPTURE(n);
      const Tensor x = gradus::ones({n, n}).requires_grad_(), w = gradus::ones({n, n}).requires_grad_(),
                   v = gradus::ones(n).requires_grad_();
      x.detach()[1].fill_(bad);
      const Tensor b = gradus::ones(n).requires_grad_();
      const Tensor only_first = gradus::zeros({n, n});
      only_first[0].fill_(1);
      for (const Tensor& y : {gradus::matmul(x, w), gradus::linear(x, w, b)}) {
        const Tensors d = gradus::autograd::grad({y}, {x, w}, {only_first}, {.retain_graph = true});
        CHECK(values(d[0].sum(1)) == values(only_first.sum(1) * static_cast<double>(n)));
        CHECK(values(d[1]) == Values(static_cast<size_t>(n * n), 1));
      }
      const Tensors d = gradus::autograd::grad({gradus::matmul(x, v)}, {x, v}, {only_first.select(1, 0)});
      check_equal(d[0], only_first);
      CHECK(values(d[1]) == Values(static_cast<size_t>(n), 1));
      const Tensor dx = gradient(gradus::matmul(v, x[1]), v, gradus::tensor(0.0F));
      CHECK(values(dx) == Values(static_cast<size_t>(n), 0));
      const Tensor batch = x.unsqueeze(0).expand({2, n, n}), only = only_first.expand({2, n, n});
      CHECK(values(gradient(gradus::matmul(batch, w.expand({2, n, n})), w, only)) == Values(static_cast<size_t>(n * n), 2));
    }
}

TEST_CASE("what a product's gradient meets with a 0 is left out of large linear layers too") {
  const int64_t rows = 2048, outputs = 512, inputs = 4;
  const Tensor x = gradus::ones({rows, inputs}), w = gradus::ones({outputs, inputs}).requires_grad_(), dy = gradus::ones({rows, outputs});
  x[700].fill_(kNan);
  x.requires_grad_();
  dy[700].fill_(0);
  const Tensors d = gradus::autograd::grad({gradus::linear(x, w)}, {x, w}, {dy});
  CHECK(values(d[1]) == Values(static_cast<size_t>(outputs * inputs), rows - 1));
  CHECK(d[0].sum().item() == static_cast<double>((rows - 1) * outputs * inputs));
}

TEST_CASE("a NaN that a gradient asks for is passed on") {
  const Tensor x = gradus::ones({3, 2}), w = gradus::ones({2, 2}).requires_grad_();
  x[1][0].fill_(kNan);
  const Tensor d = gradient(gradus::matmul(x, w), w, gradus::ones({3, 2}));
  CHECK(gradus::isnan(d).to_vector<bool>() == std::vector<bool>{true, true, false, false});
  CHECK(gradus::isnan(gradus::matmul(gradus::zeros({1, 3}), x)).to_vector<bool>() == std::vector<bool>{true, false});
}

TEST_CASE("einsum refuses a letter of two sizes, 1 among them, and names it") {
  const Tensor a = gradus::ones({2, 1}), b = gradus::ones({3, 4});
  CHECK(error_of<gradus::ShapeError>([&] {
          gradus::einsum("ij,jk->ik", {a, b});
        }) == "einsum: \"ij,jk->ik\": 'j' is 1 in one operand and 3 in another; a letter has one size, only \"...\" broadcasts");
  CHECK_THROWS_AS(gradus::einsum("ij,jk->ik", {gradus::ones({2, 3}), gradus::ones({1, 4})}), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::einsum("bi,bj->bij", {gradus::ones({1, 3}), b}), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::einsum("ij,ij->ij", {gradus::ones({3, 1}), b}), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::einsum("i,k,i->k", {gradus::ones(3), gradus::ones(4), gradus::ones(1)}), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::einsum("ii", {gradus::ones({1, 3})}), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::einsum("......", {b}), gradus::ValueError);
  CHECK(gradus::einsum("...i,...i->...", {gradus::ones({1, 3}), gradus::ones({5, 3})}).shape() == Shape{5});
  CHECK(gradus::einsum("ij,jk->ik", {gradus::ones({2, 1}), gradus::ones({1, 4})}).shape() == Shape{2, 4});
}
