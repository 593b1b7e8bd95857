#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "rows.h"

namespace bench {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void command(const std::string& line) {
  if (std::system(line.c_str()) != 0) throw std::runtime_error("failed: " + line);
}

/// A folder that goes away with its owner.
struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "gradus-benchmark-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("cannot make a temporary folder");
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
};

/// One training script in the words of one library.
struct Script {
  std::string program, build;

  Script(const fs::path& folder, const std::string& library, const std::string& flags)
      : program((folder / library).string()),
        build("CCACHE_DISABLE=1 g++ -O2 " GRADUS_SOURCE_ROOT "/tests/benchmarks/scripts/" + library + ".cpp -o " + program + " " + flags) {}

  double compile() const {
    const auto start = Clock::now();
    command(build);
    return seconds_since(start);
  }
  /// From the start of the program until it has a tensor.
  double first_tensor() const {
    const auto start = Clock::now();
    Process process({program, "first"});
    process.read_line();
    const double seconds = seconds_since(start);
    process.finish();
    return seconds;
  }
  /// Resident bytes at most, of ten training steps.
  double memory() const {
    Process process({program});
    return process.finish();
  }
};

double stripped_size(const fs::path& folder, const std::string& library) {
  const fs::path stripped = folder / "stripped.so";
  command("strip -o " + stripped.string() + " " + library);
  return static_cast<double>(fs::file_size(stripped));
}

}  // namespace

Results use_rows(const Effort& effort) {
  const Folder folder;
  const std::string library = GRADUS_BUILD_ROOT "/src";
  const Script ours(folder.path, "gradus", "-std=c++20 -I" GRADUS_SOURCE_ROOT "/include -L" + library + " -lgradus -Wl,-rpath," + library);
  const Script torch(folder.path, "libtorch", TORCH_FLAGS " -ltorch -ltorch_cpu -lc10");
  Results results;
  const auto add = [&](const std::string& what, const char* unit, double scale, const Medians& m, double target, std::string note) {
    results.push_back({6, what, 1, unit, m.values[0] * scale, "LibTorch", m.values[1] * scale, m.ratios[1], target, std::move(note)});
  };
  const Effort few{3, effort.seconds, effort.limit};
  add("compile a training script", "s", 1, in_turn({[&] { return ours.compile(); }, [&] { return torch.compile(); }}, few), 8, "");
  add("start to first tensor", "ms", 1e3, in_turn({[&] { return ours.first_tensor(); }, [&] { return torch.first_tensor(); }}, effort), 0,
      "under 20 ms");
  add("peak memory, d2l step", "MB", 1e-6, in_turn({[&] { return ours.memory(); }, [&] { return torch.memory(); }}, few), 0, "under 40 MB");
  const double size = stripped_size(folder.path, library + "/libgradus.so");
  const double theirs = stripped_size(folder.path, TORCH_LIBRARY);
  add("stripped library", "MB", 1e-6, {{size, theirs}, {1, theirs / size}}, 0, "under 8 MB");
  return results;
}

}  // namespace bench
