#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gradus/creation.h"
#include "gradus/data.h"
#include "gradus/io.h"
#include "gradus/nn.h"
#include "gradus/ops/reduction.h"
#include "gradus/optim.h"
#include "gradus/parallel.h"
#include "gradus/random.h"
#include "robustness/child.h"

using namespace gradus;
using namespace robustness;
namespace fs = std::filesystem;

namespace {

/// A folder of its own that goes with the test.
struct Folder {
  fs::path path;
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "gradus-kill-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
};

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// Has another process kill this one so many microseconds from now.
void die_in(int64_t microseconds) {
  const pid_t self = getpid();
  if (fork() != 0) return;
  std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
  if (getppid() == self) kill(self, SIGKILL);
  _exit(0);
}

/// Trains with dropout and shuffling, saves after every step, and goes on from what there is. At the end it leaves `final`.
const Scenario trains("train with checkpoints", [](const auto& arguments) {
  const fs::path folder = arguments.at(0);
  const int64_t all = std::stoll(arguments.at(1)), dies = std::stoll(arguments.at(2));
  set_num_threads(2);
  if (dies > 0) die_in(dies);
  manual_seed(1);
  struct Net : nn::Module {
    nn::GRU rnn = register_module("rnn", nn::GRU(4, 16, {.num_layers = 2, .dropout = 0.5}));
    nn::Linear head = register_module("head", nn::Linear(16, 3));
  } net;
  optim::Adam adam(net.parameters());
  optim::CosineAnnealingLR schedule(adam, 50);
  data::DataLoader loader(data::TensorDataset({randn({33, 5, 4}), randint(3, {33})}), {.batch_size = 4, .shuffle = true});
  const io::CheckpointParts parts{{"model", net}, {"optimizer", adam}, {"schedule", schedule}, {"loader", loader}};
  io::CheckpointManager checkpoints((folder / "checkpoints").string(), {.keep = 2});
  int64_t step = 0;
  if (const auto found = checkpoints.resume(parts)) step = found->step;
  while (step < all)
    for (auto& batch : loader) {
      const Tensor loss = cross_entropy(net.head(net.rnn(batch[0].transpose(0, 1)).output[-1]), batch[1]);
      adam.zero_grad();
      loss.backward();
      adam.step();
      schedule.step();
      checkpoints.save(++step, parts, loss.item());
      if (step == all) break;
    }
  io::save_checkpoint((folder / "final").string(), parts, {{"step", step}});
  return 0;
});

/// A part whose tensor and number are those of one save.
struct Stamp {
  int64_t n = 0;
  Tensor tensor = zeros({40'000});
  io::StateValues state_dict() const { return {{"n", n}, {"tensor", tensor}}; }
  void load_state_dict(const io::StateValues& state) {
    n = state.get<int64_t>("n");
    tensor = state.get<Tensor>("tensor");
  }
};

/// Saves until it is killed, or `count` times. The exit status of the first way is not 0.
void save_on(const std::string& folder, int64_t count) {
  Stamp stamp;
  io::CheckpointManager checkpoints(folder, {.keep = 2});
  const auto found = checkpoints.resume({{"stamp", stamp}});
  for (int64_t i = 0; i < count; ++i) {
    ++stamp.n;
    stamp.tensor = full({40'000}, stamp.n);
    checkpoints.save(stamp.n, {{"stamp", stamp}});
  }
  _exit(found || stamp.n == count ? 0 : 1);
}

}  // namespace

TEST_CASE("a training that is killed at any moment, again and again, ends with the bits of one that was left alone") {
  const Folder alone, killed;
  const std::string steps = "300";
  const Ending whole = run("train with checkpoints", {.arguments = {alone.path.string(), steps, "0"}});
  CAPTURE(whole);
  REQUIRE(whole.well());
  std::mt19937 random(1);
  int kills = 0;
  for (int attempt = 0; attempt < 1000; ++attempt) {
    // Later and later, so that it ends however slow the machine is.
    const int64_t dies = std::uniform_int_distribution<int64_t>(20'000, 60'000 + 5'000 * attempt)(random);
    const Ending ending = run("train with checkpoints", {.arguments = {killed.path.string(), steps, std::to_string(dies)}});
    if (ending.well()) break;
    CAPTURE(ending);
    REQUIRE(ending.signal == SIGKILL);
    CHECK(ending.err.empty());
    ++kills;
  }
  MESSAGE(kills << " kills");
  CHECK(kills > 0);
  REQUIRE(fs::exists(killed.path / "final"));
  CHECK(bytes_of(killed.path / "final") == bytes_of(alone.path / "final"));
}

TEST_CASE("of 1000 processes that are killed while they save, each leaves a last checkpoint that loads, and the next save no stray file") {
  const Folder folder;
  const std::string path = folder.path.string();
  std::mt19937 random(2);
  const auto ends = [](pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return status;
  };
  int64_t last = 0, strays = 0;
  for (int kills = 0; kills < 1000; ++kills) {
    const pid_t child = fork();
    if (child == 0) save_on(path, INT64_MAX);
    std::this_thread::sleep_for(std::chrono::microseconds(std::uniform_int_distribution<int64_t>(0, 12'000)(random)));
    kill(child, SIGKILL);
    CHECK(WIFSIGNALED(ends(child)));
    Stamp stamp;
    const auto newest = io::CheckpointManager(path).latest();
    if (newest) {
      io::load_checkpoint(newest->path, {{"stamp", stamp}});
      CHECK(stamp.n == newest->step);
      CHECK(equal(stamp.tensor, full({40'000}, stamp.n)));
    }
    REQUIRE(stamp.n >= last);
    last = stamp.n;
    for (const auto& entry : fs::directory_iterator(folder.path)) strays += entry.path().extension() == ".part";
    if (kills % 20 != 19) continue;
    const pid_t saver = fork();
    if (saver == 0) save_on(path, 1);
    CHECK(ends(saver) == 0);
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder.path)) names.push_back(entry.path().filename().string());
    CHECK(names.size() == (last + 1 >= 2 ? 2 : 1));
    for (const std::string& name : names) CHECK(name.ends_with(".safetensors"));
    last = io::CheckpointManager(path).latest()->step;
  }
  MESSAGE(last << " saves, " << strays << " of them cut off in the middle");
  CHECK(strays > 0);
}
