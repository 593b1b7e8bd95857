#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "error_of.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/data.h"
#include "gradus/error.h"
#include "gradus/io.h"
#include "gradus/nn/layers.h"
#include "gradus/nn/normalization.h"
#include "gradus/ops/reduction.h"
#include "gradus/optim.h"
#include "gradus/random.h"
#include "io/counter.h"
#include "io/folder.h"
#include "io/safetensors_file.h"

using namespace gradus;

using testing::error_of;

namespace {

/// One of every kind of value.
struct Everything {
  io::StateValues values;
  io::StateValues state_dict() const { return values; }
  void load_state_dict(const io::StateValues& state) { values = state; }
};

/// One that is half changed when it refuses a state.
struct Fragile {
  double a = 0, b = 0;
  bool refuses = false;
  std::vector<std::pair<std::string, double>> state_dict() const { return {{"a", a}, {"b", b}}; }
  void load_state_dict(const std::vector<std::pair<std::string, double>>& state) {
    a = state.at(0).second;
    if (std::exchange(refuses, false)) throw std::runtime_error("fragile");
    b = state.at(1).second;
  }
};

/// A module that saves something else than its parameters.
struct Headless : nn::Module {
  nn::Linear head = register_module("head", nn::Linear(2, 2));
  int64_t loaded = 0;
  StateDict state_dict() const { return {}; }
  void load_state_dict(const StateDict& state) { loaded += 1 + static_cast<int64_t>(state.size()); }
};

static_assert(io::Stateful<nn::Module> && io::Stateful<const nn::Linear> && io::Stateful<optim::Optimizer> && io::Stateful<optim::Adam>);
static_assert(io::Stateful<optim::Scheduler> && io::Stateful<optim::SequentialLR> && io::Stateful<optim::EMA>);
static_assert(io::Stateful<data::DataLoader<data::TensorDataset>> && io::Stateful<Counter> && io::Stateful<Fragile>);
static_assert(!io::Stateful<int> && !io::Stateful<std::string> && !io::Stateful<Tensor> && !io::Stateful<const Counter>);
static_assert(io::detail::LoadsInHalves<nn::Linear> && io::detail::LoadsInHalves<const nn::Module> &&
              io::detail::LoadsInHalves<optim::Adam>);
static_assert(io::detail::LoadsInHalves<optim::StepLR> && io::detail::LoadsInHalves<optim::EMA>);
static_assert(io::detail::LoadsInHalves<data::DataLoader<data::TensorDataset>>);
static_assert(!io::detail::LoadsInHalves<Counter> && !io::detail::LoadsInHalves<Headless>);

bool same(const StateDict& a, const StateDict& b) {
  bool all = a.size() == b.size();
  for (size_t i = 0; all && i < a.size(); ++i)
    all = a[i].first == b[i].first && a[i].second.dtype() == b[i].second.dtype() && equal(a[i].second, b[i].second);
  return all;
}

StateDict copied(const StateDict& state) {
  StateDict copy;
  for (const auto& [name, tensor] : state) copy.emplace_back(name, tensor.clone());
  return copy;
}

/// A training of every kind of part, that has taken some steps.
struct Training {
  nn::Linear model{3, 2};
  optim::Adam adam{model.parameters(), {.lr = 0.1}};
  optim::StepLR schedule{adam, 2};
  optim::EMA ema{model.parameters()};
  data::DataLoader<data::TensorDataset> loader{data::TensorDataset({ones({9, 3})}), {.batch_size = 2, .shuffle = true}};
  Counter counter;
  Fragile fragile;

  explicit Training(int64_t steps) {
    auto it = loader.begin();
    for (int64_t i = 0; i < steps; ++i) {
      adam.zero_grad();
      model((*it)[0]).sum().backward();
      adam.step();
      schedule.step();
      ema.update();
      ++counter.n;
      fragile.a += 1.5;
      fragile.b -= 1;
      ++it;
    }
  }
  io::CheckpointParts parts() {
    return {{"model", model},   {"optimizer", adam},  {"schedule", schedule}, {"ema", ema},
            {"loader", loader}, {"counter", counter}, {"fragile", fragile}};
  }
  /// All that a failed load must leave as it is.
  struct State {
    StateDict model, adam, schedule, ema, loader;
    int64_t n;
    double a, b;
    Tensor random;
    bool operator==(const State& other) const {
      return same(model, other.model) && same(adam, other.adam) && same(schedule, other.schedule) && same(ema, other.ema) &&
             same(loader, other.loader) && n == other.n && a == other.a && b == other.b && equal(random, other.random);
    }
  };
  State state() {
    return {copied(model.state_dict()),
            adam.state_dict(),
            schedule.state_dict(),
            ema.state_dict(),
            loader.state_dict(),
            counter.n,
            fragile.a,
            fragile.b,
            get_rng_state()};
  }
};

}  // namespace

TEST_CASE("a checkpoint brings back every part, the random state and the values") {
  const Folder folder;
  const std::string file = folder / "run.safetensors";
  manual_seed(3);
  Training from(3);
  randn({1});
  const auto expected = from.state();
  io::save_checkpoint(file, from.parts(), {{"step", 3}, {"best", 0.1}, {"note", "täglich \"x\"\n"}, {"mask", tensor({true, false})}});
  manual_seed(4);
  Training to(1);
  CHECK_FALSE(to.state() == expected);
  const io::StateValues values = io::load_checkpoint(file, to.parts());
  CHECK(to.state() == expected);
  CHECK(values.size() == 4);
  CHECK(values.get<int64_t>("step") == 3);
  CHECK(values.get<double>("best") == 0.1);
  CHECK(values.get<std::string>("note") == "täglich \"x\"\n");
  CHECK(equal(values.get<Tensor>("mask"), tensor({true, false})));
  CHECK(folder.files() == 1);
}

TEST_CASE("the file is a safetensors file in which a part's tensors have its name before theirs") {
  const Folder folder;
  const std::string file = folder / "run.safetensors";
  Training training(2);
  io::save_checkpoint(file, training.parts(), {{"step", 2}, {"mask", ones(3)}});
  const io::NamedTensors content = io::load_safetensors(file);
  CHECK(equal(content.at("model.weight"), training.model.state_dict()[0].second));
  CHECK(content.at("optimizer.state.0.step").item() == 2);
  CHECK(content.at("optimizer.param_groups.0.lr").dtype() == float64);
  CHECK(content.contains("ema.shadow_params.0"));
  CHECK(content.at("loader.batch").item() == 3);
  CHECK(content.at("values.mask").numel() == 3);
  CHECK(equal(content.at("rng_state"), get_rng_state()));
  CHECK(content.metadata.at("format") == "gradus-checkpoint-1");
  CHECK(content.metadata.at("checkpoint").find("\"counter\":{\"n\":2}") != std::string::npos);
  CHECK(content.metadata.at("checkpoint").find("\"step\":2") != std::string::npos);
  CHECK(content.metadata.at("xxh64").size() == 16);
  CHECK(io::verify_checksum(file));
  io::save_safetensors(folder / "plain.safetensors", training.model.state_dict());
  CHECK_FALSE(io::verify_checksum(folder / "plain.safetensors"));
}

TEST_CASE("numbers come back to the bit, texts to the byte") {
  const Folder folder;
  const std::string file = folder / "run.safetensors";
  constexpr double inf = std::numeric_limits<double>::infinity();
  const std::vector<double> numbers{0.1,
                                    -0.0,
                                    1.0,
                                    1e300,
                                    5e-324,
                                    std::nextafter(1.0, 2.0),
                                    inf,
                                    -inf,
                                    std::bit_cast<double>(0x7FF8000000000123),
                                    1e16 + 2,
                                    std::numeric_limits<double>::max()};
  Everything from;
  for (size_t i = 0; i < numbers.size(); ++i) from.values.insert("number " + std::to_string(i), numbers[i]);
  from.values.insert("least", std::numeric_limits<int64_t>::min());
  from.values.insert("most", std::numeric_limits<int64_t>::max());
  from.values.insert("seed", std::numeric_limits<uint64_t>::max());
  from.values.insert("yes", true);
  from.values.insert("", std::string("\0\x01 {\"xxh64\":\"0000000000000000\"}", 30));
  from.values.insert("tensor", ones({2, 3}).slice(1, 0, 3, 2));
  from.values.insert("empty", zeros({0, 2}, {.dtype = int64}));
  io::save_checkpoint(file, {{"all", from}});
  Everything to;
  io::load_checkpoint(file, {{"all", to}});
  CHECK(to.values.size() == from.values.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    CHECK(to.values.at("number " + std::to_string(i)).is<double>());
    CHECK(std::bit_cast<uint64_t>(to.values.get<double>("number " + std::to_string(i))) == std::bit_cast<uint64_t>(numbers[i]));
  }
  CHECK(to.values.get<int64_t>("least") == std::numeric_limits<int64_t>::min());
  CHECK(to.values.get<int64_t>("most") == std::numeric_limits<int64_t>::max());
  CHECK(to.values.get<uint64_t>("seed") == std::numeric_limits<uint64_t>::max());
  CHECK(to.values.get<bool>("yes"));
  CHECK(to.values.get<std::string>("") == from.values.get<std::string>(""));
  CHECK(to.values.get<Tensor>("tensor").shape() == Shape{2, 2});
  CHECK(to.values.get<Tensor>("empty").shape() == Shape{0, 2});
}

TEST_CASE("a value of another kind, or one that is not there, is refused by its name") {
  const io::StateValues values{{"step", 300}, {"lr", 0.5}, {"note", "x"}, {"mask", ones(2)}, {"done", false}};
  CHECK(values.get<double>("step") == 300);
  CHECK(values.get<float>("lr") == 0.5F);
  CHECK_THROWS_WITH_AS(values.get<int64_t>("lr"), "StateValue: lr is a real number, not a whole number", ValueError);
  CHECK_THROWS_WITH_AS(values.get<double>("note"), "StateValue: note is text, not a number", ValueError);
  CHECK_THROWS_WITH_AS(values.get<Tensor>("done"), "StateValue: done is true or false, not a tensor", ValueError);
  CHECK_THROWS_WITH_AS(values.get<std::string>("mask"), "StateValue: mask is a tensor, not text", ValueError);
  CHECK_THROWS_WITH_AS(values.get<bool>("step"), "StateValue: step is a whole number, not true or false", ValueError);
  CHECK_THROWS_WITH_AS(values.get<int8_t>("step"), "StateValue: step is a whole number, not a number of the size asked for", ValueError);
  CHECK_THROWS_WITH_AS(values.at("loss"), "StateValues: no value is called \"loss\"; there are 5: step, lr, note, mask, done", ValueError);
}

TEST_CASE("a flipped bit anywhere is reported with the file's name, and nothing is loaded") {
  const Folder folder;
  const std::string file = folder / "run.safetensors";
  Training from(3), to(1);
  io::save_checkpoint(file, from.parts(), {{"step", 3}});
  const std::string good = read_bytes(file);
  const auto before = to.state();
  int64_t tried = 0;
  const auto refused = [&](const std::string& bytes) {
    write_bytes(file, bytes);
    ++tried;
    try {
      io::load_checkpoint(file, to.parts());
    } catch (const IoError& error) {
      return std::string(error.what()).starts_with("load_checkpoint: " + file + ": ");
    }
    return false;
  };
  for (size_t byte = 0; byte < good.size(); byte += byte < 1500 ? 1 : 41) {  // every byte of the header's beginning, and then some
    std::string bytes = good;
    bytes[byte] = static_cast<char>(bytes[byte] ^ 1 << byte % 8);
    if (!refused(bytes)) FAIL("bit " << byte % 8 << " of byte " << byte);
  }
  for (const size_t length : {size_t{0}, size_t{7}, size_t{8}, good.size() / 2, good.size() - 1}) CHECK(refused(good.substr(0, length)));
  CHECK(refused(good + '\0'));
  CHECK(refused(std::string(5000, '\0')));
  CHECK(tried > 1500);
  CHECK(to.state() == before);
  write_bytes(file, good);
  io::load_checkpoint(file, to.parts());
  CHECK(to.state() == from.state());
}

TEST_CASE("what is no checkpoint is said to be none") {
  const Folder folder;
  Training training(1);
  const std::string plain = folder / "plain.safetensors";
  io::save_safetensors(plain, training.model.state_dict());
  CHECK_THROWS_WITH_AS(io::load_checkpoint(plain, {{"model", training.model}}),
                       doctest::Contains("is no checkpoint of this version: its format is not gradus-checkpoint-1"), IoError);
  io::save_safetensors(plain, training.model.state_dict(), {{"format", "gradus-checkpoint-1"}, {"checkpoint", "{}"}});
  CHECK_THROWS_WITH_AS(io::load_checkpoint(plain, {{"model", training.model}}), doctest::Contains("has no checksum"), IoError);
  CHECK_THROWS_AS(io::load_checkpoint(folder / "none", {{"model", training.model}}), IoError);
  CHECK_THROWS_AS(io::verify_checksum(folder / "none"), IoError);
}

TEST_CASE("a file that claims very many values, parts or depths is refused at once, and in few words") {
  const Folder folder;
  const std::string file = folder / "run.safetensors";
  Training training(1);
  const auto before = training.state();
  const auto complaint = [&](const std::string& list) {
    io::write_safetensors("test", file, {{"rng_state", get_rng_state()}}, {{"format", "gradus-checkpoint-1"}, {"checkpoint", list}},
                          io::WithChecksum::Yes);
    return error_of<std::exception>([&] { io::load_checkpoint(file, training.parts()); });
  };
  const auto many = [](int count, const std::string& item) {
    std::string list = "{\"parts\":{";
    for (int i = 0; i < count; ++i) list += (i ? ",\"" : "\"") + std::to_string(i) + "\":" + item;
    return list + "},\"values\":{}}";
  };
  const std::clock_t begin = std::clock();
  const std::string text = complaint(many(90'000, "{}"));
  CHECK(std::clock() - begin < 5 * CLOCKS_PER_SEC);  // of the processor; it was 20 when objects were looked at again and again
  CHECK(text.find("and 89980 other parts of the file are not either") != std::string::npos);
  CHECK(text.size() < 5000);
  CHECK(complaint(many(210'000, "{}")).ends_with("has more than 100000 values"));
  CHECK(complaint(many(1, "{\"a\":{\"b\":{}}}")).ends_with("its list of values has more in it than values"));
  CHECK(complaint(many(1, "[]")).ends_with("its list of values has more in it than values"));
  CHECK(complaint(many(1, "{\"a\":{\"b\":1}}")).ends_with("0 has no value in its a"));
  CHECK(complaint("{\"parts\":").find("its list of values is damaged: ") != std::string::npos);
  CHECK(training.state() == before);
}

TEST_CASE("either all parts are loaded or nothing is changed, whichever part does not fit") {
  const Folder folder;
  const std::string file = folder / "run.safetensors";
  manual_seed(1);
  Training from(3);
  io::save_checkpoint(file, from.parts(), {{"step", 3}});
  const auto saved = from.state();
  /// Each in the place of the part of that name, and does not fit.
  nn::Linear wide(4, 2);
  optim::SGD sgd(wide.parameters(), {.momentum = 0.9});
  optim::ExponentialLR one_group(sgd, 0.5);
  optim::SequentialLR other_schedule(sgd, {&one_group}, {});
  optim::EMA wide_ema(wide.parameters());
  data::DataLoader<data::TensorDataset> other_data(data::TensorDataset({ones({8, 3})}), {.batch_size = 2, .shuffle = true});
  struct NoNumbers {
    std::map<std::string, Tensor> state_dict() const { return {{"a", ones(1)}}; }
    void load_state_dict(const std::map<std::string, Tensor>&) {}
  } no_numbers;
  Fragile refusing;
  refusing.refuses = true;
  const std::vector<std::pair<io::CheckpointPart, const char*>> unfit{{{"model", wide}, "mismatched: weight"},
                                                                      {{"optimizer", sgd}, "param_groups.0.momentum is missing"},
                                                                      {{"schedule", other_schedule}, "_schedulers.0.last_epoch is missing"},
                                                                      {{"ema", wide_ema}, "shadow_params.0 is"},
                                                                      {{"loader", other_data}, "examples is 9, but 8 here"},
                                                                      {{"counter", no_numbers}, "n is a whole number, not a tensor"},
                                                                      {{"fragile", refusing}, "fragile"}};
  for (const auto& entry : unfit) {
    const io::CheckpointPart& bad = entry.first;
    for (size_t rotation = 0; rotation < 7; ++rotation) {
      CAPTURE(bad.name());
      CAPTURE(rotation);
      manual_seed(2);
      Training to(1);
      const auto before = to.state();
      io::CheckpointParts parts = to.parts();
      for (auto& part : parts)
        if (part.name() == bad.name()) part = bad;
      std::rotate(parts.begin(), parts.begin() + static_cast<int64_t>(rotation), parts.end());
      refusing = {};
      refusing.refuses = true;
      CHECK(error_of<std::exception>([&] { io::load_checkpoint(file, parts); }).find(entry.second) != std::string::npos);
      CHECK(to.state() == before);
      CHECK((refusing.a == 0 && refusing.b == 0));
      io::load_checkpoint(file, to.parts());
      CHECK(to.state() == saved);
    }
  }
}

TEST_CASE("all that does not fit is told at once, with the file and the part") {
  const Folder folder;
  const std::string file = folder / "run.safetensors";
  Training from(1);
  nn::Linear wide(4, 2);
  optim::SGD sgd(wide.parameters());
  io::save_checkpoint(file, {{"model", from.model}, {"optimizer", from.adam}, {"ema", from.ema}});
  const std::string text = error_of<std::exception>([&] {
    io::load_checkpoint(file, {{"model", wide}, {"optimizer", sgd}, {"counter", from.counter}});
  });
  CHECK(text.starts_with("load_checkpoint: " + file + ": the checkpoint does not fit, nothing was loaded:\n"));
  for (const char* part : {"part \"model\": load_state_dict: the state does not fit Linear", "part \"optimizer\": SGD: load_state_dict",
                           "part \"counter\" is not in the file", "part \"ema\" of the file is not among those to load"})
    CHECK(text.find(part) != std::string::npos);
}

TEST_CASE("with strict = false a model alone is taken out of a checkpoint, and the random numbers go on as they were") {
  const Folder folder;
  const std::string file = folder / "run.safetensors";
  Training from(2), to(0);
  io::save_checkpoint(file, from.parts());
  manual_seed(8);
  const Tensor random = get_rng_state();
  Counter absent{7};
  io::load_checkpoint(file, {{"model", to.model}, {"other", absent}}, false);
  CHECK(same(to.model.state_dict(), from.model.state_dict()));
  CHECK(absent.n == 7);
  CHECK(equal(get_rng_state(), random));
  CHECK(to.adam.state_dict().size() < from.adam.state_dict().size());
}

TEST_CASE("a module with a state_dict of its own is loaded through it") {
  const Folder folder;
  const std::string file = folder / "run.safetensors";
  Headless headless;
  io::save_checkpoint(file, {{"model", headless}});
  CHECK(io::load_safetensors(file).tensors.size() == 1);
  io::load_checkpoint(file, {{"model", headless}});
  CHECK(headless.loaded == 1);
}

TEST_CASE("a state is loaded into a model in the middle of a graph only when it fits") {
  const Folder folder;
  const std::string file = folder / "run.safetensors";
  Training from(1), to(1);
  io::save_checkpoint(file, {{"model", from.model}, {"counter", from.counter}});
  const Tensor x = ones({1, 3}, {.requires_grad = true}), loss = (to.model(x) * to.model.state_dict()[1].second).sum();
  CHECK_THROWS_AS(io::load_checkpoint(file, {{"model", to.model}}), ValueError);
  loss.backward();  // which would notice that the weights were written to
  CHECK(x.grad().defined());
}

TEST_CASE("bad names and states are refused before a file is written, and an old one stays") {
  const Folder folder;
  const std::string file = folder / "run.safetensors";
  Training training(1);
  io::save_checkpoint(file, training.parts());
  const std::string good = read_bytes(file);
  for (const char* name : {"", "a.b", "values", "rng_state"}) {
    CHECK_THROWS_WITH_AS(io::save_checkpoint(file, {{name, training.model}}), doctest::Contains("a part cannot be called"), ValueError);
    CHECK_THROWS_AS(io::load_checkpoint(file, {{name, training.model}}), ValueError);
  }
  CHECK_THROWS_WITH_AS(io::save_checkpoint(file, {{"model", training.model}, {"model", training.adam}}),
                       "save_checkpoint: two parts are called \"model\"", ValueError);
  CHECK_THROWS_AS(io::save_checkpoint(file, {}, {{"a", 1}, {"a", 2}}), ValueError);
  CHECK_THROWS_AS(io::save_checkpoint(file, {}, {{"a", ones(1)}, {"a", ones(2)}}), ValueError);
  CHECK_THROWS_AS(io::save_checkpoint(file, {}, {{"a", Tensor()}}), StateError);
  CHECK_THROWS_AS(io::save_checkpoint(file, {}, {{"a", "\xFF"}}), ValueError);
  CHECK_THROWS_AS(io::save_checkpoint(file, {}, {{"\xFF", 1}}), ValueError);
  CHECK_THROWS_AS(io::save_checkpoint(folder / "no/folder", training.parts()), IoError);
  Everything many;
  for (int i = 0; i < 100'000; ++i) many.values.insert(std::to_string(i), i);
  CHECK_THROWS_WITH_AS(io::save_checkpoint(file, {{"many", many}}), doctest::Contains("100003 numbers and texts"), ValueError);
  CHECK(read_bytes(file) == good);
  CHECK(folder.files() == 1);
  io::save_checkpoint(file, {});
  CHECK(io::load_checkpoint(file, {}).size() == 0);
}
