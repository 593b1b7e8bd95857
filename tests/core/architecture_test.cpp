#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/root.h"

/// Holds the source tree to the rules of docs/architecture.md.
namespace {

using namespace core_test;

struct SourceFile {
  std::string path;  // from the root: "src/core/layout.cpp"
  std::vector<std::string> lines;

  /// What the file includes, without brackets or quotes.
  std::vector<std::string> includes() const {
    std::vector<std::string> found;
    for (const std::string& line : lines)
      if (std::string header = included_by(line); !header.empty()) found.push_back(std::move(header));
    return found;
  }
};

bool is_source(const fs::path& path) {
  static const std::set<std::string> endings{".h", ".cpp", ".py"};
  return endings.contains(path.extension().string());
}

std::vector<SourceFile> files_in(const std::string& folder) {
  std::vector<SourceFile> found;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
    if (!entry.is_regular_file() || !is_source(entry.path())) continue;
    SourceFile file{fs::relative(entry.path(), kRoot).generic_string(), {}};
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) file.lines.push_back(line);
    found.push_back(std::move(file));
  }
  return found;
}

/// The floor of a folder of src/: it includes from lower floors only. Folders of one floor do not see each other, but for autograd and ops:
/// operations record themselves, and the graph adds gradients up and follows views with operations.
int floor_of(const std::string& folder) {
  static const std::vector<std::vector<std::string>> floors{
      {"core"},   {"kernels"}, {"autograd", "ops"}, {"nn", "optim", "data", "text", "io", "generate"}, {"plot", "train", "distributed"},
      {"inspect"}};
  for (size_t i = 0; i < floors.size(); ++i)
    if (std::find(floors[i].begin(), floors[i].end(), folder) != floors[i].end()) return static_cast<int>(i);
  return -1;
}

std::string first_part(const std::string& path) { return path.substr(0, path.find('/')); }

/// Whether a file of `folder` may include `header`.
bool may_include(const std::string& folder, const std::string& header) {
  if (header.find('/') == std::string::npos) return true;
  const std::string target = first_part(header);
  if (target == folder || floor_of(target) < 0) return true;
  const int own = floor_of(folder);
  return floor_of(target) < own || (floor_of(target) == own && own == floor_of("autograd"));
}

}  // namespace

TEST_CASE("the rule of the floors refuses what it should") {
  CHECK(may_include("ops", "core/check.h"));
  CHECK(may_include("ops", "ops/promote.h"));
  CHECK(may_include("ops", "autograd/op.h"));
  CHECK(may_include("autograd", "ops/shape/restride.h"));
  CHECK(may_include("core", "gradus/shape.h"));
  CHECK(may_include("core", "vector"));
  CHECK(!may_include("core", "autograd/op.h"));
  CHECK(!may_include("kernels", "ops/promote.h"));
  CHECK(!may_include("autograd", "nn/hooks.h"));
  CHECK(!may_include("nn", "optim/validate.h"));
}

TEST_CASE("a folder of src includes only from folders below it") {
  const std::vector<SourceFile> files = files_in("src");
  CHECK(files.size() > 50);
  for (const SourceFile& file : files) {
    const std::string folder = first_part(file.path.substr(4));
    CAPTURE(file.path);
    CHECK(floor_of(folder) >= 0);
    for (const std::string& header : file.includes()) {
      CAPTURE(header);
      CHECK(may_include(folder, header));
      CHECK(header.find("..") == std::string::npos);
    }
  }
}

TEST_CASE("kernels know no Tensor") {
  for (const SourceFile& file : files_in("src/kernels"))
    for (const std::string& header : file.includes()) {
      CAPTURE(file.path);
      CHECK(header != "gradus/tensor.h");
      CHECK(header != "gradus/ops.h");
    }
}

TEST_CASE("public headers are light and include nothing from src") {
  const std::vector<SourceFile> files = files_in("include");
  CHECK(files.size() > 20);
  const std::set<std::string> heavy{"iostream",          "fstream",          "regex", "thread", "cblas.h", "lapacke.h",
                                    "nlohmann/json.hpp", "doctest/doctest.h"};
  for (const SourceFile& file : files) {
    CAPTURE(file.path);
    CHECK(!file.lines.empty());
    CHECK(file.lines[0] == "#pragma once");
    for (const std::string& header : file.includes()) {
      CAPTURE(header);
      CHECK(!heavy.contains(header));
      CHECK(first_part(header) != "fmt");
      CHECK(first_part(header) != "openblas");
      if (header.find('/') != std::string::npos) CHECK(first_part(header) == "gradus");
    }
  }
}

TEST_CASE("every header of src is included once") {
  for (const SourceFile& file : files_in("src")) {
    if (!file.path.ends_with(".h") || file.path == "src/core/precompiled.h") continue;  // which is compiled by itself
    CAPTURE(file.path);
    REQUIRE(!file.lines.empty());
    CHECK(file.lines[0] == "#pragma once");
  }
}

TEST_CASE("no file is longer than 500 lines") {
  for (const char* folder : {"src", "include", "tests", "examples"})
    for (const SourceFile& file : files_in(folder)) {
      CAPTURE(file.path);
      CHECK(file.lines.size() <= 500);
    }
}

TEST_CASE("a file is named for what is in it") {
  const std::set<std::string> vague{"utils", "util", "helpers", "helper", "misc", "common", "stuff"};
  for (const char* folder : {"src", "include", "tests", "examples"})
    for (const SourceFile& file : files_in(folder)) {
      CAPTURE(file.path);
      CHECK(!vague.contains(fs::path(file.path).stem().string()));
      for (const auto& part : fs::path(file.path).parent_path()) CHECK(!vague.contains(part.string()));
    }
}
