#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include "data/batches.h"
#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"

using gradus::Shape;
using gradus::Tensor;
namespace data = gradus::data;
using data_test::Ints;

namespace {

Ints values(const Tensor& x) { return x.to_vector<int64_t>(); }

}  // namespace

TEST_CASE("Strips lie side by side, and a block's target is its input one step on, as in PyTorch's word language model") {
  // batchify(26 letters, 4): strips a-f, g-l, m-r, s-x; y and z are left over.
  const data::Strips strips(gradus::arange(26), {.batch_size = 4, .steps = 2});
  CHECK(strips.size() == 3);
  const data::StripBlock first = strips.get(0), last = strips.get(2);
  CHECK(first.input.shape() == Shape{2, 4});
  CHECK(values(first.input) == Ints{0, 6, 12, 18, 1, 7, 13, 19});
  CHECK(values(first.target) == Ints{1, 7, 13, 19, 2, 8, 14, 20});
  CHECK(first.first);
  CHECK(values(strips.get(1).input) == Ints{2, 8, 14, 20, 3, 9, 15, 21});
  CHECK(!strips.get(1).first);
  // Five steps to predict: the last block has one.
  CHECK(values(last.input) == Ints{4, 10, 16, 22});
  CHECK(values(last.target) == Ints{5, 11, 17, 23});
  CHECK(last.input.shape() == Shape{1, 4});
}

TEST_CASE("Strips with batch_first are the same, turned; drop_last leaves out a short block") {
  const Tensor tokens = gradus::arange(26);
  const data::Strips steps_first(tokens, {.batch_size = 4, .steps = 2}),
      batch_first(tokens, {.batch_size = 4, .steps = 2, .batch_first = true}),
      whole(tokens, {.batch_size = 4, .steps = 2, .drop_last = true});
  CHECK(batch_first.size() == 3);
  for (int64_t i = 0; i < 3; ++i) {
    CHECK(data_test::same(batch_first.get(i).input, steps_first.get(i).input.t()));
    CHECK(data_test::same(batch_first.get(i).target, steps_first.get(i).target.t()));
  }
  CHECK(whole.size() == 2);
  CHECK_THROWS_WITH_AS(whole.get(2), "Strips: block 2 is out of range for 2", gradus::IndexError);
  CHECK(data::Strips(gradus::arange(5), {.steps = 2, .drop_last = true}).size() == 2);
  CHECK(data::Strips(gradus::arange(5), {.steps = 2}).size() == 2);
  CHECK(data::Strips(gradus::arange(5), {.steps = 100}).get(0).input.shape() == Shape{4, 1});
}

TEST_CASE("a loader reads strips in order, and goes on inside an epoch without a new beginning") {
  const data::Strips strips(gradus::arange(100), {.batch_size = 3, .steps = 5});
  for (const int64_t prefetch : {0, 2}) {
    data::DataLoader loader(strips, {.prefetch = prefetch});
    CHECK(loader.size() == strips.size());
    int64_t steps = 0, beginnings = 0;
    gradus::StateDict state;
    for (int epoch = 0; epoch < 2; ++epoch) {
      Tensor before;
      for (const auto& [input, target, first] : loader) {
        beginnings += first;
        steps += input.size(0);
        // The first token of a strip in this block is the last target of the block before.
        if (!first) CHECK(data_test::same(input[0], before));
        before = target[-1];
        if (epoch == 1 && steps == 32 + 10) state = loader.state_dict();
      }
    }
    CHECK(beginnings == 2);
    CHECK(steps == 2 * 32);
    data::DataLoader resumed(strips, {.prefetch = prefetch});
    resumed.load_state_dict(state);
    const auto it = resumed.begin();
    CHECK(!it->first);
    CHECK(data_test::same(it->input, strips.get(2).input));
    CHECK(resumed.epoch() == 2);
  }
}

TEST_CASE("Strips refuse streams and options that make no block, and loaders that would not read them in order") {
  CHECK_THROWS_WITH_AS(data::Strips(gradus::arange(10), {.batch_size = 6}),
                       "Strips: 10 tokens make 6 strips of 1; a block of 1 steps and the token after it need strips of 2",
                       gradus::ValueError);
  CHECK_THROWS_AS(data::Strips(gradus::arange(10), {.batch_size = 2, .steps = 5, .drop_last = true}), gradus::ValueError);
  CHECK_THROWS_AS(data::Strips(gradus::arange(0)), gradus::ValueError);
  CHECK_THROWS_AS(data::Strips(gradus::arange(10), {.batch_size = 0}), gradus::ValueError);
  CHECK_THROWS_AS(data::Strips(gradus::arange(10), {.steps = 0}), gradus::ValueError);
  CHECK_THROWS_AS(data::Strips(gradus::arange(10).reshape({2, 5})), gradus::ShapeError);
  CHECK_THROWS_WITH_AS(data::Strips(gradus::zeros({10})), "Strips: tokens are float32; convert them with .to(int64)", gradus::DTypeError);
  CHECK_THROWS_AS(data::Strips{Tensor()}, gradus::StateError);
  const data::Strips strips(gradus::arange(100), {.batch_size = 3, .steps = 5});
  CHECK_THROWS_WITH_AS(data::DataLoader(strips, {.shuffle = true}), "DataLoader: the dataset is to be read in order; leave shuffle out",
                       gradus::ValueError);
  data::DataLoader pairs(strips, {.batch_size = 2});
  CHECK_THROWS_WITH_AS(pairs.begin(), "DataLoader: a batch of 2 blocks of Strips, each of which is a batch; leave batch_size at 1",
                       gradus::ValueError);
}

TEST_CASE("Strips that were moved from have no blocks") {
  data::Strips strips(gradus::arange(100), {.batch_size = 3, .steps = 5});
  const data::Strips moved = std::move(strips);
  CHECK(moved.size() == 7);
  CHECK(strips.size() == 0);
  CHECK_THROWS_AS(strips.get(0), gradus::IndexError);
  data::DataLoader loader(std::move(strips));
  CHECK((loader.begin() == loader.end()));
}
