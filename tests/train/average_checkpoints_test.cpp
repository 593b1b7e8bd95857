#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/io/checkpoint.h"
#include "gradus/train.h"
#include "io/folder.h"

using namespace gradus;
using train::average_checkpoints;

namespace {

/// A part of a checkpoint that is whatever the test says.
struct Weights {
  io::StateValues values;
  const io::StateValues& state_dict() const { return values; }
  void load_state_dict(const io::StateValues& state) { values = state; }
};

std::string write(const std::string& path, const io::StateValues& values) {
  Weights weights{values};
  io::save_checkpoint(path, {{"model", weights}});
  return path;
}

std::map<std::string, Tensor> by_name(const StateDict& state) { return {state.begin(), state.end()}; }

std::string complaint(const std::vector<std::string>& paths, const std::string& part = "model") {
  try {
    average_checkpoints(paths, part);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("checkpoints are averaged in float64, counts are the last one's") {
  const Folder folder;
  // In float32 1e8 + 1 is 1e8.
  const std::string a = write(folder / "a", {{"x", tensor({1e8, 1.}).to(float32)}, {"y", tensor(1.).to(float64)}, {"n", tensor(3)}});
  const std::string b = write(folder / "b", {{"x", tensor({1., 2.}).to(float32)}, {"y", tensor(2.).to(float64)}, {"n", tensor(5)}});
  const std::string c = write(folder / "c", {{"n", tensor(4)}, {"x", tensor({-1e8, 6.}).to(float32)}, {"y", tensor(6.).to(float64)}});
  const auto mean = by_name(average_checkpoints({a, b, c}));
  CHECK(mean.size() == 3);
  CHECK(mean.at("x").dtype() == float32);
  CHECK(mean.at("x").to_vector<float>() == std::vector<float>{1.0F / 3, 3});
  CHECK(mean.at("y").dtype() == float64);
  CHECK(mean.at("y").item() == 3);
  CHECK(mean.at("n").item<int64_t>() == 4);
  CHECK(by_name(average_checkpoints({b})).at("x").to_vector<float>() == std::vector<float>{1, 2});
}

TEST_CASE("the last checkpoints of a folder are averaged") {
  const Folder folder;
  io::CheckpointManager checkpoints((folder.path / "run").string(), {.keep = 3});
  Weights weights;
  for (const int64_t step : {1, 2, 3, 4}) {
    weights.values = {{"x", tensor(static_cast<double>(step * step))}, {"n", tensor(step)}};
    checkpoints.save(step, {{"model", weights}});
  }
  const auto mean = by_name(average_checkpoints(checkpoints, 2));
  CHECK(mean.at("x").item() == 12.5);
  CHECK(mean.at("n").item<int64_t>() == 4);
  CHECK(by_name(average_checkpoints(checkpoints, 3)).at("x").item<float>() == 29.0F / 3);
  CHECK(checkpoints.newest(2).at(0).step == 4);
  CHECK(checkpoints.newest(2).size() == 2);
  write_bytes(checkpoints.newest(1).at(0).path, "damaged");
  CHECK(by_name(average_checkpoints(checkpoints, 2)).at("x").item() == 6.5);
  CHECK_THROWS_WITH_AS(average_checkpoints(checkpoints, 3),
                       "average_checkpoints: the last 3 checkpoints are asked for, and there are 2 whole ones; keep more", ValueError);
  CHECK_THROWS_AS(average_checkpoints(checkpoints, 0), ValueError);
  CHECK_THROWS_AS(checkpoints.newest(-1), ValueError);
}

TEST_CASE("what cannot be averaged is told by file and parameter") {
  const Folder folder;
  const std::string a = write(folder / "a", {{"x", zeros({2})}, {"y", zeros({1})}}),
                    shape = write(folder / "b", {{"x", zeros({3})}, {"y", zeros({1})}}),
                    dtype = write(folder / "c", {{"x", zeros({2}, {.dtype = float64})}, {"y", zeros({1})}}),
                    fewer = write(folder / "d", {{"x", zeros({2})}}),
                    more = write(folder / "e", {{"x", zeros({2})}, {"y", zeros({1})}, {"z", zeros({1})}}),
                    number = write(folder / "f", {{"x", 1.0}});
  CHECK(complaint({a, a, shape}) == "average_checkpoints: " + shape + ": \"x\" has shape [3], but [2] in " + a);
  CHECK(complaint({a, dtype}) == "average_checkpoints: " + dtype + ": \"x\" is float64, but float32 in " + a);
  CHECK(complaint({a, fewer}) == "average_checkpoints: " + fewer + ": lacks \"y\", which " + a + " has");
  CHECK(complaint({a, more}) == "average_checkpoints: " + more + ": has \"z\", which " + a + " has not");
  CHECK(complaint({a}, "net") == "average_checkpoints: " + a + ": has no part \"net\"; it has: model");
  CHECK(complaint({number}) ==
        "average_checkpoints: " + number + ": \"x\" of part \"model\" is no tensor, and has no mean; name the part of a model");
  CHECK(complaint({}) == "average_checkpoints: no files; give at least one");
  CHECK_THROWS_AS(average_checkpoints({a, folder / "absent"}), IoError);
  write_bytes(folder / "g", "nonsense");
  CHECK_THROWS_AS(average_checkpoints({a, folder / "g"}), IoError);
}
