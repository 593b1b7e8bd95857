#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "ops/op_test.h"

/// Elementwise functions and activations over the whole range of their dtype, against the C library's long double.
using namespace gradus;
using op_test::kInf;

namespace {

using Real = long double;
using Function = std::function<Real(Real)>;

struct Case {
  std::string name;
  std::function<Tensor(const Tensor&)> f;
  Function value, slope;
  double from = -kInf;    // where the function is defined
  bool absolute = false;  // made from terms of size 1 that cancel, as PyTorch's is
};

Real sigmoid_l(Real x) { return 1 / (1 + std::exp(-x)); }
Real bell_l(Real x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0L)); }
Real normal_l(Real x) { return std::erfc(-x / std::sqrt(2.0L)) / 2; }
Real softplus_l(Real x) { return x > 50 ? x : std::log1p(std::exp(x)); }
Real tanh_arg_l(Real x) { return std::sqrt(2 / std::acos(-1.0L)) * (x + 0.044715L * x * x * x); }
Real unit_l(Real x, Real negative, Real positive, Real rate) { return x > 0 ? positive * x : negative * std::expm1(rate * x); }
Real unit_slope_l(Real x, Real negative, Real positive, Real rate) { return x > 0 ? positive : negative * rate * std::exp(rate * x); }
const Real kPi = std::acos(-1.0L);
Real sinc_l(Real x) { return x == 0 ? 1 : std::sin(kPi * x) / (kPi * x); }
Real sinc_slope_l(Real x) {
  const Real u = kPi * x;
  return std::fabs(x) < 1e-3L ? kPi * u * (-1 / 3.0L + u * u * (1 / 30.0L - u * u / 840)) : (std::cos(u) - sinc_l(x)) / x;
}
constexpr Real kSelu = 1.0507009873554804934193349852946L, kSeluAlpha = 1.6732632423543772848170429916717L * kSelu;

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"exp", [](const Tensor& x) { return exp(x); }, [](Real x) { return std::exp(x); }, [](Real x) { return std::exp(x); }},
      {"log", [](const Tensor& x) { return log(x); }, [](Real x) { return std::log(x); }, [](Real x) { return 1 / x; }, 0},
      {"sqrt", [](const Tensor& x) { return sqrt(x); }, [](Real x) { return std::sqrt(x); }, [](Real x) { return 1 / (2 * std::sqrt(x)); },
       0},
      {"rsqrt", [](const Tensor& x) { return rsqrt(x); }, [](Real x) { return 1 / std::sqrt(x); },
       [](Real x) { return -1 / (2 * x * std::sqrt(x)); }, 0},
      {"reciprocal", [](const Tensor& x) { return reciprocal(x); }, [](Real x) { return 1 / x; }, [](Real x) { return -1 / (x * x); }},
      {"log1p", [](const Tensor& x) { return log1p(x); }, [](Real x) { return std::log1p(x); }, [](Real x) { return 1 / (1 + x); }, -1},
      {"expm1", [](const Tensor& x) { return expm1(x); }, [](Real x) { return std::expm1(x); }, [](Real x) { return std::exp(x); }, -kInf,
       true},
      {"sin", [](const Tensor& x) { return sin(x); }, [](Real x) { return std::sin(x); }, [](Real x) { return std::cos(x); }},
      {"cos", [](const Tensor& x) { return cos(x); }, [](Real x) { return std::cos(x); }, [](Real x) { return -std::sin(x); }},
      {"tanh", [](const Tensor& x) { return tanh(x); }, [](Real x) { return std::tanh(x); },
       [](Real x) { return 1 / (std::cosh(x) * std::cosh(x)); }, -kInf, true},
      {"sigmoid", [](const Tensor& x) { return sigmoid(x); }, sigmoid_l, [](Real x) { return sigmoid_l(x) * sigmoid_l(-x); }, -kInf, true},
      {"erf", [](const Tensor& x) { return erf(x); }, [](Real x) { return std::erf(x); },
       [](Real x) { return 2 / std::sqrt(std::acos(-1.0L)) * std::exp(-x * x); }, -kInf, true},
      {"sinc", [](const Tensor& x) { return sinc(x); }, sinc_l, sinc_slope_l, -kInf, true},
      {"square", [](const Tensor& x) { return square(x); }, [](Real x) { return x * x; }, [](Real x) { return 2 * x; }},
      {"abs", [](const Tensor& x) { return abs(x); }, [](Real x) { return std::fabs(x); },
       [](Real x) { return x > 0   ? 1.0L
                           : x < 0 ? -1.0L
                                   : 0.0L; }},
      {"neg", [](const Tensor& x) { return neg(x); }, [](Real x) { return -x; }, [](Real) { return -1.0L; }},
      {"x^3", [](const Tensor& x) { return pow(x, 3); }, [](Real x) { return x * x * x; }, [](Real x) { return 3 * x * x; }},
      {"x^-1", [](const Tensor& x) { return pow(x, -1); }, [](Real x) { return 1 / x; }, [](Real x) { return -1 / (x * x); }},
      {"x^0.5", [](const Tensor& x) { return pow(x, 0.5); }, [](Real x) { return std::sqrt(x); },
       [](Real x) { return 1 / (2 * std::sqrt(x)); }, 0},
      {"relu", [](const Tensor& x) { return relu(x); }, [](Real x) { return x > 0 ? x : 0; }, [](Real x) { return x > 0 ? 1.0L : 0.0L; }},
      {"leaky_relu", [](const Tensor& x) { return leaky_relu(x); }, [](Real x) { return x > 0 ? x : x * 0.01L; },
       [](Real x) { return x > 0 ? 1.0L : 0.01L; }},
      {"gelu", [](const Tensor& x) { return gelu(x); }, [](Real x) { return x * normal_l(x); },
       [](Real x) { return normal_l(x) + x * bell_l(x); }, -kInf, true},
      {"gelu tanh", [](const Tensor& x) { return gelu(x, "tanh"); }, [](Real x) { return x * (1 + std::tanh(tanh_arg_l(x))) / 2; },
       [](Real x) {
         const Real t = std::tanh(tanh_arg_l(x));
         return (1 + t) / 2 + x / 2 * (1 - t * t) * std::sqrt(2 / std::acos(-1.0L)) * (1 + 3 * 0.044715L * x * x);
       },
       -kInf, true},
      {"silu", [](const Tensor& x) { return silu(x); }, [](Real x) { return x * sigmoid_l(x); },
       [](Real x) { return sigmoid_l(x) * (1 + x * sigmoid_l(-x)); }, -kInf, true},
      {"mish", [](const Tensor& x) { return mish(x); }, [](Real x) { return x * std::tanh(softplus_l(x)); },
       [](Real x) {
         const Real t = std::tanh(softplus_l(x));
         return t + x * sigmoid_l(x) * (1 - t * t);
       },
       -kInf, true},
      {"elu", [](const Tensor& x) { return elu(x, 2); }, [](Real x) { return unit_l(x, 2, 1, 1); },
       [](Real x) { return unit_slope_l(x, 2, 1, 1); }},
      {"celu", [](const Tensor& x) { return celu(x, 0.5); }, [](Real x) { return unit_l(x, 0.5L, 1, 2); },
       [](Real x) { return unit_slope_l(x, 0.5L, 1, 2); }},
      {"selu", [](const Tensor& x) { return selu(x); }, [](Real x) { return unit_l(x, kSeluAlpha, kSelu, 1); },
       [](Real x) { return unit_slope_l(x, kSeluAlpha, kSelu, 1); }},
      {"softsign", [](const Tensor& x) { return softsign(x); }, [](Real x) { return x / (1 + std::fabs(x)); },
       [](Real x) { return 1 / ((1 + std::fabs(x)) * (1 + std::fabs(x))); }},
      {"softplus", [](const Tensor& x) { return softplus(x); }, [](Real x) { return x > 20 ? x : softplus_l(x); },
       [](Real x) { return x > 20 ? 1 : sigmoid_l(x); }, -kInf, true},
      {"softplus without a threshold", [](const Tensor& x) { return softplus(x, 1, kInf); }, softplus_l, sigmoid_l, -kInf, true},
      {"softplus of 2x", [](const Tensor& x) { return softplus(x, 2, 60); }, [](Real x) { return softplus_l(2 * x) / 2; },
       [](Real x) { return sigmoid_l(2 * x); }, -kInf, true},
      {"logsigmoid", [](const Tensor& x) { return logsigmoid(x); }, [](Real x) { return -softplus_l(-x); },
       [](Real x) { return sigmoid_l(-x); }},
      {"tanhshrink", [](const Tensor& x) { return tanhshrink(x); }, [](Real x) { return x - std::tanh(x); },
       [](Real x) { return std::tanh(x) * std::tanh(x); }, -kInf, true},
      {"hardtanh", [](const Tensor& x) { return hardtanh(x); }, [](Real x) { return std::fmax(-1, std::fmin(1, x)); },
       [](Real x) { return std::fabs(x) < 1 ? 1.0L : 0.0L; }},
      {"relu6", [](const Tensor& x) { return relu6(x); }, [](Real x) { return std::fmax(0, std::fmin(6, x)); },
       [](Real x) { return x > 0 && x < 6 ? 1.0L : 0.0L; }},
      {"hardsigmoid", [](const Tensor& x) { return hardsigmoid(x); }, [](Real x) { return std::fmax(0, std::fmin(6, x + 3)) / 6; },
       [](Real x) { return x > -3 && x < 3 ? 1 / 6.0L : 0.0L; }},
      {"hardswish", [](const Tensor& x) { return hardswish(x); }, [](Real x) { return x * std::fmax(0, std::fmin(6, x + 3)) / 6; },
       [](Real x) { return x < -3   ? 0
                           : x >= 3 ? 1
                                    : x / 3 + 0.5L; }},
      {"hardshrink", [](const Tensor& x) { return hardshrink(x); }, [](Real x) { return std::fabs(x) <= 0.5L ? 0 : x; },
       [](Real x) { return std::fabs(x) <= 0.5L ? 0.0L : 1.0L; }},
      {"softshrink", [](const Tensor& x) { return softshrink(x); }, [](Real x) { return x > 0.5L    ? x - 0.5L
                                                                                        : x < -0.5L ? x + 0.5L
                                                                                                    : 0; },
       [](Real x) { return std::fabs(x) <= 0.5L ? 0.0L : 1.0L; }},
  };
  return all;
}

template <class T>
std::vector<double> points() {
  using Limits = std::numeric_limits<T>;
  std::vector<double> all = {0.0, -0.0};
  std::vector<double> sizes = {Limits::denorm_min(), Limits::min() / 8, Limits::min(),
                               Limits::max() / 2,    Limits::max(),     Limits::infinity()};
  for (double x : {1e-37, 1e-30, 1e-20, 1e-10, 1e-5, 1e-3,  0.1,   0.5,   0.7,   1.0, 1.5, 2.0, 2.9,  3.0,  4.0,  6.0,  8.0,  9.5, 10.5,
                   15.0,  21.0,  40.0,  87.0,  88.5, 100.0, 150.0, 700.0, 800.0, 1e4, 1e5, 1e9, 1e15, 1e19, 1e22, 1e25, 1e30, 1e37})
    sizes.push_back(x);
  if (sizeof(T) == 8)
    for (double x : {1e-300, 1e-160, 1e-100, 1e60, 1e100, 1e155, 1e200, 1e300}) sizes.push_back(x);
  for (double x : sizes) all.push_back(static_cast<T>(x)), all.push_back(-static_cast<T>(x));
  return all;
}

/// f(x). Where the formula has no value at infinity, its limit, if double holds one: what it is at two numbers far beyond double.
Real value_at(const Function& f, Real x) {
  const Real value = f(x);
  if (!std::isnan(value) || !std::isinf(x)) return value;
  const Real far = f(std::copysign(1e1000L, x)), farther = f(std::copysign(1e1001L, x));
  return static_cast<double>(far) == static_cast<double>(farther) ? far : value;
}

/// got is `want` as T holds it, up to a few roundings, in terms of size 1 if `absolute`. What no normal number holds may be 0, and where
/// the mathematics has no value, anything will do.
template <class T>
bool is_near(double got, Real want, bool absolute) {
  if (std::isnan(want) || (got == 0 && std::fabs(want) < std::numeric_limits<T>::min())) return true;
  const Real rounding = 16 * static_cast<Real>(std::numeric_limits<T>::epsilon()),
             least = 64 * static_cast<Real>(std::numeric_limits<T>::min());
  const bool beyond = std::fabs(want) > std::numeric_limits<T>::max() * (1 - rounding);
  if (beyond && std::isinf(got)) return (got > 0) == (want > 0);
  return got == want || std::fabs(got - want) <= rounding * std::fmax(std::fabs(want), absolute ? 1 : least);
}

template <class T>
void check_case(const Case& c) {
  std::vector<double> at;
  for (double x : points<T>())
    if (x > c.from || (x == c.from && (std::isinf(x) || !std::signbit(x)))) at.push_back(x);
  const Tensor x = from_vector(at, {static_cast<int64_t>(at.size())}).to(dtype_of<T>).requires_grad_();
  const Tensor y = c.f(x);
  const auto value = y.to_vector<double>();
  for (bool create_graph : {false, true}) {
    const auto slope =
        autograd::grad({y}, {x}, {ones_like(y)}, {.retain_graph = true, .create_graph = create_graph})[0].to_vector<double>();
    if (!create_graph) CHECK(y.dtype() == dtype_of<T>);
    for (size_t i = 0; i < at.size(); ++i) {
      CAPTURE(c.name);
      CAPTURE(std::string(name(dtype_of<T>)));
      CAPTURE(at[i]);
      CAPTURE(create_graph);
      const Real y_at = value_at(c.value, at[i]), slope_at = value_at(c.slope, at[i]);
      CAPTURE(static_cast<double>(y_at));
      CAPTURE(static_cast<double>(slope_at));
      CHECK_MESSAGE(is_near<T>(value[i], y_at, c.absolute), "value " << value[i]);
      CHECK_MESSAGE(is_near<T>(slope[i], slope_at, c.absolute), "slope " << slope[i]);
    }
  }
}

struct PairCase {
  std::string name;
  std::function<Tensor(const Tensor&, const Tensor&)> f;
  std::function<Real(Real, Real)> value, by_x, by_y;
  double from = -kInf;    // where x starts
  bool absolute = false;  // made from terms of size 1 that cancel
};

template <class T>
void check_pairs(const PairCase& c) {
  std::vector<double> xs, ys;
  for (double x : {-1e30, -1e20, -1e3, -2.0, -0.5, -1e-20, -1e-30, 1e-30, 1e-20, 0.5, 1.0, 3.0, 1e3, 1e20, 1e25, 1e30})
    for (double y : {-1e30, -1e25, -3.0, -1.0, -0.5, -1e-20, -1e-30, 1e-30, 1e-20, 0.25, 1.0, 2.0, 1e3, 1e20, 1e30})
      if (x >= c.from) xs.push_back(static_cast<T>(x)), ys.push_back(static_cast<T>(y));
  const auto leaf = [](const std::vector<double>& v) {
    return from_vector(v, {static_cast<int64_t>(v.size())}).to(dtype_of<T>).requires_grad_();
  };
  const Tensor x = leaf(xs), y = leaf(ys), z = c.f(x, y);
  const auto value = z.to_vector<double>();
  for (bool create_graph : {false, true}) {
    const auto slopes = autograd::grad({z}, {x, y}, {ones_like(z)}, {.retain_graph = true, .create_graph = create_graph});
    const auto dx = slopes[0].to_vector<double>(), dy = slopes[1].to_vector<double>();
    for (size_t i = 0; i < xs.size(); ++i) {
      CAPTURE(c.name);
      CAPTURE(std::string(name(dtype_of<T>)));
      CAPTURE(xs[i]);
      CAPTURE(ys[i]);
      CAPTURE(create_graph);
      CHECK_MESSAGE(is_near<T>(value[i], c.value(xs[i], ys[i]), c.absolute), "value " << value[i]);
      CHECK_MESSAGE(is_near<T>(dx[i], c.by_x(xs[i], ys[i]), c.absolute), "by x " << dx[i]);
      CHECK_MESSAGE(is_near<T>(dy[i], c.by_y(xs[i], ys[i]), c.absolute), "by y " << dy[i]);
    }
  }
}

}  // namespace

TEST_CASE(
    "functions of one number and activations are right over the whole range of float32 and float64, infinity included, and so are "
    "their gradients") {
  for (const Case& c : cases()) {
    check_case<float>(c);
    check_case<double>(c);
  }
}

TEST_CASE("functions of one number and activations keep NaN") {
  for (DType dtype : {float32, float64})
    for (const Case& c : cases()) {
      CAPTURE(c.name);
      // PyTorch 1.13's softshrink makes 0 of it, and so does ours.
      CHECK(isnan(c.f(full({3}, op_test::kNan, {.dtype = dtype}))).all().item<bool>() == (c.name != "softshrink"));
    }
}

TEST_CASE("sinc keeps the digits of its slope near 0, where cosine and sine cancel, and of its curvature") {
  for (const double at : {1e-300, 1e-20, 1e-9, 1e-6, 1e-4, 1e-3, 0.01, 0.1, 0.2, 0.25, 0.26, 0.3}) {
    CAPTURE(at);
    const Tensor x = from_vector(std::vector<double>{at, -at}, {2}).requires_grad_();
    const Real u = kPi * at, slope = sinc_slope_l(at);
    const Real curve = at < 1e-3 ? kPi * kPi * (-1 / 3.0L + u * u / 10) : -kPi * kPi * sinc_l(at) - 2 * slope / at;
    const Tensor y = sinc(x), plain = autograd::grad({y}, {x}, {ones_like(y)}, {.retain_graph = true})[0];
    const Tensor recorded = autograd::grad({y}, {x}, {ones_like(y)}, {.create_graph = true})[0];
    const Tensor second = autograd::grad({recorded}, {x}, {ones_like(y)})[0];
    for (const Tensor& dx : {plain, recorded})
      for (int64_t i : {0, 1}) CHECK(dx[i].item() == doctest::Approx(static_cast<double>(i == 0 ? slope : -slope)).epsilon(1e-14));
    for (int64_t i : {0, 1}) CHECK(second[i].item() == doctest::Approx(static_cast<double>(curve)).epsilon(1e-13));
  }
}

TEST_CASE("functions of two numbers are right over the whole range of float32 and float64, and so are their gradients") {
  const auto square_sum = [](Real x, Real y) { return x * x + y * y; };
  const std::vector<PairCase> all = {
      {"mul", [](const Tensor& x, const Tensor& y) { return x * y; }, [](Real x, Real y) { return x * y; }, [](Real, Real y) { return y; },
       [](Real x, Real) { return x; }},
      {"div", [](const Tensor& x, const Tensor& y) { return x / y; }, [](Real x, Real y) { return x / y; },
       [](Real, Real y) { return 1 / y; }, [](Real x, Real y) { return -x / y / y; }},
      {"atan2", [](const Tensor& x, const Tensor& y) { return atan2(x, y); }, [](Real x, Real y) { return std::atan2(x, y); },
       [=](Real x, Real y) { return y / square_sum(x, y); }, [=](Real x, Real y) { return -x / square_sum(x, y); }},
      {"pow", [](const Tensor& x, const Tensor& y) { return pow(x, y); }, [](Real x, Real y) { return std::pow(x, y); },
       [](Real x, Real y) { return y * std::pow(x, y - 1); }, [](Real x, Real y) { return std::pow(x, y) * std::log(x); }, 0},
      {"maximum", [](const Tensor& x, const Tensor& y) { return maximum(x, y); }, [](Real x, Real y) { return std::fmax(x, y); },
       [](Real x, Real y) { return x > y   ? 1
                                   : x < y ? 0
                                           : 0.5L; }, [](Real x, Real y) { return x < y   ? 1
                                                                                                : x > y ? 0
                                                                                                        : 0.5L; }},
      {"prelu", [](const Tensor& x, const Tensor& y) { return where(x > 0, x, x * y); }, [](Real x, Real y) { return x > 0 ? x : x * y; },
       [](Real x, Real y) { return x > 0 ? 1 : y; }, [](Real x, Real) { return x > 0 ? 0 : x; }},
  };
  for (const PairCase& c : all) {
    check_pairs<float>(c);
    check_pairs<double>(c);
  }
}

TEST_CASE("lerp of numbers far apart meets both ends") {
  for (double weight : {0.0, 0.25, 0.5, 0.875, 1.0}) {
    const PairCase number{"lerp",
                          [=](const Tensor& x, const Tensor& y) { return lerp(x, y, weight); },
                          [=](Real x, Real y) { return x * (1 - weight) + y * weight; },
                          [=](Real, Real) { return 1 - weight; },
                          [=](Real, Real) { return weight; },
                          -kInf,
                          true};
    check_pairs<float>(number);
    check_pairs<double>(number);
    PairCase tensors = number;
    tensors.f = [=](const Tensor& x, const Tensor& y) { return lerp(x, y, full({}, weight, {.dtype = x.dtype()})); };
    check_pairs<float>(tensors);
    check_pairs<double>(tensors);
  }
  CHECK(lerp(tensor(1e30), tensor(1.0), 1).item() == 1);
}

TEST_CASE("lerp has the gradient of its weight too, and refuses integers") {
  const Tensor start = op_test::input({3, 1}), end = op_test::input({4}), weight = op_test::input({3, 4});
  op_test::check_gradients([](const op_test::Tensors& x) { return lerp(x[0], x[1], x[2]); }, {start, end, weight});
  op_test::check_gradients([](const op_test::Tensors& x) { return lerp(x[0], x[1], 0.75); }, {start, end});
  CHECK_THROWS_AS(lerp(tensor({1}), tensor({2}), 0.5), DTypeError);
}
