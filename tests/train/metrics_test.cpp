#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/io/checkpoint.h"
#include "gradus/nn/clip.h"
#include "gradus/train.h"
#include "io/folder.h"

using namespace gradus;

TEST_CASE("a mean is weighted, NaN of nothing, and refuses weights that are none") {
  train::Mean mean;
  CHECK(std::isnan(mean.compute()));
  mean.update(2, 3);
  mean.update(6);
  mean.update(std::nan(""), 0);
  CHECK(mean.compute() == 3);
  CHECK(mean.sum() == 12);
  CHECK(mean.weight() == 4);
  CHECK_THROWS_WITH_AS(mean.update(1, -1), "Mean: weight -1 must be finite and not negative", ValueError);
  CHECK_THROWS_AS(mean.update(1, std::nan("")), ValueError);
  CHECK(mean.compute() == 3);
  mean.update(std::nan(""));
  CHECK(std::isnan(mean.compute()));
  mean.reset();
  CHECK(mean.weight() == 0);
}

TEST_CASE("accuracy counts as argmax and topk choose, without what is ignored") {
  const Tensor scores = tensor({{0.1, 0.7, 0.2}, {0.5, 0.5, 0.1}, {0.2, 0.3, 0.5}, {9., 0., 0.}});
  train::Accuracy accuracy;
  accuracy.update(scores, tensor({1, 0, 0, -100}));  // of equal scores the first
  CHECK(accuracy.correct() == 2);
  CHECK(accuracy.total() == 3);
  accuracy.update(scores.to(float32), tensor({1, 1, 2, -100}));
  CHECK(accuracy.compute() == 4.0 / 6);
  accuracy.update_predicted(tensor({{1, 2}, {0, 0}}), tensor({{1, 0}, {-100, 0}}));
  CHECK(accuracy.compute() == 6.0 / 9);
  train::Accuracy top({.ignore_index = 0, .top_k = 2});
  top.update(scores, tensor({2, 1, 0, 1}));
  CHECK(top.correct() == 3);
  CHECK(top.total() == 3);
  CHECK(std::isnan(train::Accuracy().compute()));
}

TEST_CASE("accuracy takes cross_entropy's shapes, strided scores, and none with NaN for right") {
  const Tensor steps = tensor({{{0., 5., 1.}, {1., 0., 4.}}});  // (1, 2, 3): at three steps class 1, 0 and 1
  train::Accuracy accuracy;
  accuracy.update(steps, tensor({{1, 0, 1}}));
  CHECK(accuracy.compute() == 1);
  accuracy.update(steps.permute({2, 1, 0}), tensor({{1}, {0}, {0}}));
  CHECK(accuracy.correct() == 5);
  accuracy.update(tensor({1., 3., 2.}), tensor(1));
  CHECK(accuracy.correct() == 6);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  accuracy.reset();
  accuracy.update(tensor({{nan, 1.}, {nan, 1.}}), tensor({0, 1}));
  CHECK(accuracy.correct() == 0);
  CHECK(accuracy.total() == 2);
}

TEST_CASE("accuracy refuses what does not fit, and has counted nothing then") {
  train::Accuracy accuracy;
  const Tensor scores = zeros({2, 3});
  CHECK_THROWS_WITH_AS(
      accuracy.update(scores, tensor({0})),
      "Accuracy: scores [2, 3] and target [1] do not fit; they are (N, C) and (N), (N, C, d1, …) and (N, d1, …), or (C) and ()",
      ShapeError);
  CHECK_THROWS_AS(accuracy.update(tensor(1.), tensor(0)), ShapeError);
  CHECK_THROWS_WITH_AS(accuracy.update(scores, tensor({0, 3})),
                       "Accuracy: class 3 of target 1 is out of range for 3 classes; ignore_index is -100", IndexError);
  CHECK_THROWS_AS(accuracy.update(scores, tensor({0, -1})), IndexError);
  CHECK_THROWS_AS(accuracy.update(scores, zeros({2})), DTypeError);
  CHECK_THROWS_AS(accuracy.update(tensor({{1, 2}}), tensor({0})), DTypeError);
  CHECK_THROWS_AS(accuracy.update_predicted(tensor({1, 2}), tensor({1})), ShapeError);
  CHECK_THROWS_AS(accuracy.update_predicted(zeros({2}), tensor({1, 2})), DTypeError);
  CHECK_THROWS_AS(accuracy.update(Tensor(), tensor({1})), StateError);
  CHECK(accuracy.total() == 0);
  CHECK_THROWS_AS(train::Accuracy({.top_k = 0}), ValueError);
  train::Accuracy top({.top_k = 4});
  CHECK_THROWS_WITH_AS(top.update(scores, tensor({0, 1})), "Accuracy: top_k is 4, but scores [2, 3] have 3 classes", ShapeError);
  CHECK_THROWS_AS(top.update_predicted(tensor({1}), tensor({1})), ValueError);
}

TEST_CASE("grad_norm measures as clip_grad_norm_ does, and changes nothing") {
  const Tensor a = zeros({2}).requires_grad_(), b = zeros({1}, {.dtype = float64}).requires_grad_(), none = zeros({3}).requires_grad_();
  a.set_grad(tensor({3., 0.}).to(float32));
  b.set_grad(tensor({-4.}).to(float64));
  CHECK(nn::grad_norm({a, none, b}) == 5);
  CHECK(nn::grad_norm({a, none, b}, 1) == 7);
  CHECK(nn::grad_norm({a, none, b}, std::numeric_limits<double>::infinity()) == 4);
  CHECK(nn::grad_norm({none}) == 0);
  CHECK(a.grad().to_vector<double>() == std::vector<double>{3, 0});
  CHECK_THROWS_WITH_AS(nn::grad_norm({a}, 0), "grad_norm: norm_type 0 must be positive", ValueError);
  b.set_grad(tensor({std::nan("")}).to(float64));
  CHECK(std::isnan(nn::grad_norm({a, b})));
  b.set_grad(tensor({std::numeric_limits<double>::infinity()}).to(float64));
  CHECK(std::isinf(nn::grad_norm({a, b})));
}

TEST_CASE("running figures stand in a checkpoint, and take no state of another kind") {
  const Folder folder;
  train::Mean mean;
  train::Accuracy accuracy;
  mean.update(0.1, 3);
  accuracy.update_predicted(tensor({1, 2}), tensor({1, 1}));
  io::save_checkpoint(folder / "x.safetensors", {{"mean", mean}, {"accuracy", accuracy}});
  train::Mean other_mean;
  train::Accuracy other_accuracy;
  io::load_checkpoint(folder / "x.safetensors", {{"mean", other_mean}, {"accuracy", other_accuracy}});
  CHECK(other_mean.sum() == mean.sum());
  CHECK(other_mean.weight() == 3);
  CHECK(other_accuracy.compute() == 0.5);
  CHECK_THROWS_WITH_AS(
      other_mean.load_state_dict({{"sum", 1.0}, {"total", 1}}),
      "Mean: load_state_dict: the state does not fit, nothing was changed:\n  \"weight\" is missing\n  \"total\" is unexpected",
      ValueError);
  CHECK_THROWS_AS(other_mean.load_state_dict({{"sum", "a"}, {"weight", 1}}), ValueError);
  CHECK_THROWS_AS(other_mean.load_state_dict({{"sum", 1}, {"weight", -1}}), ValueError);
  CHECK_THROWS_AS(other_accuracy.load_state_dict({{"correct", 2}, {"total", 1}}), ValueError);
  CHECK_THROWS_AS(other_accuracy.load_state_dict({{"correct", -2}, {"total", 1}}), ValueError);
  CHECK(other_mean.weight() == 3);
  CHECK(other_accuracy.total() == 2);
}
