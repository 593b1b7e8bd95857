#include "gradus/precision.h"

#include <doctest/doctest.h>

#include <functional>

#include "gradus/about.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/nn/rnn.h"
#include "gradus/ops/convolution.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/product.h"
#include "gradus/ops/reduction.h"
#include "gradus/parallel.h"
#include "gradus/random.h"
#include "medium_precision.h"
#include "ops/op_test.h"

using namespace gradus;
using op_test::Tensors;
using op_test::values;
using testing::MediumPrecision;

namespace {

/// A function linear in each of two tensors, and how many terms its sums have at most, forward and backward.
struct Bilinear {
  const char* name;
  Shape a, b;
  std::function<Tensor(const Tensor&, const Tensor&)> f;
  double terms;
};

/// The result and both gradients for a gradient dy of the result.
Tensors all_of(const Bilinear& op, const Tensor& a, const Tensor& b, const Tensor& dy) {
  const Tensor x = a.detach().requires_grad_(), y = b.detach().requires_grad_(), z = op.f(x, y);
  z.backward(dy);
  return {z.detach(), x.grad(), y.grad()};
}

/// Each operand is rounded by at most 2^-9 of itself, so each term by (1 + 2^-9)^2 - 1 = 2^-8 + 2^-18 of itself, and sums in float32 by
/// 2^-23 for each of their terms, as all of it is linear: with the absolute values of the operands the same function gives what that adds
/// up to.
void check_within_what_rounding_explains(const Bilinear& op) {
  CAPTURE(op.name);
  manual_seed(3);
  const Tensor a = randn(op.a), b = randn(op.b), dy = randn(op.f(a, b).shape());
  const auto wide = [](const Tensor& x) { return x.to(float64); };
  const Tensors exact = all_of(op, wide(a), wide(b), wide(dy)), size = all_of(op, abs(wide(a)), abs(wide(b)), abs(wide(dy)));
  const Tensors highest = all_of(op, a, b, dy);
  const MediumPrecision medium;
  if (!MediumPrecision::is_there()) return;
  const Tensors ours = all_of(op, a, b, dy);
  const double bound = 0x1p-8 + 0x1p-18 + op.terms * 0x1p-23;
  for (size_t i = 0; i < ours.size(); ++i) {
    CAPTURE(i);
    CHECK(le(abs(wide(ours[i]) - exact[i]), size[i] * bound).all().item() == 1);
    CHECK(abs(ours[i] - highest[i]).max().item() > 1e-4);  // it was rounded
  }
}

}  // namespace

TEST_CASE("the precision of float32 products is highest until it is set, and another name is refused") {
  CHECK(get_float32_matmul_precision() == "highest");
  for (const char* name : {"medium", "high", "highest"}) {
    set_float32_matmul_precision(name);
    CHECK(get_float32_matmul_precision() == name);
  }
  const std::string text = op_test::error_of<ValueError>([] { set_float32_matmul_precision("low"); });
  CHECK(text.find("set_float32_matmul_precision: \"low\" is not a precision; give highest, high or medium") == 0);
  CHECK(get_float32_matmul_precision() == "highest");
  CHECK(about().find("bfloat16") != std::string::npos);
}

TEST_CASE("at medium precision results and gradients are within what rounding the operands to bfloat16 explains") {
  check_within_what_rounding_explains({"matmul", {40, 70}, {70, 50}, matmul, 70});
  check_within_what_rounding_explains({"bmm", {3, 40, 70}, {3, 70, 50}, [](const Tensor& a, const Tensor& b) { return matmul(a, b); }, 70});
  check_within_what_rounding_explains({"linear", {2, 30, 70}, {50, 70}, [](const Tensor& x, const Tensor& w) { return linear(x, w); }, 70});
  check_within_what_rounding_explains(
      {"linear of many rows", {4200, 70}, {260, 70}, [](const Tensor& x, const Tensor& w) { return linear(x, w); }, 4200});
  check_within_what_rounding_explains(
      {"conv1d", {4, 20, 50}, {24, 20, 3}, [](const Tensor& x, const Tensor& w) { return conv1d(x, w, {}, 1, 1); }, 200});
}

TEST_CASE("at medium precision float64 stays as it is, and float32 at high") {
  manual_seed(4);
  const Tensor a = randn({64, 64}), b = a.to(float64), c = matmul(a, a), d = matmul(b, b);
  set_float32_matmul_precision("high");
  CHECK(values(matmul(a, a)) == values(c));
  const MediumPrecision medium;
  CHECK(values(matmul(b, b)) == values(d));
}

TEST_CASE("at medium precision a training's gradients have the same bits for 1, 2 and 8 threads") {
  const MediumPrecision medium;
  const int before = get_num_threads();
  std::vector<std::vector<double>> all;
  for (const int threads : {1, 2, 8}) {
    set_num_threads(threads);
    manual_seed(5);
    nn::GRU gru(40, 64, {.num_layers = 2});
    gru(randn({12, 96, 40})).output.square().sum().backward();
    std::vector<double> found;
    for (const Tensor& p : gru.parameters())
      for (const double g : values(p.grad())) found.push_back(g);
    all.push_back(std::move(found));
  }
  set_num_threads(before);
  CHECK(all[1] == all[0]);
  CHECK(all[2] == all[0]);
}
