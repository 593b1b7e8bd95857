#include <cmath>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/nn/init.h"
#include "gradus/ops/product.h"
#include "gradus/random.h"
#include "nn/nn_test.h"

using namespace nn_test;
namespace init = gradus::nn::init;

namespace {

using Fill = std::function<Tensor(const Tensor&)>;

/// What `fill` makes after seeding is PyTorch's, to `tolerance`.
void check_drawn(const std::string& name, const Shape& shape, double tolerance, const Fill& fill) {
  for (uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{42}, (uint64_t{1} << 40) + 7}) {
    CAPTURE(name);
    CAPTURE(seed);
    gradus::manual_seed(seed);
    const Tensor x = gradus::empty(shape, {.requires_grad = true});
    CHECK(fill(x).is_same(x));
    CHECK(x.is_leaf());
    check_close(x, golden("random").at("seed" + std::to_string(seed) + ".init." + name), tolerance);
  }
}

}  // namespace

TEST_CASE("initialisers give PyTorch's numbers for the same seed") {
  const Shape six{6, 5}, three{4, 3, 2};
  constexpr double rounding = 2e-6;
  check_drawn("uniform_", six, 0, [](const Tensor& x) { return init::uniform_(x); });
  check_drawn("uniform__-2_3", six, 0, [](const Tensor& x) { return init::uniform_(x, -2, 3); });
  check_drawn("normal_", six, rounding, [](const Tensor& x) { return init::normal_(x); });
  check_drawn("normal__1_0.5", six, rounding, [](const Tensor& x) { return init::normal_(x, 1, 0.5); });
  check_drawn("constant__0.3", six, 0, [](const Tensor& x) { return init::constant_(x, 0.3); });
  check_drawn("ones_", six, 0, init::ones_);
  check_drawn("zeros_", six, 0, init::zeros_);
  check_drawn("eye_", six, 0, init::eye_);
  check_drawn("trunc_normal_", six, rounding, [](const Tensor& x) { return init::trunc_normal_(x); });
  check_drawn("trunc_normal__0.5_2_-1_3", six, rounding, [](const Tensor& x) { return init::trunc_normal_(x, 0.5, 2, -1, 3); });
  check_drawn("orthogonal_", six, rounding, [](const Tensor& x) { return init::orthogonal_(x); });
  check_drawn("orthogonal__wide", {5, 6}, rounding, [](const Tensor& x) { return init::orthogonal_(x); });
  check_drawn("orthogonal__gain_2", six, rounding, [](const Tensor& x) { return init::orthogonal_(x, 2); });
  check_drawn("orthogonal__3d", three, rounding, [](const Tensor& x) { return init::orthogonal_(x); });
  check_drawn("xavier_uniform_", six, 0, [](const Tensor& x) { return init::xavier_uniform_(x); });
  check_drawn("xavier_uniform__gain_2", six, 0, [](const Tensor& x) { return init::xavier_uniform_(x, 2); });
  check_drawn("xavier_uniform__3d", three, 0, [](const Tensor& x) { return init::xavier_uniform_(x); });
  check_drawn("xavier_normal_", six, rounding, [](const Tensor& x) { return init::xavier_normal_(x); });
  check_drawn("xavier_normal__gain_2", six, rounding, [](const Tensor& x) { return init::xavier_normal_(x, 2); });
  check_drawn("xavier_normal__3d", three, rounding, [](const Tensor& x) { return init::xavier_normal_(x); });
  using init::Fan, init::Nonlinearity;
  check_drawn("kaiming_uniform_", six, 0, [](const Tensor& x) { return init::kaiming_uniform_(x); });
  check_drawn("kaiming_uniform__a_sqrt5", six, 0, [](const Tensor& x) { return init::kaiming_uniform_(x, std::sqrt(5.0)); });
  check_drawn("kaiming_uniform__fan_out_relu", six, 0,
              [](const Tensor& x) { return init::kaiming_uniform_(x, 0, Fan::Out, Nonlinearity::Relu); });
  check_drawn("kaiming_uniform__fan_in_tanh", six, 0,
              [](const Tensor& x) { return init::kaiming_uniform_(x, 0, Fan::In, Nonlinearity::Tanh); });
  check_drawn("kaiming_uniform__3d", three, 0, [](const Tensor& x) { return init::kaiming_uniform_(x); });
  check_drawn("kaiming_normal_", six, rounding, [](const Tensor& x) { return init::kaiming_normal_(x); });
  check_drawn("kaiming_normal__a_sqrt5", six, rounding, [](const Tensor& x) { return init::kaiming_normal_(x, std::sqrt(5.0)); });
  check_drawn("kaiming_normal__fan_out_relu", six, rounding,
              [](const Tensor& x) { return init::kaiming_normal_(x, 0, Fan::Out, Nonlinearity::Relu); });
  check_drawn("kaiming_normal__fan_in_tanh", six, rounding,
              [](const Tensor& x) { return init::kaiming_normal_(x, 0, Fan::In, Nonlinearity::Tanh); });
  check_drawn("kaiming_normal__3d", three, rounding, [](const Tensor& x) { return init::kaiming_normal_(x); });
}

TEST_CASE("calculate_gain gives PyTorch's gains") {
  using init::Nonlinearity;
  CHECK(init::calculate_gain(Nonlinearity::Linear) == 1);
  CHECK(init::calculate_gain(Nonlinearity::Sigmoid) == 1);
  CHECK(init::calculate_gain(Nonlinearity::Tanh) == doctest::Approx(5.0 / 3));
  CHECK(init::calculate_gain(Nonlinearity::Relu) == doctest::Approx(std::sqrt(2.0)));
  CHECK(init::calculate_gain(Nonlinearity::LeakyRelu) == doctest::Approx(1.4141428569));
  CHECK(init::calculate_gain(Nonlinearity::LeakyRelu, 1) == doctest::Approx(1));
  CHECK(init::calculate_gain(Nonlinearity::Selu) == 0.75);
}

TEST_CASE("orthogonal_ makes orthonormal rows or columns, in float64 to its precision") {
  gradus::manual_seed(0);
  const Tensor tall = init::orthogonal_(gradus::empty({40, 7}, {.dtype = gradus::float64}));
  check_close(gradus::matmul(tall.t(), tall), gradus::eye(7, {}, {.dtype = gradus::float64}), 1e-12);
  const Tensor wide = init::orthogonal_(gradus::empty({3, 4, 2}, {.dtype = gradus::float64}), 2).flatten(1);
  check_close(gradus::matmul(wide, wide.t()), gradus::eye(3, {}, {.dtype = gradus::float64}) * 4, 1e-12);
}

TEST_CASE("sparse_ draws a normal matrix and then one order of the rows per column") {
  gradus::manual_seed(5);
  const Tensor x = init::sparse_(gradus::empty({7, 3}, {.requires_grad = true}), 0.3, 2);
  gradus::manual_seed(5);
  const Tensor expected = gradus::randn({7, 3}) * 2;
  for (int64_t column = 0; column < 3; ++column) {
    const Tensor order = gradus::randperm(7);
    for (int64_t k = 0; k < 3; ++k) expected[order[k].item<int64_t>()][column].fill_(0);  // ceil(0.3 * 7)
  }
  check_close(x, expected, 1e-6);
  CHECK(values(init::sparse_(gradus::empty({4, 2}), 1)) == Values(8, 0));
}

TEST_CASE("trunc_normal_ stays within its bounds") {
  gradus::manual_seed(0);
  for (double v : values(init::trunc_normal_(gradus::empty(1000), 0, 1, -0.5, 0.25))) CHECK((v >= -0.5 && v <= 0.25));
  for (double v : values(init::trunc_normal_(gradus::empty(100), 0, 1, 50, 60))) CHECK((v >= 50 && v <= 60));
}

TEST_CASE("initialisers work through strides and on float64") {
  const Tensor whole = gradus::zeros({3, 4}, {.dtype = gradus::float64});
  init::ones_(whole.t().narrow(0, 1, 2));
  CHECK(values(whole) == Values{0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0});
  gradus::manual_seed(0);
  const Values a = values(init::xavier_uniform_(gradus::empty({4, 3}).t()));
  gradus::manual_seed(0);
  CHECK(a == values(init::xavier_uniform_(gradus::empty({3, 4}))));
}

TEST_CASE("initialisers refuse shapes, numbers and dtypes that they have no meaning for") {
  const Tensor row = gradus::zeros(3), cube = gradus::zeros({2, 2, 2}), matrix = gradus::zeros({2, 2});
  CHECK(error_of<gradus::ShapeError>([&] { init::xavier_uniform_(row); }) ==
        "xavier_uniform_: shape [3] has no inputs and outputs; it needs two dimensions");
  CHECK_THROWS_AS(init::xavier_normal_(row), gradus::ShapeError);
  CHECK_THROWS_AS(init::kaiming_uniform_(row), gradus::ShapeError);
  CHECK_THROWS_AS(init::kaiming_normal_(row), gradus::ShapeError);
  CHECK_THROWS_AS(init::orthogonal_(row), gradus::ShapeError);
  CHECK_THROWS_AS(init::eye_(cube), gradus::ShapeError);
  CHECK_THROWS_AS(init::sparse_(cube, 0.5), gradus::ShapeError);
  CHECK_THROWS_AS(init::sparse_(matrix, 1.5), gradus::ValueError);
  CHECK_THROWS_AS(init::uniform_(matrix, 2, 1), gradus::ValueError);
  CHECK_THROWS_AS(init::normal_(matrix, 0, -1), gradus::ValueError);
  CHECK_THROWS_AS(init::trunc_normal_(matrix, 0, 1, 2, -2), gradus::ValueError);
  CHECK_THROWS_AS(init::trunc_normal_(matrix, 0, 0), gradus::ValueError);
  CHECK_THROWS_AS(init::normal_(gradus::zeros({2, 2}, {.dtype = gradus::int64})), gradus::DTypeError);
  CHECK_THROWS_AS(init::zeros_({}), gradus::StateError);
  CHECK(values(matrix) == Values{0, 0, 0, 0});
}
