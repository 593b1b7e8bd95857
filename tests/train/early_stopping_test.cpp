#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/io/checkpoint.h"
#include "gradus/nn/normalization.h"
#include "gradus/train.h"
#include "io/folder.h"

using namespace gradus;
using train::EarlyStopping;

namespace {

void set_weights(const nn::LayerNorm& layer, double value) {
  layer.load_state_dict({{"weight", full({1}, value)}, {"bias", full({1}, -value)}});
}

std::vector<double> weights_of(const nn::LayerNorm& layer) { return {layer.weight.item(), layer.bias.item()}; }

}  // namespace

TEST_CASE("a training is stopped after `patience` measures in a row without a better one") {
  EarlyStopping stopping({.patience = 2});
  CHECK(stopping.update(3));
  CHECK(!stopping.update(3));  // as good is not better
  CHECK(stopping.update(2));
  CHECK(!stopping.update(std::nan("")));
  CHECK(!stopping.should_stop());
  CHECK(!stopping.update(2.5));
  CHECK(stopping.should_stop());
  CHECK(stopping.best() == 2);
  CHECK(stopping.best_update() == 3);
  CHECK(stopping.updates() == 5);
}

TEST_CASE("better is by more than min_delta, and larger where the mode says so") {
  EarlyStopping least({.patience = 1, .min_delta = 0.5});
  least.update(2);
  CHECK(!least.update(1.5));
  CHECK(least.should_stop());
  CHECK(least.update(1.25));
  CHECK(!least.should_stop());
  EarlyStopping largest({.patience = 1, .min_delta = 0.5, .mode = train::EarlyStoppingOptions::Mode::Max});
  CHECK(!largest.update(std::nan("")));
  CHECK(std::isnan(largest.best()));
  CHECK(largest.best_update() == 0);
  CHECK(largest.update(-1));
  CHECK(!largest.update(-0.5));
  CHECK(largest.update(0));
  CHECK(largest.best() == 0);
}

TEST_CASE("the best weights are kept and restored, on their own memory") {
  const nn::LayerNorm layer(1);
  EarlyStopping stopping(layer, {.patience = 3});
  CHECK_THROWS_WITH_AS(stopping.restore(), "EarlyStopping: restore before any measure; there are no best weights yet", StateError);
  const Tensor handle = layer.weight;
  for (const double measure : {3, 1, 2}) {
    set_weights(layer, measure);
    stopping.update(measure);
  }
  stopping.restore();
  CHECK(weights_of(layer) == std::vector<double>{1, -1});
  CHECK(handle.item() == 1);  // in place
  set_weights(layer, 7);
  stopping.restore();
  CHECK(weights_of(layer) == std::vector<double>{1, -1});
  layer.to(float64);
  CHECK_THROWS_AS(stopping.restore(), ValueError);
  CHECK_THROWS_WITH_AS(EarlyStopping().restore(), "EarlyStopping: restore without a model; give it to the constructor", StateError);
}

TEST_CASE("early stopping goes on from a checkpoint, with the best weights") {
  const Folder folder;
  const nn::LayerNorm layer(1);
  EarlyStopping stopping(layer, {.patience = 2});
  io::save_checkpoint(folder / "begin.safetensors", {{"stopping", stopping}});
  set_weights(layer, 1);
  stopping.update(0.1);
  set_weights(layer, 2);
  stopping.update(0.2);
  io::save_checkpoint(folder / "x.safetensors", {{"stopping", stopping}});
  const nn::LayerNorm other(1);
  EarlyStopping resumed(other, {.patience = 2});
  io::load_checkpoint(folder / "x.safetensors", {{"stopping", resumed}});
  CHECK(resumed.best() == 0.1);
  CHECK(!resumed.update(0.1));
  CHECK(resumed.should_stop());
  resumed.restore();
  CHECK(weights_of(other) == std::vector<double>{1, -1});
  io::load_checkpoint(folder / "begin.safetensors", {{"stopping", resumed}});
  CHECK(std::isnan(resumed.best()));
  CHECK(resumed.updates() == 0);
}

TEST_CASE("early stopping refuses options and states that do not fit, and is as it was") {
  CHECK_THROWS_WITH_AS(EarlyStopping({.patience = 0}), "EarlyStopping: patience is 0; it must be at least 1", ValueError);
  CHECK_THROWS_AS(EarlyStopping({.min_delta = -1}), ValueError);
  CHECK_THROWS_AS(EarlyStopping({.min_delta = std::numeric_limits<double>::infinity()}), ValueError);
  const nn::LayerNorm layer(1), larger(2);
  EarlyStopping stopping(layer), plain, other(larger);
  stopping.update(1);
  other.update(5);
  CHECK_THROWS_AS(other.load_state_dict(stopping.state_dict()), ValueError);
  CHECK_THROWS_AS(plain.load_state_dict(stopping.state_dict()), ValueError);
  CHECK_THROWS_AS(stopping.load_state_dict({{"best", 1.0}, {"updates", 1}, {"since_best", 0}}), ValueError);
  const io::StateValues impossible{{"best", 1.0}, {"updates", 1}, {"since_best", 2}};
  CHECK_THROWS_WITH_AS(plain.load_state_dict(impossible),
                       "EarlyStopping: load_state_dict: best is 1, 2 updates ago of 1; they do not go together", ValueError);
  CHECK_THROWS_AS(plain.load_state_dict({{"best", 1.0}}), ValueError);
  CHECK_THROWS_AS(plain.load_state_dict({{"best", "x"}, {"updates", 1}, {"since_best", 0}}), ValueError);
  CHECK(other.best() == 5);
  CHECK(stopping.best() == 1);
  plain.load_state_dict({{"best", 1.0}, {"updates", 4}, {"since_best", 3}});
  CHECK(plain.best_update() == 1);
}
