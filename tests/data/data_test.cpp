#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "data/batches.h"
#include "gradus/creation.h"
#include "gradus/data.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/ops/reduction.h"
#include "gradus/random.h"

using gradus::Tensor;
namespace data = gradus::data;
using namespace data_test;

namespace {

Ints sum_up(const std::vector<Ints>& batches) {
  Ints all;
  for (const Ints& b : batches) all.insert(all.end(), b.begin(), b.end());
  return all;
}

}  // namespace

TEST_CASE("DataLoader gives every example once, in order, in batches of the size asked for") {
  auto loader = numbers_loader(7, {.batch_size = 3});
  CHECK(loader.size() == 3);
  CHECK(epoch_of(loader) == std::vector<Ints>{{0, 1, 2}, {3, 4, 5}, {6}});
  CHECK(epoch_of(loader) == std::vector<Ints>{{0, 1, 2}, {3, 4, 5}, {6}});
  auto even = numbers_loader(6, {.batch_size = 3});
  CHECK(even.size() == 2);
  CHECK(epoch_of(even).size() == 2);
}

TEST_CASE("DataLoader with drop_last leaves out a batch that is not full, and only that") {
  auto loader = numbers_loader(7, {.batch_size = 3, .drop_last = true});
  CHECK(loader.size() == 2);
  CHECK(epoch_of(loader) == std::vector<Ints>{{0, 1, 2}, {3, 4, 5}});
  auto even = numbers_loader(6, {.batch_size = 3, .drop_last = true});
  CHECK(epoch_of(even).size() == 2);
  auto small = numbers_loader(2, {.batch_size = 3, .drop_last = true});
  CHECK(small.size() == 0);
  CHECK(epoch_of(small).empty());
}

TEST_CASE("DataLoader shuffles every epoch anew, the same for the same seed, each example once") {
  auto a = numbers_loader(100, {.batch_size = 7, .shuffle = true, .seed = 3});
  auto b = numbers_loader(100, {.batch_size = 7, .shuffle = true, .seed = 3});
  auto c = numbers_loader(100, {.batch_size = 7, .shuffle = true, .seed = 4});
  const Ints first = sum_up(epoch_of(a)), second = sum_up(epoch_of(a));
  CHECK(first != second);
  CHECK(sum_up(epoch_of(b)) == first);
  CHECK(sum_up(epoch_of(b)) == second);
  CHECK(sum_up(epoch_of(c)) != first);
  for (Ints order : {first, second}) {
    CHECK(order != counted(100));
    std::sort(order.begin(), order.end());
    CHECK(order == counted(100));
  }
  CHECK(a.epoch() == 2);
  a.set_epoch(0);
  CHECK(sum_up(epoch_of(a)) == first);
}

TEST_CASE("shuffling is even: every example comes first about equally often") {
  auto loader = numbers_loader(5, {.batch_size = 5, .shuffle = true, .seed = 1});
  std::vector<int> count(5);
  for (int epoch = 0; epoch < 5000; ++epoch) ++count[static_cast<size_t>(epoch_of(loader)[0][0])];
  for (const int n : count) CHECK(std::abs(n - 1000) < 150);  // five standard deviations
}

TEST_CASE("without a seed of its own, shuffling follows manual_seed, and leaves it alone when not shuffling") {
  const auto first_epoch = [] {
    gradus::manual_seed(5);
    auto loader = numbers_loader(50, {.batch_size = 50, .shuffle = true});
    return epoch_of(loader);
  };
  CHECK(first_epoch() == first_epoch());
  gradus::manual_seed(6);
  auto other = numbers_loader(50, {.batch_size = 50, .shuffle = true});
  CHECK(epoch_of(other) != first_epoch());

  gradus::manual_seed(5);
  const double undisturbed = gradus::rand({1}).item();
  gradus::manual_seed(5);
  auto plain = numbers_loader(50, {.batch_size = 5});
  auto seeded = numbers_loader(50, {.batch_size = 5, .shuffle = true, .seed = 1});
  epoch_of(plain);
  epoch_of(seeded);
  CHECK(gradus::rand({1}).item() == undisturbed);
}

TEST_CASE("DataLoader over a TensorDataset stacks the rows of each tensor") {
  const Tensor x = gradus::arange(10).reshape({5, 2}), y = gradus::arange(5).to(gradus::float32);
  data::DataLoader loader(data::TensorDataset({x, y}), {.batch_size = 2});
  CHECK(loader.size() == 3);
  std::vector<std::vector<Tensor>> batches;
  for (auto& batch : loader) batches.push_back(batch);
  REQUIRE(batches.size() == 3);
  CHECK(gradus::equal(batches[1][0], x.slice(0, 2, 4)));
  CHECK(gradus::equal(batches[2][1], y.slice(0, 4)));
  CHECK(batches[2][0].shape() == gradus::Shape{1, 2});
}

TEST_CASE("DataLoader takes a dataset of single tensors, and a collate function that gives a type of its own") {
  struct Rows {
    Tensor table;
    int64_t size() const { return table.size(0); }
    Tensor get(int64_t i) const { return table[i]; }
  };
  const Rows rows{gradus::arange(6).reshape({3, 2})};
  data::DataLoader plain(rows, {.batch_size = 2});
  CHECK(gradus::equal(*plain.begin(), rows.table.slice(0, 0, 2)));

  struct Batch {
    Tensor padded;
    Ints lengths;
  };
  struct Words {
    int64_t size() const { return 3; }
    Tensor get(int64_t i) const { return gradus::arange(i + 1); }
  };
  data::DataLoader loader(Words{}, {.batch_size = 3}, [](const std::vector<Tensor>& words) {
    Batch batch{data::pad_sequence(words, true, -1), {}};
    for (const Tensor& w : words) batch.lengths.push_back(w.size(0));
    return batch;
  });
  int batches = 0;
  for (auto& batch : loader) {
    ++batches;
    CHECK(batch.lengths == Ints{1, 2, 3});
    CHECK(batch.padded.to_vector<int64_t>() == Ints{0, -1, -1, 0, 1, -1, 0, 1, 2});
  }
  CHECK(batches == 1);
}

TEST_CASE("an empty dataset gives no batches") {
  auto loader = numbers_loader(0, {.batch_size = 3, .shuffle = true, .seed = 1});
  CHECK(loader.size() == 0);
  CHECK(epoch_of(loader).empty());
  data::DataLoader tensors(data::TensorDataset({gradus::zeros({0, 3})}));
  CHECK(tensors.size() == 0);
}

TEST_CASE("DataLoader and TensorDataset refuse what makes no sense") {
  CHECK_THROWS_WITH_AS(numbers_loader(3, {.batch_size = 0}), "DataLoader: batch_size is 0; it must be at least 1", gradus::ValueError);
  CHECK_THROWS_AS(numbers_loader(3, {.batch_size = -1}), gradus::ValueError);
  CHECK_THROWS_AS(numbers_loader(-3, {}), gradus::ValueError);
  CHECK_THROWS_AS(data::TensorDataset({}), gradus::ValueError);
  CHECK_THROWS_AS(data::TensorDataset({gradus::zeros({})}), gradus::ShapeError);
  CHECK_THROWS_WITH_AS(data::TensorDataset({gradus::zeros({3}), gradus::zeros({2, 3})}),
                       "TensorDataset: tensor 1 of shape [2, 3] has 2 examples, but tensor 0 has 3", gradus::ShapeError);
  const data::TensorDataset set({gradus::zeros({3})});
  CHECK_THROWS_AS(set.get(3), gradus::IndexError);
  CHECK_THROWS_AS(set.get(-1), gradus::IndexError);
  using Examples = std::vector<std::vector<Tensor>>;
  CHECK_THROWS_AS(data::DefaultCollate()(Examples{{gradus::zeros(1)}, {}}), gradus::ValueError);
  CHECK_THROWS_AS(data::DefaultCollate()(Examples{{gradus::zeros(1)}, {gradus::zeros(2)}}), gradus::ShapeError);
  CHECK_THROWS_AS(data::DefaultCollate()(Examples{}), gradus::ValueError);
}

TEST_CASE("an exception in a dataset or a collate function passes through, and the next epoch starts afresh") {
  struct Bad {
    int64_t size() const { return 4; }
    int64_t get(int64_t i) const { return i == 2 ? throw std::runtime_error("example 2") : i; }
  };
  data::DataLoader loader(Bad{}, {.batch_size = 2}, [](const Ints& x) { return x; });
  for (int epoch = 0; epoch < 2; ++epoch) {
    int batches = 0;
    CHECK_THROWS_WITH_AS(
        [&] {
          for (auto& batch : loader) batches += static_cast<int>(batch.size() == 2);
        }(),
        "example 2", std::runtime_error);
    CHECK(batches == 1);
  }
}

TEST_CASE("pad_sequence brings sequences to the longest, steps first or batch first") {
  const std::vector<Tensor> sequences{gradus::tensor({1, 2, 3}), gradus::tensor({4}), gradus::tensor({5, 6})};
  const Tensor steps_first = data::pad_sequence(sequences);
  CHECK(steps_first.shape() == gradus::Shape{3, 3});
  CHECK(steps_first.to_vector<int64_t>() == Ints{1, 4, 5, 2, 0, 6, 3, 0, 0});
  const Tensor batch_first = data::pad_sequence(sequences, true, 9);
  CHECK(batch_first.to_vector<int64_t>() == Ints{1, 2, 3, 4, 9, 9, 5, 6, 9});
  CHECK(batch_first.dtype() == gradus::int64);
  CHECK(data::pad_sequence({gradus::zeros({2, 5, 3}), gradus::ones({4, 5, 3})}).shape() == gradus::Shape{4, 2, 5, 3});
  CHECK(data::pad_sequence({gradus::zeros({0, 2}), gradus::zeros({0, 2})}).shape() == gradus::Shape{0, 2, 2});
  CHECK(data::pad_sequence({gradus::zeros({0}), gradus::ones({2})}, true, 0.5).to_vector<double>() == std::vector<double>{0.5, 0.5, 1, 1});
}

TEST_CASE("pad_sequence passes gradients to the sequences and none to the padding") {
  const Tensor a = gradus::ones({2}, {.requires_grad = true}), b = gradus::ones({1}, {.requires_grad = true});
  (data::pad_sequence({a, b}, true) * gradus::tensor({{1, 2}, {3, 4}})).sum().backward();
  CHECK(a.grad().to_vector<double>() == std::vector<double>{1, 2});
  CHECK(b.grad().to_vector<double>() == std::vector<double>{3});
}

TEST_CASE("pad_sequence refuses what does not fit together") {
  CHECK_THROWS_AS(data::pad_sequence({}), gradus::ValueError);
  CHECK_THROWS_AS(data::pad_sequence({gradus::zeros({})}), gradus::ShapeError);
  CHECK_THROWS_WITH_AS(data::pad_sequence({gradus::zeros({2, 3}), gradus::zeros({2, 4})}),
                       "pad_sequence: sequences 0 and 1 have shapes [2, 3] and [2, 4]; only dimension 0 may differ", gradus::ShapeError);
  CHECK_THROWS_AS(data::pad_sequence({gradus::zeros({2, 3}), gradus::zeros({2})}), gradus::ShapeError);
  CHECK_THROWS_AS(data::pad_sequence({gradus::zeros({2}), gradus::tensor({1})}), gradus::DTypeError);
  CHECK_THROWS_AS(data::pad_sequence({gradus::tensor({1}), gradus::tensor({1, 2})}, false, 0.5), gradus::ValueError);
  CHECK_THROWS_AS(data::pad_sequence({Tensor()}), gradus::StateError);
}

TEST_CASE("a ListDataset has the examples of its list, and none after it was moved from") {
  data::ListDataset<std::string> texts({"a", "b", "c"});
  CHECK(texts.size() == 3);
  CHECK(texts.get(1) == "b");
  for (int64_t i : {-1, 3})
    CHECK_THROWS_WITH_AS(texts.get(i), ("ListDataset: example " + std::to_string(i) + " is out of range for 3").c_str(),
                         gradus::IndexError);
  const auto batches = data::DataLoader(texts, {.batch_size = 2}, [](const std::vector<std::string>& some) { return some; });
  std::vector<std::vector<std::string>> seen;
  for (const auto& batch : batches) seen.push_back(batch);
  CHECK(seen == std::vector<std::vector<std::string>>{{"a", "b"}, {"c"}});
  const data::ListDataset<std::string> taken = std::move(texts);
  CHECK(taken.size() == 3);
  CHECK(texts.size() == 0);
}

TEST_CASE("a TensorDataset that was moved from has no examples") {
  data::TensorDataset from({gradus::zeros({3, 2})});
  const data::TensorDataset to = std::move(from);
  // NOLINTBEGIN(bugprone-use-after-move)
  CHECK(from.size() == 0);
  CHECK(from.tensors().empty());
  CHECK_THROWS_WITH_AS(from.get(0), "TensorDataset: example 0 is out of range for 0", gradus::IndexError);
  data::DataLoader over_nothing(from);
  CHECK(over_nothing.size() == 0);
  from = to;
  // NOLINTEND(bugprone-use-after-move)
  CHECK(from.size() == 3);
}

TEST_CASE("a DataLoader and a BatchSampler that were moved from give no batches, whatever the dataset is") {
  /// Like most datasets of one's own, it does not look whether there is an example i.
  struct Rows {
    std::vector<Tensor> rows;
    int64_t size() const { return static_cast<int64_t>(rows.size()); }
    Tensor get(int64_t i) const { return rows[static_cast<size_t>(i)]; }
  };
  data::DataLoader from(Rows{{gradus::zeros(2), gradus::ones(2)}});
  auto cursor = from.begin();
  data::DataLoader to = std::move(from);
  // NOLINTBEGIN(bugprone-use-after-move)
  CHECK(from.size() == 0);
  CHECK_THROWS_WITH_AS(from.dataset(), "DataLoader: the loader was moved from; use the one that it was moved to", gradus::StateError);
  for (const Tensor& batch : from) CHECK(!batch.defined());  // not reached
  ++cursor;
  CHECK(cursor == from.end());
  CHECK(to.size() == 2);
  auto second = to.begin();
  const auto third = std::move(second);
  CHECK_THROWS_AS(++second, gradus::ValueError);
  CHECK((*third).shape() == gradus::Shape{1, 2});
  data::BatchSampler sampler(5, {.batch_size = 2, .shuffle = true, .seed = 1});
  const data::BatchSampler moved = std::move(sampler);
  CHECK(sampler.size() == 0);
  CHECK(sampler.batches(0).order.empty());
  CHECK_THROWS_AS(sampler.batches(0)[0], gradus::IndexError);
  CHECK(moved.batches(0).order.size() == 5);
  CHECK_THROWS_AS(moved.batches(0)[3], gradus::IndexError);
  sampler = moved;
  CHECK(sampler.batches(0).order == moved.batches(0).order);
  // NOLINTEND(bugprone-use-after-move)
}
