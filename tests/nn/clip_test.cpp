#include <cmath>
#include <nlohmann/json.hpp>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/io.h"
#include "gradus/nn/clip.h"
#include "gradus/nn/layers.h"
#include "gradus/parallel.h"
#include "gradus/random.h"
#include "nn/nn_test.h"
#include "parsed.h"

using namespace nn_test;

namespace {

Tensor with_gradient(const Tensor& grad) {
  const Tensor p = gradus::zeros(grad.shape(), {.dtype = grad.dtype(), .requires_grad = true});
  p.set_grad(grad.clone());
  return p;
}

Tensor doubles(const Values& v) { return gradus::from_vector(v, static_cast<int64_t>(v.size())); }

}  // namespace

TEST_CASE("clip_grad_norm_ gives PyTorch's norm and gradients") {
  const gradus::io::NamedTensors& file = golden("optim");
  int cases = 0;
  for (; file.metadata.contains("clip." + std::to_string(cases)); ++cases) {
    const std::string id = "clip." + std::to_string(cases);
    CAPTURE(id);
    const auto options = testing::parsed(file.metadata.at(id));
    const auto& type = options.at("norm_type");
    std::vector<Tensor> parameters;
    while (const Tensor* before = file.find(id + ".before." + std::to_string(parameters.size())))
      parameters.push_back(with_gradient(*before));
    const double norm = nn::clip_grad_norm_(parameters, options.at("max_norm").get<double>(), type.is_string() ? kInf : type.get<double>());
    CHECK(norm == doctest::Approx(file.at(id + ".norm").item()).epsilon(1e-6));
    for (size_t i = 0; i < parameters.size(); ++i) {
      const Tensor& after = file.at(id + ".after." + std::to_string(i));
      check_close(parameters[i].grad(), after, after.dtype() == gradus::float64 ? 1e-12 : 1e-6);
    }
  }
  CHECK(cases >= 5);
}

TEST_CASE("gradients within the norm stay as they are; parameters without one are passed over") {
  const Tensor p = with_gradient(doubles({3, 4})), q = gradus::zeros(2, {.requires_grad = true});
  CHECK(nn::clip_grad_norm_({q, p}, 5.1) == doctest::Approx(5));
  CHECK(values(p.grad()) == Values{3, 4});
  CHECK(nn::clip_grad_norm_({q, p}, 1) == doctest::Approx(5));
  CHECK(values(p.grad())[0] == doctest::Approx(0.6).epsilon(1e-6));
  CHECK_FALSE(q.grad().defined());
  CHECK(nn::clip_grad_norm_(std::vector<Tensor>{}, 1) == 0);
  CHECK(nn::clip_grad_norm_({p}, 0) > 0);
  CHECK(values(p.grad()) == Values{0, 0});
  CHECK(nn::clip_grad_norm_({p}, 1) == 0);
}

TEST_CASE("a gradient that is not finite is named by name or place, and nothing is changed") {
  const nn::Linear layer(2, 3);
  layer.weight.set_grad(gradus::full({3, 2}, 5.0));
  for (double bad : {kNan, kInf, -kInf})
    for (double type : {1.0, 2.0, 3.0, kInf}) {
      CAPTURE(bad);
      CAPTURE(type);
      layer.bias.set_grad(gradus::tensor({1.0, bad, 2.0}));
      CHECK(error_of<gradus::ValueError>([&] { nn::clip_grad_norm_(layer, 1, type); }) ==
            "clip_grad_norm_: the gradient of bias (shape [3]) is not finite; nothing was changed");
      CHECK(error_of<gradus::ValueError>([&] { nn::clip_grad_norm_(layer.parameters(), 1, type); }) ==
            "clip_grad_norm_: the gradient of parameter 1 (shape [3]) is not finite; nothing was changed");
      CHECK(values(layer.weight.grad()) == Values(6, 5));
    }
}

TEST_CASE("without error_if_nonfinite, what is not finite is scaled as PyTorch scales it") {
  const Tensor infinite = with_gradient(doubles({3, -kInf})), nan = with_gradient(doubles({3, kNan})),
               fine = with_gradient(doubles({1, 2}));
  for (double type : {1.0, 2.0, 3.0, kInf}) {
    CAPTURE(type);
    infinite.set_grad(doubles({3, -kInf}));
    fine.set_grad(doubles({1, 2}));
    CHECK(nn::clip_grad_norm_({fine, infinite}, 1, type, false) == kInf);
    CHECK(values(fine.grad()) == Values{0, 0});
    CHECK(values(infinite.grad())[0] == 0);
    CHECK(std::isnan(values(infinite.grad())[1]));
    nan.set_grad(doubles({3, kNan}));
    fine.set_grad(doubles({1, 2}));
    CHECK(std::isnan(nn::clip_grad_norm_({nan, fine}, 1, type, false)));
    for (double v : values(fine.grad())) CHECK(std::isnan(v));
  }
}

TEST_CASE("a norm of many float32 numbers has float64's precision") {
  const Tensor p = with_gradient(gradus::full(3'000'000, 0.1f)), q = with_gradient(gradus::full(1, 3e4f));
  const double element = static_cast<double>(0.1f);
  CHECK(nn::clip_grad_norm_({p}, 1e9) == doctest::Approx(element * std::sqrt(3e6)).epsilon(1e-12));
  CHECK(nn::clip_grad_norm_({q, p}, 1e9, 1) == doctest::Approx(3e4 + element * 3e6).epsilon(1e-12));
}

TEST_CASE("norms beyond the range of the squares come out right") {
  const Tensor large = with_gradient(doubles({3e200, 4e200})), small = with_gradient(doubles({3e-200, 4e-200}));
  CHECK(nn::clip_grad_norm_({large}, 1) == doctest::Approx(5e200));
  CHECK(values(large.grad())[1] == doctest::Approx(0.8));
  CHECK(nn::clip_grad_norm_({small}, 1) == doctest::Approx(5e-200).epsilon(1e-9));
  CHECK(values(small.grad()) == Values{3e-200, 4e-200});
  const Tensor real = with_gradient(gradus::tensor({3e30, 4e30}));
  CHECK(nn::clip_grad_norm_({real}, 1) == doctest::Approx(5e30));
}

TEST_CASE("strided gradients are clipped, and those that a graph still needs are known to have changed") {
  const Tensor p = gradus::zeros({2, 3}, {.requires_grad = true});
  p.set_grad(gradus::full({3, 2}, 2.0).t());
  CHECK(nn::clip_grad_norm_({p}, 1) == doctest::Approx(std::sqrt(24.0)));
  for (double v : values(p.grad())) CHECK(v == doctest::Approx(2 / std::sqrt(24.0)).epsilon(1e-6));
  const Tensor q = with_gradient(gradus::full(4, 2.0));
  const uint32_t before = q.grad().version();
  nn::clip_grad_norm_({q}, 1);
  CHECK(q.grad().version() > before);
}

TEST_CASE("clipping does not depend on the number of threads") {
  gradus::manual_seed(0);
  const Tensor grad = gradus::randn(300000);
  const int threads = gradus::get_num_threads();
  std::vector<double> norms;
  std::vector<Values> results;
  for (int n : {1, 2, 3}) {
    gradus::set_num_threads(n);
    const Tensor p = with_gradient(grad);
    norms.push_back(nn::clip_grad_norm_({p}, 1));
    results.push_back(values(p.grad()));
  }
  gradus::set_num_threads(threads);
  CHECK(norms[0] == norms[1]);
  CHECK(norms[0] == norms[2]);
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}

TEST_CASE("clip_grad_norm_ refuses norms that are none") {
  const Tensor p = with_gradient(doubles({3, 4}));
  CHECK_THROWS_AS(nn::clip_grad_norm_({p}, -1), gradus::ValueError);
  CHECK_THROWS_AS(nn::clip_grad_norm_({p}, kNan), gradus::ValueError);
  CHECK_THROWS_AS(nn::clip_grad_norm_({p}, 1, 0), gradus::ValueError);
  CHECK_THROWS_AS(nn::clip_grad_norm_({p}, 1, kNan), gradus::ValueError);
  CHECK_THROWS_AS(nn::clip_grad_norm_({Tensor()}, 1), gradus::StateError);
  CHECK(values(p.grad()) == Values{3, 4});
}

TEST_CASE("clip_grad_value_ clamps every element, and changes nothing when its bound is none") {
  const Tensor p = with_gradient(doubles({3, -4, 0.5})), none = gradus::zeros(2, {.requires_grad = true});
  nn::clip_grad_value_({p, none}, kInf);
  CHECK(values(p.grad()) == Values{3, -4, 0.5});
  nn::clip_grad_value_({p, none}, 1);
  CHECK(values(p.grad()) == Values{1, -1, 0.5});
  CHECK_FALSE(none.grad().defined());
  CHECK_THROWS_AS(nn::clip_grad_value_({p}, -1), gradus::ValueError);
  CHECK_THROWS_AS(nn::clip_grad_value_({p}, kNan), gradus::ValueError);
  CHECK(values(p.grad()) == Values{1, -1, 0.5});
}
