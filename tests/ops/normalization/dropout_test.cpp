#include <array>
#include <cmath>

#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/normalization.h"
#include "ops/normalization/dropout.h"
#include "ops/op_test.h"

using namespace op_test;

TEST_CASE("dropout draws PyTorch's bits") {
  const Tensor x = gradus::from_vector(Values{1, 2, 3, 4, 5, 6, 7, 8}, {8}) / 7;
  // torch.manual_seed(11); F.dropout(torch.arange(1, 9) / 7, p): p = 0.3, then 0.5.
  const Values third{
      0x1.a1f58d0fac688p-3, 0, 0x1.397829cbc14e6p-1, 0x1.a1f58d0fac688p-1, 0x1.05397829cbc15p+0, 0x1.397829cbc14e6p+0, 0x1.6db6db6db6db7p+0,
      0x1.a1f58d0fac688p+0};
  const Values half{0x1.2492492492492p-2, 0, 0, 0, 0, 0x1.b6db6db6db6dbp+0, 2, 0x1.2492492492492p+1};
  gradus::manual_seed(11);
  CHECK(values(gradus::dropout(x, 0.3)) == third);
  CHECK(gradus::rand({1}).item() == 0x1.a3dap-4);
  gradus::manual_seed(11);
  CHECK(values(gradus::dropout(x, 0.5)) == half);

  const Values third32{0x1.a1f58ep-3, 0, 0x1.39782ap-1, 0x1.a1f58ep-1, 0x1.053978p+0, 0x1.39782ap+0, 0x1.6db6dcp+0, 0x1.a1f58ep+0};
  gradus::manual_seed(11);
  CHECK(values(gradus::dropout(gradus::arange(1.0, 9.0) / 7, 0.3)) == third32);
}

TEST_CASE("dropout draws one number an element, as rand does in float64, from any place in the sequence") {
  for (const int64_t before : {0, 1, 622, 623, 624}) {
    for (const double p : {0.1, 0.5, 1.0 / 3, 0.999}) {
      gradus::manual_seed(5);
      gradus::rand({before});  // one draw each in float32, two in float64
      const Tensor draws = gradus::rand({2000}, {.dtype = gradus::float64}), next = gradus::rand({1});
      gradus::manual_seed(5);
      gradus::rand({before});
      for (const gradus::DType dtype : {gradus::float32, gradus::float64}) {
        const Tensor then = gradus::get_rng_state();
        CHECK(gradus::equal(gradus::dropout(gradus::ones({2000}, {.dtype = dtype}), p).ne(0), draws.lt(1 - p)));
        CHECK(gradus::equal(gradus::rand({1}), next));
        gradus::set_rng_state(then);
      }
    }
  }
}

TEST_CASE("what is not finite is not hidden by dropout") {
  gradus::manual_seed(6);
  const Tensor y = gradus::dropout(gradus::full({100}, kInf), 0.5);
  CHECK(gradus::isnan(y).sum().item() + y.eq(kInf).sum().item() == 100);
  CHECK(gradus::isnan(y).sum().item() > 20);
}

TEST_CASE("dropout draws in row-major order whatever the strides") {
  gradus::manual_seed(3);
  const Tensor a = gradus::dropout(gradus::ones({4, 3}), 0.4);
  gradus::manual_seed(3);
  check_equal(gradus::dropout(gradus::ones({3, 4}).t(), 0.4), a);
}

TEST_CASE("without training, with p = 0 or with nothing to drop, dropout gives x itself and draws nothing") {
  const Tensor x = gradus::ones({5});
  gradus::manual_seed(1);
  const double next = gradus::rand({1}).item();
  gradus::manual_seed(1);
  CHECK(gradus::dropout(x, 0.5, false).is_same(x));
  CHECK(gradus::dropout(x, 0.0).is_same(x));
  CHECK(gradus::dropout(gradus::zeros({0, 3})).shape() == Shape{0, 3});
  CHECK(values(gradus::dropout(x, 1.0)) == Values(5, 0));
  CHECK(gradus::rand({1}).item() == next);
}

TEST_CASE("dropout keeps the mean, and drops the share that it is told to") {
  gradus::manual_seed(2);
  const Tensor y = gradus::dropout(gradus::ones({100000}), 0.2);
  CHECK(y.mean().item() == doctest::Approx(1).epsilon(0.01));
  CHECK(y.eq(0).sum().item() == doctest::Approx(20000).epsilon(0.03));
}

TEST_CASE("the gradient passes where dropout let the element pass") {
  const Tensor x = input({3, 4}), w = gradus::randn({3, 4}, {.dtype = gradus::float64});
  gradus::manual_seed(4);
  const Tensor y = gradus::dropout(x, 0.5);
  CHECK((gradient(y, x, w) * x).allclose(y * w, 1e-14, 0));
  check_gradients(
      [](const Tensors& in) {
        gradus::manual_seed(4);
        return gradus::dropout(in[0], 0.3).exp();
      },
      {x});
  CHECK(values(gradient(gradus::dropout(x, 1.0), x, w)) == Values(12, 0));
}

TEST_CASE("relu_dropout gives the numbers of dropout(relu(x)), of the same draws, and their gradients") {
  for (const gradus::DType dtype : {gradus::float32, gradus::float64})
    for (const double p : {0.0, 0.1, 0.5, 1.0})
      for (const bool strided : {false, true}) {
        const Tensor whole = gradus::randn({40, 9}, {.dtype = dtype}), dy = gradus::randn({9, 40}, {.dtype = dtype});
        whole[1].copy_(gradus::zeros({9}, {.dtype = dtype}));
        const Tensor start = (strided ? whole.t() : whole.t().contiguous());
        const auto run = [&](const auto& f) {
          gradus::manual_seed(8);
          const Tensor x = start.detach().requires_grad_(), y = f(x);
          return std::array{y.detach(), gradient(y, x, dy), gradus::rand({1})};
        };
        const auto ours = run([p](Tensor x) { return gradus::relu_dropout(x, p); }),
                   theirs = run([p](Tensor x) { return gradus::dropout(gradus::relu(x), p); });
        for (size_t i = 0; i < ours.size(); ++i) check_equal(ours[i], theirs[i]);
      }
  const Tensor none = gradus::full({100}, kInf);
  const Tensor kept = gradus::relu_dropout(none, 0.5);
  CHECK(gradus::isnan(kept).sum().item() + kept.eq(kInf).sum().item() == 100);
  CHECK(gradus::isnan(kept).sum().item() > 20);
  CHECK(gradus::relu_dropout(-none, 0.5).eq(0).all().item() == 1);
}

TEST_CASE("relu_dropout can be differentiated twice") {
  check_gradients(
      [](const Tensors& in) {
        gradus::manual_seed(4);
        return gradus::relu_dropout(in[0], 0.3).exp();
      },
      {input({3, 4})});
}

TEST_CASE("dropout checks p and the dtype") {
  const Tensor x = gradus::ones({2});
  CHECK(error_of<gradus::ValueError>([&] { gradus::dropout(x, 1.5); }) == "dropout: p 1.5 is not a probability; give 0 to 1");
  CHECK_THROWS_AS(gradus::dropout(x, -0.1), gradus::ValueError);
  CHECK_THROWS_AS(gradus::dropout(x, kNan, false), gradus::ValueError);
  CHECK(error_of<gradus::DTypeError>([] {
          gradus::dropout(gradus::tensor({1, 2}));
        }).starts_with("dropout: takes float32 or float64, got int64"));
  CHECK_THROWS_AS(gradus::dropout(Tensor()), gradus::StateError);
}
