#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/io.h"
#include "io/counter.h"
#include "io/folder.h"

using namespace gradus;
namespace fs = std::filesystem;
using Mode = io::CheckpointManagerOptions::Mode;

namespace {

using Steps = std::set<int64_t>;

/// The steps of the files that there are. Any other file is step -1.
Steps steps_in(const fs::path& folder) {
  Steps steps;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    steps.insert(name.starts_with("step-") && name.ends_with(".safetensors") ? std::stoll(name.substr(5)) : -1);
  }
  return steps;
}

void flip(const std::string& file) {
  std::string bytes = read_bytes(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
  write_bytes(file, bytes);
}

/// What stderr receives while it lives, from this process.
class Stderr {
 public:
  explicit Stderr(const Folder& folder) : file_(folder.path.string() + ".stderr"), before_(::dup(STDERR_FILENO)) {
    std::fflush(stderr);
    if (std::FILE* out = std::fopen(file_.c_str(), "w")) {
      ::dup2(::fileno(out), STDERR_FILENO);
      std::fclose(out);
    }
  }
  ~Stderr() {
    text();
    fs::remove(file_);
  }
  Stderr(const Stderr&) = delete;
  Stderr& operator=(const Stderr&) = delete;
  /// All of it; nothing is caught from here on.
  std::string text() {
    if (before_ >= 0) {
      std::fflush(stderr);
      ::dup2(before_, STDERR_FILENO);
      ::close(before_);
      before_ = -1;
    }
    return read_bytes(file_);
  }

 private:
  std::string file_;
  int before_;
};

}  // namespace

TEST_CASE("the last files are kept and the best, whichever measure is better") {
  for (const Mode mode : {Mode::Min, Mode::Max}) {
    const Folder folder;
    Counter counter;
    io::CheckpointManager manager(folder.path.string(), {.keep = 2, .mode = mode});
    const double sign = mode == Mode::Min ? 1 : -1;
    const auto save = [&](int64_t step, std::optional<double> measure) {
      counter.n = step;
      return manager.save(step, {{"counter", counter}}, measure ? std::optional(sign * *measure) : std::nullopt, {{"epoch", step / 100}});
    };
    CHECK_FALSE(manager.latest());
    CHECK_FALSE(manager.best());
    CHECK(save(100, {}).path == (folder.path / "step-000000100.safetensors").string());
    CHECK_FALSE(manager.best());
    save(200, 5);
    save(300, NAN);
    CHECK(steps_in(folder.path) == Steps{200, 300});
    save(400, 7);
    CHECK(steps_in(folder.path) == Steps{200, 300, 400});
    save(500, 5);  // as good as the best, which stays it
    CHECK(steps_in(folder.path) == Steps{200, 400, 500});
    save(600, 4);
    CHECK(steps_in(folder.path) == Steps{500, 600});
    save(700, 8);
    save(800, {});
    CHECK(steps_in(folder.path) == Steps{600, 700, 800});
    CHECK(manager.best()->step == 600);
    CHECK(manager.best()->measure == sign * 4);
    CHECK(manager.latest()->step == 800);
    CHECK_FALSE(manager.latest()->measure);
    CHECK(manager.latest()->values.get<int64_t>("epoch") == 8);
    CHECK(manager.latest()->values.size() == 1);
  }
}

TEST_CASE("another manager goes on: it resumes from the newest, and knows what was the best") {
  const Folder folder;
  Counter counter{3};
  {
    io::CheckpointManager manager(folder.path.string(), {.keep = 1});
    manager.save(3, {{"counter", counter}}, 0.5, {{"mask", ones(2)}});
    counter.n = 1200000000000;
    manager.save(counter.n, {{"counter", counter}}, 0.75);
  }
  CHECK(fs::exists(folder / "step-1200000000000.safetensors"));
  io::CheckpointManager manager((folder.path / "").string(), {.keep = 1});
  counter.n = 0;
  const auto found = manager.resume({{"counter", counter}});
  REQUIRE(found);
  CHECK(counter.n == 1200000000000);
  CHECK(found->step == counter.n);
  CHECK(found->measure == 0.75);
  manager.save(counter.n + 1, {{"counter", counter}}, 0.6);
  CHECK(steps_in(folder.path) == Steps{3, 1200000000001});
  CHECK(manager.best()->step == 3);
  CHECK(manager.best()->values.get<Tensor>("mask").numel() == 2);
}

TEST_CASE("a folder without checkpoints changes nothing") {
  const Folder folder;
  Counter counter{7};
  io::CheckpointManager manager(folder / "a/b");
  CHECK_FALSE(manager.resume({{"counter", counter}}));
  CHECK(counter.n == 7);
  CHECK(fs::is_directory(folder.path / "a" / "b"));
}

TEST_CASE("a damaged file is passed over with a warning that names it, neither counts nor goes, and is written over") {
  const Folder folder;
  Counter counter;
  const auto fill = [&](io::CheckpointManager& manager, int64_t step) {
    counter.n = step;
    manager.save(step, {{"counter", counter}}, 1. / static_cast<double>(step));
  };
  {
    io::CheckpointManager manager(folder.path.string(), {.keep = 3});
    for (int64_t step : {1, 2, 3}) fill(manager, step);
  }
  flip(folder / "step-000000003.safetensors");
  io::CheckpointManager manager(folder.path.string(), {.keep = 1});
  {
    Stderr err(folder);
    const auto found = manager.resume({{"counter", counter}});
    CHECK(manager.latest()->step == 2);
    CHECK(manager.best()->step == 2);
    const std::string said = err.text();
    CHECK(said.find("step-000000003.safetensors: is damaged: its checksum is ") != std::string::npos);
    CHECK(said.find("it is passed over\n") != std::string::npos);
    REQUIRE(found);
    CHECK(found->step == 2);
    CHECK(counter.n == 2);
  }
  {
    Stderr err(folder);
    fs::copy(folder / "step-000000003.safetensors", folder / "step-000000000.safetensors");
    fill(manager, 2);
    CHECK(steps_in(folder.path) == Steps{0, 2, 3});  // 1 is neither the newest nor the best
    fill(manager, 3);
    CHECK(steps_in(folder.path) == Steps{0, 3});
    fill(manager, 4);
    CHECK(steps_in(folder.path) == Steps{0, 4});
    const std::string said = err.text();
    CHECK(said.find("passed over") == said.rfind("passed over"));  // told once
  }
  CHECK(manager.latest()->step == 4);
}

TEST_CASE("where no checkpoint is whole, resume throws and does not begin anew") {
  const Folder folder;
  Counter counter{5};
  io::CheckpointManager manager(folder.path.string());
  manager.save(1, {{"counter", counter}});
  flip(folder / "step-000000001.safetensors");
  counter.n = 6;
  Stderr err(folder);
  CHECK_THROWS_WITH_AS(manager.resume({{"counter", counter}}), doctest::Contains("none of its 1 checkpoints is whole"), IoError);
  CHECK_FALSE(manager.latest());
  CHECK_FALSE(manager.best());
  CHECK(counter.n == 6);
}

TEST_CASE("a checkpoint that is whole and does not fit is an error, not passed over") {
  const Folder folder;
  Counter counter;
  io::CheckpointManager manager(folder.path.string());
  manager.save(1, {{"counter", counter}});
  CHECK_THROWS_WITH_AS(manager.resume({{"other", counter}}), doctest::Contains("part \"other\" is not in the file"), ValueError);
  CHECK_THROWS_AS(manager.resume({{"a.b", counter}}), ValueError);
}

TEST_CASE("a save removes what interrupted saves left, whatever their step, and no other file") {
  const Folder folder;
  Counter counter;
  // A process that there is no more.
  const pid_t dead = fork();
  if (dead == 0) _exit(0);
  waitpid(dead, nullptr, 0);
  const std::string end = "." + std::to_string(dead) + ".0.part";
  const auto name = [&](const std::string& stem) { return (folder.path / (stem + end)).string(); };
  for (const char* stem : {"step-000000007.safetensors", "step-000000001.safetensors", "model.safetensors", "step-7.safetensors"})
    write_bytes(name(stem), "left");
  write_bytes(folder / "notes.part", "mine");
  io::CheckpointManager manager(folder.path.string());
  manager.save(1, {{"counter", counter}});
  CHECK_FALSE(fs::exists(name("step-000000007.safetensors")));
  CHECK_FALSE(fs::exists(name("step-000000001.safetensors")));
  CHECK(fs::exists(name("model.safetensors")));
  CHECK(fs::exists(name("step-7.safetensors")));
  CHECK(fs::exists(folder / "notes.part"));
}

TEST_CASE("two trainings cannot keep their checkpoints in one folder, and reading needs no lock") {
  const Folder folder;
  Counter counter{1};
  const std::string path = folder.path.string();
  std::optional<io::CheckpointManager> first(path);
  io::CheckpointManager second(path);
  first->save(1, {{"counter", counter}});
  const char* const text = "another training keeps its checkpoints there; end it, or give another folder";
  CHECK_THROWS_WITH_AS(second.save(2, {{"counter", counter}}), doctest::Contains(text), IoError);
  CHECK_THROWS_WITH_AS(second.resume({{"counter", counter}}), doctest::Contains(text), IoError);
  CHECK(second.latest()->step == 1);
  const auto in_child = [](const auto& call) {
    const pid_t child = fork();
    if (child == 0) {
      try {
        call();
      } catch (const IoError&) {
        _exit(1);
      }
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status) == 0;
  };
  // A child of fork() is another process, although it has the manager.
  CHECK_FALSE(in_child([&] { first->save(3, {{"counter", counter}}); }));
  CHECK_FALSE(in_child([&] { second.save(3, {{"counter", counter}}); }));
  CHECK(in_child([&] { first.reset(); }));
  CHECK_THROWS_AS(second.save(2, {{"counter", counter}}), IoError);  // that child did not give up the lock
  first.reset();
  CHECK(in_child([&] { second.save(3, {{"counter", counter}}); }));
  second.save(4, {{"counter", counter}});
  CHECK(steps_in(folder.path) == Steps{1, 3, 4});
}

TEST_CASE("a manager refuses what makes no sense") {
  const Folder folder;
  Counter counter;
  const std::string path = folder.path.string();
  CHECK_THROWS_WITH_AS(io::CheckpointManager(path, {.keep = 0}), "CheckpointManager: keep is 0; it must be at least 1", ValueError);
  write_bytes(folder / "file", "x");
  CHECK_THROWS_AS(io::CheckpointManager(folder / "file"), IoError);
  CHECK_THROWS_AS(io::CheckpointManager(folder / "file/inside"), IoError);
  io::CheckpointManager manager(path);
  CHECK_THROWS_AS(manager.save(-1, {{"counter", counter}}), ValueError);
  CHECK_THROWS_AS(manager.save(1, {{"counter", counter}}, {}, {{"step", 1}}), ValueError);
  CHECK_THROWS_AS(manager.save(1, {{"counter", counter}}, {}, {{"measure", 1}}), ValueError);
  CHECK(folder.files() == 1);
}
