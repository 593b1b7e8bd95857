#include "gradus/ops/convolution.h"
#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/shape.h"
#include "gradus/parallel.h"
#include "ops/op_test.h"

using namespace op_test;

TEST_CASE("conv1d slides the kernel over the sequence") {
  const Tensor x = gradus::tensor({{{1.0, 2.0, 3.0, 4.0}}}), weight = gradus::tensor({{{1.0, 10.0}}});
  CHECK(values(gradus::conv1d(x, weight)) == Values{21, 32, 43});
  CHECK(values(gradus::conv1d(x, weight, gradus::tensor({0.5}), 2, 1)) == Values{10.5, 32.5, 4.5});
  CHECK(values(gradus::conv1d(x, weight, {}, 1, 0, 3)) == Values{41});
  CHECK(values(gradus::conv1d(x, weight, {}, 1, "same")) == Values{21, 32, 43, 4});
  CHECK(values(gradus::conv1d(x, weight, {}, 1, "valid")) == Values{21, 32, 43});
  CHECK(gradus::conv1d(x[0], weight).shape() == Shape{1, 3});
}

TEST_CASE("the groups of a convolution see their own channels") {
  const Tensor x = gradus::tensor({{{1.0, 2.0}, {3.0, 4.0}}}), weight = gradus::tensor({{{1.0}}, {{10.0}}});
  CHECK(values(gradus::conv1d(x, weight, {}, 1, 0, 1, 2)) == Values{1, 2, 30, 40});
}

TEST_CASE("conv2d slides the kernel over the image, integers included") {
  const Tensor x = gradus::arange(6).reshape({1, 1, 2, 3}), weight = gradus::tensor({{{{1, 10}}}});
  CHECK(ints(gradus::conv2d(x, weight)) == Ints{10, 21, 43, 54});
  CHECK(ints(gradus::conv2d(x, weight, {}, {1, 2}, {1, 0})) == Ints{0, 10, 43, 0});
}

TEST_CASE("a convolution of many images gives each of them what it gets alone, and one gradient for all") {
  gradus::manual_seed(1);
  const Tensor x = gradus::randn({20, 8, 30}, {.requires_grad = true}), weight = gradus::randn({16, 8, 5}, {.requires_grad = true});
  const Tensor dy = gradus::randn({20, 16, 26});
  const auto whole = gradus::autograd::grad({gradus::conv1d(x, weight)}, {x, weight}, {dy});
  Tensor dweight = gradus::zeros({16, 8, 5});
  for (int64_t i = 0; i < 20; ++i) {
    const auto alone = gradus::autograd::grad({gradus::conv1d(x[i], weight)}, {x, weight}, {dy[i]});
    CHECK(whole[0][i].allclose(alone[0][i], 1e-5, 1e-5));
    dweight += alone[1];
  }
  CHECK(whole[1].allclose(dweight, 1e-4, 1e-4));
}

TEST_CASE("padding gives what zeros around the image do, also where taps meet nothing else and where lines stay as long") {
  struct Case {
    int64_t height, width, kernel_height, kernel_width, pad_height, pad_width, dilation, stride;
  };
  for (const Case c : {Case{5, 6, 3, 3, 1, 1, 1, 1},
                       {5, 6, 3, 5, 0, 2, 1, 1},
                       {5, 6, 3, 3, 2, 2, 2, 1},
                       {2, 3, 5, 7, 2, 3, 1, 1},
                       {2, 3, 9, 9, 4, 4, 1, 1},
                       {1, 2, 3, 3, 6, 4, 4, 1},
                       {4, 1, 3, 3, 1, 1, 1, 1},
                       {5, 6, 3, 2, 1, 1, 1, 1},
                       {5, 6, 2, 3, 3, 1, 1, 1},
                       {5, 6, 3, 3, 1, 1, 1, 2},
                       {6, 4, 1, 1, 2, 0, 1, 1}})
    for (const gradus::DType dtype : {gradus::float32, gradus::float64}) {
      gradus::manual_seed(3);
      const Tensor x = gradus::randn({2, 4, c.height, c.width}, {.dtype = dtype, .requires_grad = true}),
                   weight = gradus::randn({6, 2, c.kernel_height, c.kernel_width}, {.dtype = dtype, .requires_grad = true});
      const Tensor inside = gradus::conv2d(x, weight, {}, c.stride, {c.pad_height, c.pad_width}, c.dilation, 2),
                   around = gradus::conv2d(gradus::pad(x, {c.pad_width, c.pad_width, c.pad_height, c.pad_height}), weight, {}, c.stride, 0,
                                           c.dilation, 2);
      CAPTURE(inside.shape().str());
      CHECK(inside.allclose(around, 1e-5, 1e-5));
      const Tensor dy = gradus::randn(inside.shape(), {.dtype = dtype});
      const auto ours = gradus::autograd::grad({inside}, {x, weight}, {dy}), theirs = gradus::autograd::grad({around}, {x, weight}, {dy});
      for (size_t i = 0; i < 2; ++i) CHECK(ours[i].allclose(theirs[i], 1e-5, 1e-5));
    }
}

TEST_CASE("convolutions have the same bits for any number of threads") {
  gradus::manual_seed(2);
  const int threads = gradus::get_num_threads();
  const Tensor x = gradus::randn({9, 16, 40}, {.requires_grad = true}), weight = gradus::randn({32, 16, 5}, {.requires_grad = true});
  const auto all = [&] {
    const Tensor y = gradus::conv1d(x, weight, {}, 1, 2);
    const auto d = gradus::autograd::grad({y}, {x, weight}, {y.detach()});
    return std::vector<Values>{values(y), values(d[0]), values(d[1])};
  };
  gradus::set_num_threads(1);
  const auto alone = all();
  gradus::set_num_threads(3);
  CHECK(all() == alone);
  gradus::set_num_threads(threads);
}

TEST_CASE("convolutions name what they cannot take") {
  const Tensor x = gradus::zeros({1, 2, 5}), weight = gradus::zeros({4, 2, 3});
  CHECK(error_of<gradus::ShapeError>([&] {
          gradus::conv1d(x, gradus::zeros({4, 3, 3}));
        }) == "conv1d: weight of shape [4, 3, 3] takes 3 channels in 1 groups, but x has 2: shape [1, 2, 5]");
  CHECK(error_of<gradus::ShapeError>([&] {
          gradus::conv1d(x, gradus::zeros({4, 2, 6}));
        }) == "conv1d: the kernel reaches over 6 elements, but dimension 2 of x [1, 2, 5] has 5 with its padding");
  CHECK(error_of<gradus::ShapeError>([&] { gradus::conv1d(x, weight, gradus::zeros(3)); }) ==
        "conv1d: bias has shape [3], expected [4], one number an output");
  CHECK_THROWS_AS(gradus::conv1d(x, weight, {}, 0), gradus::ValueError);
  CHECK_THROWS_AS(gradus::conv1d(x, weight, {}, 1, -1), gradus::ValueError);
  CHECK_THROWS_AS(gradus::conv1d(x, weight, {}, 1, 0, 0), gradus::ValueError);
  CHECK_THROWS_AS(gradus::conv1d(x, weight, {}, 1, 0, int64_t{1} << 62), gradus::ValueError);
  CHECK_THROWS_AS(gradus::conv1d(x, weight, {}, 1, 0, 1, 0), gradus::ValueError);
  CHECK_THROWS_AS(gradus::conv1d(x, weight, {}, {1, 1}), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::conv1d(x, weight, {}, 2, "same"), gradus::ValueError);
  CHECK_THROWS_AS(gradus::Padding("full"), gradus::ValueError);
  CHECK_THROWS_AS(gradus::conv2d(x, weight), gradus::ShapeError);
  CHECK_THROWS_AS(gradus::conv1d(x.to(gradus::float64), weight), gradus::DTypeError);
  CHECK_THROWS_AS(gradus::conv1d(Tensor(), weight), gradus::StateError);
  CHECK_THROWS_AS(gradus::conv1d(x, Tensor()), gradus::StateError);
}

TEST_CASE("what a convolution's gradient meets with a 0 does not count, be it NaN or infinite; what it asks for is passed on") {
  for (const int64_t groups : {1, 2}) {
    const auto run = [&](double bad, double asked) {
      gradus::manual_seed(4);
      const Tensor x = gradus::randn({2, 4, 9}), w = gradus::randn({4, 4 / groups, 3}).requires_grad_(), dy = gradus::randn({2, 4, 9});
      x.narrow(2, 6, 3).fill_(bad);
      dy.narrow(2, 5, 4).fill_(0);
      dy[1][3][6].fill_(asked);
      return gradient(gradus::conv1d(x, w, {}, 1, 1, 1, groups), w, dy);
    };
    const Tensor right = run(0, 0);
    for (const double bad : {kNan, kInf}) {
      check_equal(run(bad, 0), right);
      const Tensor spoiled = run(bad, 1);
      CHECK_FALSE(gradus::isfinite(spoiled[3].narrow(1, 1, 2)).any().item<bool>());  // the first tap met no such x
      CHECK(gradus::isfinite(spoiled[3].narrow(1, 0, 1)).all().item<bool>());
      check_equal(spoiled.narrow(0, 0, 3), right.narrow(0, 0, 3));
    }
  }
}
