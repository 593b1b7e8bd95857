#include <algorithm>
#include <cmath>

#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/reduction.h"
#include "gradus/parallel.h"
#include "ops/op_test.h"

using namespace op_test;

namespace {

/// The elements of x (in double) grouped by what is left of their place without `dims`, in row-major order.
std::vector<Values> groups(const Tensor& x, const std::vector<bool>& goes) {
  const Shape& shape = x.shape();
  int64_t kept = 1;
  for (int64_t d = 0; d < shape.size(); ++d) kept *= goes[static_cast<size_t>(d)] ? 1 : shape[d];
  std::vector<Values> result(static_cast<size_t>(kept));
  const Values all = values(x);
  for (size_t i = 0; i < all.size(); ++i) {
    int64_t rest = static_cast<int64_t>(i), group = 0, stride = 1;
    for (int64_t d = shape.size() - 1; d >= 0; --d) {
      const int64_t at = rest % shape[d];
      rest /= shape[d];
      if (goes[static_cast<size_t>(d)]) continue;
      group += at * stride;
      stride *= shape[d];
    }
    result[static_cast<size_t>(group)].push_back(all[i]);
  }
  return result;
}

double sum_of(const Values& v) {
  double total = 0;
  for (double x : v) total += x;
  return total;
}
double var_of(const Values& v, double correction) {
  const double mean = sum_of(v) / static_cast<double>(v.size());
  double total = 0;
  for (double x : v) total += (x - mean) * (x - mean);
  return total / (static_cast<double>(v.size()) - correction);
}

void check_close(const Tensor& y, const std::vector<Values>& parts, const std::function<double(const Values&)>& f, double tolerance) {
  const Values got = values(y);
  REQUIRE(got.size() == parts.size());
  for (size_t i = 0; i < got.size(); ++i) {
    double scale = 0;
    for (double v : parts[i]) scale += std::fabs(v);
    if (std::fabs(got[i] - f(parts[i])) > tolerance * (scale + 1)) FAIL_CHECK(i, ": ", got[i], " for ", f(parts[i]));
  }
}

}  // namespace

TEST_CASE("sum, mean and var agree with plain loops over every set of dimensions, whatever the strides") {
  gradus::manual_seed(1);
  const Tensor dense = gradus::randn({3, 4, 2, 5}, {.dtype = gradus::float64});
  for (const Tensor& x :
       {dense, dense.permute({2, 0, 3, 1}), dense.slice(1, 1, 4, 2), dense.select(0, 1).unsqueeze(1).expand({4, 3, 2, 5})})
    for (int set = 1; set < 16; ++set) {
      gradus::Dims dims;
      std::vector<bool> goes(4);
      Shape kept = x.shape(), left;
      for (int64_t d = 0; d < 4; ++d) {
        goes[static_cast<size_t>(d)] = (set >> d) & 1;
        if ((set >> d) & 1) {
          dims.push_back(d % 2 ? d : d - 4);
          kept[d] = 1;
        } else {
          left.push_back(x.size(d));
        }
      }
      CAPTURE(dims.str());
      const auto parts = groups(x, goes);
      CHECK(x.sum(dims).shape() == left);
      CHECK(x.sum(dims, true).shape() == kept);
      check_close(x.sum(dims), parts, sum_of, 1e-14);
      check_close(
          x.mean(dims, true), parts, [](const Values& v) { return sum_of(v) / static_cast<double>(v.size()); }, 1e-14);
      if (parts[0].size() > 1)
        check_close(
            x.var(dims), parts, [](const Values& v) { return var_of(v, 1); }, 1e-13);
      check_close(
          x.var(dims, 0, true), parts, [](const Values& v) { return var_of(v, 0); }, 1e-13);
    }
  check_close(dense.sum(), groups(dense, {true, true, true, true}), sum_of, 1e-14);
}

TEST_CASE("sums of long and of wide tensors are right, and the same bits for any number of threads") {
  gradus::manual_seed(2);
  const int threads = gradus::get_num_threads();
  struct Case {
    Shape shape;
    int64_t dim;
  };
  for (const Case& c : {Case{{100000}, 0}, Case{{70000, 3}, 0}, Case{{70000, 3}, 1}, Case{{2, 300, 600}, 1}, Case{{40000, 20}, 0},
                        Case{{5, 33}, 1}, Case{{5, 31}, 1}, Case{{2, 3, 257}, 1}, Case{{1, 100000, 1}, 1}, Case{{3, 7, 100}, 1}}) {
    CAPTURE(c.shape.str());
    const Tensor x = gradus::randn(c.shape);
    std::vector<bool> goes(static_cast<size_t>(c.shape.size()));
    goes[static_cast<size_t>(c.dim)] = true;
    gradus::set_num_threads(1);
    const Tensor y = x.sum(c.dim), all = x.sum(), top = gradus::max(x, c.dim).values;
    check_close(y, groups(x, goes), sum_of, 1e-7);
    check_close(
        top, groups(x, goes), [](const Values& v) { return *std::max_element(v.begin(), v.end()); }, 0);
    for (int n : {2, 3}) {
      gradus::set_num_threads(n);
      CHECK(values(x.sum(c.dim)) == values(y));
      CHECK(x.sum().item() == all.item());
      CHECK(values(gradus::max(x, c.dim).values) == values(top));
    }
  }
  gradus::set_num_threads(threads);
}

TEST_CASE("float32 sums of a million elements are as good as float64 ones") {
  gradus::manual_seed(3);
  for (const Tensor& x : {gradus::full({1000000}, 0.1), gradus::rand({1000000})}) {
    const double truth = x.to(gradus::float64).sum().item();
    CHECK(x.sum().item() == doctest::Approx(truth).epsilon(1e-7));
    for (int64_t dim : {0, 1})
      CHECK(x.reshape({1000, 1000}).sum(dim).to(gradus::float64).sum().item() == doctest::Approx(truth).epsilon(1e-7));
    CHECK(x.mean().item() == doctest::Approx(truth / 1e6).epsilon(1e-7));
  }
  // Large beside small numbers, and lengths that leave a rest.
  for (const Tensor& x : {(gradus::rand({999999}) > 0.5).to(gradus::float32) * 1000 + 0.001, gradus::full({999999}, 0.1)})
    for (const Tensor& wide : {x, x.reshape({999, 1001}), x.reshape({1001, 999}), x.reshape({9, 111111}), x.reshape({111111, 9})}) {
      CAPTURE(wide.shape().str());
      const Tensor exact = wide.to(gradus::float64);
      CHECK(gradus::allclose(wide.sum(), exact.sum().to(gradus::float32), 1e-7, 0));
      for (int64_t dim = 0; dim < wide.dim(); ++dim) CHECK(gradus::allclose(wide.sum(dim).to(gradus::float64), exact.sum(dim), 1e-7, 0));
    }
  const Tensor far = gradus::rand({100000}) + 1000;
  CHECK(far.var().item() == doctest::Approx(far.to(gradus::float64).var().item()).epsilon(1e-4));
}

TEST_CASE("integers and bools sum as int64, and mean asks for a floating-point dtype") {
  CHECK(gradus::tensor({true, true, false}).sum().dtype() == gradus::int64);
  CHECK(gradus::tensor({true, true, false}).sum().item<int64_t>() == 2);
  CHECK(ints(gradus::tensor({{1, 2}, {3, 4}}).sum(0)) == Ints{4, 6});
  CHECK(gradus::tensor({1, 2}).sum({}, false, gradus::float64).dtype() == gradus::float64);
  CHECK(gradus::tensor({1, 2}).mean({}, false, gradus::float32).item() == 1.5);
  CHECK(gradus::tensor({1.5, 2.5}).sum({}, false, gradus::int64).item<int64_t>() == 3);
  const int64_t big = int64_t{1} << 53;
  CHECK(gradus::tensor({big, int64_t{1}}).sum().item<int64_t>() == big + 1);
  CHECK(error_of<gradus::DTypeError>([] {
          gradus::tensor({1, 2}).mean();
        }) == "mean: int64 has no mean of its own kind; convert with .to(gradus::float32) or give a dtype");
  CHECK(error_of<gradus::DTypeError>([] { gradus::tensor({1, 2}).var(); }).starts_with("var: takes float32 or float64, got int64"));
  CHECK(error_of<gradus::DTypeError>([] {
          gradus::tensor({1, 2}).sum({}, false, gradus::boolean);
        }).starts_with("sum: bool holds no sums"));
}

TEST_CASE("reductions of nothing: 0, NaN, or an error where there is no answer") {
  const Tensor none = gradus::zeros({0, 3});
  CHECK(none.sum().item() == 0);
  CHECK(values(none.sum(0)) == Values{0, 0, 0});
  CHECK(none.sum(1).shape() == Shape{0});
  CHECK(std::isnan(none.mean().item()));
  CHECK(std::isnan(gradus::tensor(2.0).var().item()));
  CHECK(error_of<gradus::ValueError>([&] { none.max(); }) == "max: shape [0, 3] has no element to choose from");
  CHECK(gradus::max(none, 1).values.shape() == Shape{0});
  CHECK(error_of<gradus::ValueError>([&] { gradus::max(none, 0); }) == "max: shape [0, 3] has no element to choose from");
  CHECK(error_of<gradus::ValueError>([&] { none.argmax(); }) == "argmax: shape [0, 3] has no element to choose from");
}

TEST_CASE("scalars reduce over their one imagined dimension, and dims are checked") {
  const Tensor s = gradus::tensor(3.0);
  CHECK(s.sum(0).item() == 3);
  CHECK(s.mean(-1, true).shape() == Shape{});
  CHECK(gradus::max(s, 0).indices.item<int64_t>() == 0);
  CHECK(s.argmax().item<int64_t>() == 0);
  const Tensor x = gradus::zeros({2, 3});
  CHECK(error_of<gradus::IndexError>([&] { x.sum(2); }).starts_with("sum: dimension 2 is out of range"));
  CHECK(error_of<gradus::IndexError>([&] { gradus::max(x, -3); }).starts_with("max: dimension -3 is out of range"));
  CHECK(error_of<gradus::ValueError>([&] { x.mean({1, -1}); }).starts_with("mean: dims [1, -1] name dimension 1 twice"));
  CHECK_THROWS_AS(gradus::sum(Tensor()), gradus::StateError);
}

TEST_CASE("max, min, argmax and argmin find the first best element along every dimension") {
  gradus::manual_seed(4);
  for (const Shape& shape : {Shape{3, 4, 5}, Shape{2, 100, 3}, Shape{2, 2500}, Shape{300, 2}, Shape{7, 33}, Shape{2, 3, 300}})
    for (gradus::DType dtype : {gradus::float32, gradus::float64, gradus::int64}) {
      const Tensor x = gradus::randint(-6, 6, shape).to(dtype);  // many ties
      for (int64_t d = 0; d < shape.size(); ++d) {
        std::vector<bool> goes(static_cast<size_t>(shape.size()));
        goes[static_cast<size_t>(d)] = true;
        const auto parts = groups(x, goes);
        const auto [top, top_at] = gradus::max(x, d);
        const auto [low, low_at] = gradus::min(x, d - shape.size(), true);
        CHECK(top.dtype() == dtype);
        CHECK(low.size(d) == 1);
        CHECK(ints(gradus::argmax(x, d)) == ints(top_at));
        CHECK(ints(gradus::argmin(x, d, true)) == ints(low_at));
        const Values tops = values(top), lows = values(low);
        const Ints tops_at = ints(top_at), lows_at = ints(low_at);
        for (size_t i = 0; i < parts.size(); ++i) {
          const auto best = std::max_element(parts[i].begin(), parts[i].end()), worst = std::min_element(parts[i].begin(), parts[i].end());
          CHECK(tops[i] == *best);
          CHECK(tops_at[i] == best - parts[i].begin());
          CHECK(lows[i] == *worst);
          CHECK(lows_at[i] == worst - parts[i].begin());
        }
      }
      const Values all = values(x);
      CHECK(x.argmax().item<int64_t>() == std::max_element(all.begin(), all.end()) - all.begin());
      CHECK(x.min().item() == *std::min_element(all.begin(), all.end()));
    }
  CHECK(gradus::tensor({true, false}).max().item<bool>());
  CHECK(gradus::zeros({2, 3}).argmax({}, true).shape() == Shape{1, 1});
  CHECK(gradus::tensor({-kInf, -kInf}).max().item() == -kInf);
  CHECK(error_of<gradus::DTypeError>([] { gradus::tensor({true}).argmax(); }).starts_with("argmax: not defined for bool"));
}

TEST_CASE("a NaN wins max and min, wherever it stands, and its first place is given") {
  for (int64_t n : {3, 40, 1500})
    for (int64_t at : {int64_t{0}, n / 2, n - 1}) {
      const Tensor row = gradus::arange(0.0, static_cast<double>(n));
      row.select(0, at).fill_(kNan);
      if (at + 1 < n) row.select(0, n - 1).fill_(kNan);
      for (const Tensor& x : {row.unsqueeze(0), row.unsqueeze(0).expand({2, n}), row.unsqueeze(1).expand({n, 2}).contiguous().t()}) {
        CHECK(std::isnan(gradus::max(x, 1).values.select(0, 0).item()));
        CHECK(gradus::max(x, 1).indices.select(0, 0).item<int64_t>() == at);
        CHECK(gradus::min(x.contiguous().t().contiguous(), 0).indices.select(0, 0).item<int64_t>() == at);
        CHECK(std::isnan(x.min().item()));
      }
    }
}

TEST_CASE("derivatives of the reductions") {
  gradus::manual_seed(5);
  const Tensor x = input({3, 4, 2});
  check_gradients([](const Tensors& in) { return in[0].sum(); }, {x});
  check_gradients([](const Tensors& in) { return in[0].sum({0, -1}, true) * in[0]; }, {x});
  check_gradients([](const Tensors& in) { return in[0].mean(1) * in[0].mean(); }, {x});
  check_gradients([](const Tensors& in) { return in[0].var({0, 2}); }, {x});
  check_gradients([](const Tensors& in) { return in[0].var({}, 0) * in[0].exp(); }, {x});
  check_gradients([](const Tensors& in) { return in[0].max() * in[0].min() * in[0]; }, {x});
  check_gradients([](const Tensors& in) { return gradus::max(in[0], 1).values.exp() * gradus::min(in[0], -2, true).values.select(1, 0); },
                  {x});
  check_gradients([](const Tensors& in) { return gradus::max(in[0].sum(), 0).values.exp(); }, {x});
}

TEST_CASE("the gradient of max is shared evenly among equals, along a dimension it goes to the first") {
  const Tensor x = gradus::tensor({{1.0, 3.0, 3.0}, {3.0, 0.0, 3.0}}, {.requires_grad = true});
  CHECK(values(gradient(x.max(), x, gradus::tensor(1.0))) == Values{0, 0.25, 0.25, 0.25, 0, 0.25});
  CHECK(values(gradient(gradus::max(x, 1).values, x, gradus::tensor({1.0, 2.0}))) == Values{0, 1, 0, 2, 0, 0});
  const Tensor y = gradus::tensor({1.0, kNan, kNan, 5.0}, {.requires_grad = true});
  CHECK(values(gradient(y.max(), y, gradus::tensor(1.0))) == Values{0, 0.5, 0.5, 0});
  const auto [top, at] = gradus::max(x, 0);
  CHECK(top.requires_grad());
  CHECK_FALSE(at.requires_grad());
}

TEST_CASE("recorded reductions carry PyTorch's names") {
  const Tensor x = gradus::randn({2, 3}, {.requires_grad = true});
  CHECK(x.sum().grad_fn() == "SumBackward0");
  CHECK(x.sum(0).grad_fn() == "SumBackward1");
  CHECK(x.mean().grad_fn() == "MeanBackward0");
  CHECK(x.mean(0).grad_fn() == "MeanBackward1");
  CHECK(x.var().grad_fn() == "VarBackward0");
  CHECK(x.max().grad_fn() == "MaxBackward1");
  CHECK(gradus::min(x, 1).values.grad_fn() == "MinBackward0");
}

TEST_CASE("sum_to adds up what broadcasting spread") {
  gradus::manual_seed(6);
  const Tensor x = gradus::randn({4, 2, 3}, {.dtype = gradus::float64});
  check_equal(gradus::sum_to(x, {2, 3}), x.sum(0));
  check_equal(gradus::sum_to(x, {4, 1, 3}), x.sum(1, true));
  check_equal(gradus::sum_to(x, {1, 1}), x.sum().reshape({1, 1}));
  check_equal(gradus::sum_to(x, {}), x.sum());
  CHECK(gradus::sum_to(x, x.shape()).is_same(x));
  check_equal(gradus::sum_to(gradus::zeros({0, 3}), {1, 3}), gradus::zeros({1, 3}));
  check_gradients([](const Tensors& in) { return gradus::sum_to(in[0], {2, 1}).exp(); }, {input({3, 2, 2})});
  CHECK(error_of<gradus::ShapeError>([&] { gradus::sum_to(x, {5, 3}); }) == "sum_to: shape [4, 2, 3] is no broadcast of [5, 3]");
  CHECK_THROWS_AS(gradus::sum_to(x, {1, 4, 2, 3}), gradus::ShapeError);
}

TEST_CASE("any, all, equal and allclose") {
  CHECK(gradus::tensor({0.0, kNan}).any().item<bool>());
  CHECK_FALSE(gradus::zeros({3}).any().item<bool>());
  CHECK_FALSE(gradus::tensor({1, 0, 2}).all().item<bool>());
  CHECK(gradus::zeros({0}).all().item<bool>());
  CHECK_FALSE(gradus::zeros({0}).any().item<bool>());
  CHECK(gradus::tensor({true}).any().dtype() == gradus::boolean);

  const Tensor x = gradus::tensor({{1.0, 2.0}, {3.0, 4.0}});
  CHECK(gradus::equal(x, x.clone()));
  CHECK(gradus::equal(x.t(), x.t().contiguous()));
  CHECK_FALSE(gradus::equal(x, x.t()));
  CHECK_FALSE(gradus::equal(x, x.reshape(-1)));
  CHECK_FALSE(gradus::equal(gradus::tensor({kNan}), gradus::tensor({kNan})));

  CHECK(gradus::allclose(x, x + 1e-9));
  CHECK_FALSE(gradus::allclose(x, x + 1e-3));
  CHECK(gradus::allclose(x, x + 1e-3, 0, 1e-2));
  CHECK_FALSE(gradus::allclose(gradus::tensor({1.0}), gradus::tensor({kInf})));
  CHECK(gradus::allclose(gradus::tensor({kInf}), gradus::tensor({kInf})));
  CHECK_FALSE(gradus::allclose(gradus::tensor({kNan}), gradus::tensor({kNan})));
  CHECK(gradus::allclose(gradus::tensor({kNan}), gradus::tensor({kNan}), 0, 0, true));
  CHECK_THROWS_AS(gradus::allclose(x, gradus::zeros({3})), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::allclose(gradus::ones(2), gradus::ones(2), -1), gradus::ValueError);
  CHECK_THROWS_AS(gradus::allclose(gradus::ones(2), gradus::ones(2), 0, kNan), gradus::ValueError);
}

TEST_CASE("mean, std and norm are within the range of their dtype where the numbers are") {
  for (gradus::DType dtype : {gradus::float32, gradus::float64}) {
    const double big = dtype == gradus::float32 ? 1e30 : 1e300, tiny = dtype == gradus::float32 ? 1e-30 : 1e-300;
    for (double size : {big, tiny}) {
      const Tensor x = gradus::tensor({size, -size}, {.dtype = dtype, .requires_grad = true});
      const Tensor y = gradus::std(x);
      CHECK(y.item() / size == doctest::Approx(std::sqrt(2.0)));
      y.backward();
      CHECK(x.grad()[0].item() == doctest::Approx(std::sqrt(0.5)));
      CHECK(x.grad()[1].item() == doctest::Approx(-std::sqrt(0.5)));
      CHECK(norm(x).item() / size == doctest::Approx(std::sqrt(2.0)));
    }
    const double largest = dtype == gradus::float32 ? 3e38 : 1.5e308;
    CHECK(gradus::full({3}, largest, {.dtype = dtype}).mean().item() == doctest::Approx(largest));
  }
}

TEST_CASE("a norm that is 0, also that of no elements, puts no NaN into what its gradient is multiplied with") {
  for (const double p : {1.0, 2.0, 2.5, 3.0})
    for (const Shape& shape : {Shape{2, 0, 3}, Shape{2, 2}}) {
      const Tensor x = gradus::zeros(shape, {.requires_grad = true}), w = gradus::ones({}, {.requires_grad = true});
      const Tensor dx = gradus::autograd::grad({norm(x, p) * w}, {x}, {}, {.create_graph = true})[0];
      CHECK(values(dx) == Values(static_cast<size_t>(x.numel()), 0));
      CHECK(gradus::autograd::grad({dx.sum()}, {w})[0].item() == 0);
    }
}

TEST_CASE("logsumexp and softmax of nothing but -infinity ask nothing of it where nothing is asked of them") {
  for (int64_t dim : {0, 1}) {
    const Tensor x = gradus::full({2, 2}, -kInf, {.dtype = gradus::float64, .requires_grad = true});
    const Tensor zero = gradus::zeros({2}, {.dtype = gradus::float64}), zeros = gradus::zeros({2, 2}, {.dtype = gradus::float64});
    for (bool create_graph : {false, true}) {
      CHECK(values(gradient(logsumexp(x, dim), x, zero, create_graph)) == Values{0, 0, 0, 0});
      CHECK(values(gradient(softmax(x, dim), x, zeros, create_graph)) == Values{0, 0, 0, 0});
      CHECK(values(gradient(log_softmax(x, dim), x, zeros, create_graph)) == Values{0, 0, 0, 0});
    }
  }
  const Tensor none = gradus::full({3}, -kInf, {.dtype = gradus::float64, .requires_grad = true});
  const Tensor slope = gradient(logsumexp(none, 0), none, gradus::ones({}, {.dtype = gradus::float64}), true);
  CHECK(values(gradient(slope, none, gradus::ones({3}, {.dtype = gradus::float64}))) == Values{0, 0, 0});
  const Tensor part = gradus::tensor({-kInf, 0.0}, {.dtype = gradus::float64, .requires_grad = true});
  CHECK(values(gradient(logsumexp(part, 0), part, gradus::ones({}, {.dtype = gradus::float64}))) == Values{0, 1});
}

TEST_CASE("running sums of float32 are those of double, from either end and for every length") {
  for (const int64_t n : {1, 7, 8, 9, 16, 23, 1000}) {
    CAPTURE(n);
    const Tensor x = gradus::randn({3, n}, {.requires_grad = true}), w = gradus::randn({3, n});
    const Values y = values(gradus::cumsum(x, 1)), dx = values(gradient(gradus::cumsum(x, 1), x, w)), from = values(x), weights = values(w);
    for (int64_t row = 0; row < 3; ++row) {
      double sum = 0, adjoint = 0;
      for (int64_t k = 0; k < n; ++k) {
        const auto at = static_cast<size_t>(row * n + k), back = static_cast<size_t>(row * n + n - 1 - k);
        CHECK(y[at] == doctest::Approx(sum += from[at]).epsilon(1e-6));
        CHECK(dx[back] == doctest::Approx(adjoint += weights[back]).epsilon(1e-6));
      }
    }
  }
}

TEST_CASE("a running sum is infinite, or NaN, from where it becomes so") {
  Values numbers(20, 1);
  numbers[5] = kInf, numbers[11] = -kInf;
  const Values y = values(gradus::cumsum(gradus::from_vector(numbers, {20}).to(gradus::float32), 0));
  for (size_t k = 0; k < 20; ++k) {
    CAPTURE(k);
    if (k < 5) CHECK(y[k] == static_cast<double>(k + 1));
    else if (k < 11) CHECK(y[k] == kInf);
    else CHECK(std::isnan(y[k]));
  }
}

namespace {

Tensor leaf(const Values& v, gradus::DType dtype = gradus::float64) {
  return gradus::from_vector(v, {static_cast<int64_t>(v.size())}).to(dtype).detach().requires_grad_();
}
Tensor weights(const Values& v, gradus::DType dtype = gradus::float64) { return leaf(v, dtype).detach(); }

void check_near(const Values& got, const Values& want) {
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i < got.size(); ++i) CHECK(std::fabs(got[i] - want[i]) <= 1e-14);
}

/// The gradient of sum(w * logcumsumexp(x)), plain and recorded, which must agree.
Values slope(const Tensor& x, const Tensor& w) {
  const Values plain = values(gradient(gradus::logcumsumexp(x, 0), x, w)),
               recorded = values(gradient(gradus::logcumsumexp(x, 0), x, w, true));
  for (size_t i = 0; i < plain.size(); ++i) CHECK((plain[i] == recorded[i] || (std::isnan(plain[i]) && std::isnan(recorded[i]))));
  return plain;
}

}  // namespace

TEST_CASE("logcumsumexp is logsumexp of all that is so far, along every dimension and whatever the strides") {
  gradus::manual_seed(1);
  const Tensor dense = gradus::randn({3, 4, 2}, {.dtype = gradus::float64});
  for (const Tensor& x : {dense, dense.permute({2, 0, 1}), dense.slice(1, 1, 4, 2)})
    for (int64_t dim : {0, 1, -1}) {
      const Tensor y = gradus::logcumsumexp(x, dim);
      for (int64_t k = 0; k < x.size(dim); ++k)
        CHECK(gradus::allclose(y.select(dim, k), gradus::logsumexp(x.narrow(dim, 0, k + 1), dim), 1e-14, 1e-14));
    }
}

TEST_CASE("the gradient of logcumsumexp has both signs, keeps 0, and holds for numbers far apart") {
  for (gradus::DType dtype : {gradus::float32, gradus::float64}) {
    check_near(slope(leaf({0, 1000, -1000, 1000}, dtype), weights({1, -2, 0, 4}, dtype)), {1, 0, 0, 2});
    CHECK(slope(leaf({1e30, 0, -1e30}, dtype), weights({-1, 2, -3}, dtype)) == Values{-2, 0, 0});
    CHECK(slope(leaf({3, 1, 2}, dtype), weights({0, 0, 0}, dtype)) == Values{0, 0, 0});
    // x - max is small, x itself is not: what float32 rounds off 10000 + ln 2 is not in the gradient.
    const Values even = slope(leaf({10000, 10000, 10000}, dtype), weights({0, 0, -3}, dtype));
    for (double v : even) CHECK(v == doctest::Approx(-1).epsilon(1e-6));
  }
}

TEST_CASE("an element of -infinity has no share in logcumsumexp, first or second derivative, also where there is nothing else") {
  const Tensor x = leaf({-kInf, -kInf, 1, -kInf, 1});
  const Values y = values(gradus::logcumsumexp(x, 0));
  CHECK(y[1] == -kInf);
  CHECK(y[3] == 1);
  CHECK(y[4] == doctest::Approx(1 + std::log(2.0)));
  const Tensor w = leaf({1, -2, 3, 0, 5});
  check_near(slope(x, w.detach()), {0, 0, 5.5, 0, 2.5});
  const auto second = gradus::autograd::grad({gradient(gradus::logcumsumexp(x, 0), x, w, true)}, {x, w}, {weights({1, 1, 1, 1, 3})});
  check_near(values(second[0]), {0, 0, -2.5, 0, 2.5});
  check_near(values(second[1]), {0, 0, 1, 1, 2});
}

TEST_CASE("where nothing is asked of NaN or of infinity logcumsumexp passes nothing back from it") {
  for (double end : {kNan, kInf}) {
    const Tensor x = leaf({1, 1, end, 0}), w = leaf({1, 2, 0, 0});
    check_near(slope(x, w.detach()), {2, 1, 0, 0});
    const Values second =
        values(gradus::autograd::grad({gradient(gradus::logcumsumexp(x, 0), x, w, true)}, {x}, {weights({1, 0, 0, 0})})[0]);
    check_near(second, {0.5, -0.5, 0, 0});
  }
  CHECK(std::isnan(slope(leaf({1, kNan}), weights({0, 1}))[0]));
  const Values beyond = slope(leaf({1, kInf, 2}), weights({1, 1, 1}));
  CHECK(beyond[0] == 1);
  CHECK(beyond[2] == 0);
}

TEST_CASE("logcumsumexp can be differentiated three times") {
  gradus::manual_seed(2);
  check_gradients([](const Tensors& in) { return gradus::logcumsumexp(in[0], 1); }, {input({2, 4, 2})});
  check_gradients([](const Tensors& in) { return gradient(gradus::logcumsumexp(in[0].exp(), 0), in[0], in[1], true); },
                  {input({4}), input({4})});
}

TEST_CASE("a long logcumsumexp of float32 keeps its digits") {
  gradus::manual_seed(3);
  const Tensor x = gradus::randn({100000}), far = x.to(gradus::float64);
  CHECK(gradus::allclose(gradus::logcumsumexp(x, 0).to(gradus::float64), gradus::logcumsumexp(far, 0), 1e-7, 0));
  const Tensor ones = gradus::full({100000}, 0.0);
  CHECK(gradus::logcumsumexp(ones, 0)[-1].item() == doctest::Approx(std::log(100000.0)).epsilon(1e-7));
}

TEST_CASE("logcumsumexp refuses integers and dimensions that are not there, and has PyTorch's name in the graph") {
  CHECK(error_of<gradus::DTypeError>([] {
          gradus::logcumsumexp(gradus::tensor({1, 2}), 0);
        }) == "logcumsumexp: takes float32 or float64, got int64; convert with .to(gradus::float32)");
  CHECK(error_of<gradus::IndexError>([] {
          gradus::logcumsumexp(gradus::zeros({2, 3}), 2);
        }).starts_with("logcumsumexp: dimension 2 is out of range"));
  CHECK(gradus::logcumsumexp(leaf({1, 2}), 0).grad_fn() == "LogcumsumexpBackward0");
}
