#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "ops/declarations.h"
#include "parity/cases.h"
#include "parity/table.h"
#include "pattern.h"
#include "source_root.h"

/// An operation has one family, and its declaration, definition, row, cases and line in docs/pytorch.md all stand under the family's name.
namespace gradus::parity {
namespace {

namespace fs = std::filesystem;
using test::Function;
using test::functions_in;
using Names = std::set<std::string, std::less<>>;

/// Operations that are somewhere else than their family says, or have no row, each with the reason.
const std::map<std::string, std::string> outside = {
    {"tensor", "creation: its braces are C++'s; tests/ops/creation/creation_test.cpp checks it"},
    {"from_vector", "creation: PyTorch has none; tests/ops/creation/creation_test.cpp checks it"},
    {"sparse_coo_tensor", "creation: makes a gradient, not an operand; tests/autograd/row_sparse_test.cpp checks it"},
    {"max", "elementwise: of two tensors it is maximum, and its row is that of the reduction"},
    {"min", "elementwise: of two tensors it is minimum, and its row is that of the reduction"},
    {"attention_weights", "attention: the second output of the row of scaled_dot_product_attention"},
    {"sequence_mask", "attention: PyTorch has none; tests/ops/attention/attention_test.cpp checks it"},
    {"linear_cross_entropy", "loss: PyTorch 1.13 has none; tests/ops/loss/linear_cross_entropy_test.cpp compares it with its parts"},
};

const fs::path root = GRADUS_SOURCE_ROOT;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string header_of(const std::string& family) {
  return family == "creation" ? "include/gradus/creation.h" : "include/gradus/ops/" + family + ".h";
}

std::vector<fs::path> sources_of(const std::string& family) {
  std::vector<fs::path> found;
  if (fs::exists(root / "src/ops" / family))
    for (const auto& entry : fs::directory_iterator(root / "src/ops" / family))
      if (entry.path().extension() == ".cpp") found.push_back(entry.path());
  return found;
}

/// How many functions of each name there are, members and those of unnamed namespaces left out.
std::map<std::string, int> count(const std::vector<Function>& functions, bool defined) {
  std::map<std::string, int> times;
  for (const Function& f : functions)
    if (f.defined == defined && !f.hidden && f.name.find(':') == std::string::npos) ++times[f.name];
  return times;
}

/// What the header of a family declares, be it with a body.
Names operations_of(const std::string& family) {
  const std::vector<Function> all = functions_in(text_of(root / header_of(family)));
  Names names;
  for (bool defined : {false, true})
    for (const auto& [name, times] : count(all, defined)) names.insert(name);
  return names;
}

/// Those of them for which every form that is declared has its body in the header or in the family's sources.
Names defined_in(const std::string& family) {
  std::string sources;
  for (const fs::path& path : sources_of(family)) sources += text_of(path);
  const std::map<std::string, int> declared = count(functions_in(text_of(root / header_of(family))), false);
  std::map<std::string, int> bodies = count(functions_in(sources), true);
  Names names;
  for (const std::string& name : operations_of(family))
    if (!declared.contains(name) || bodies[name] >= declared.at(name)) names.insert(name);
  return names;
}

std::string rows_file(const std::string& family) { return "tests/parity/rows_" + family + ".cpp"; }

/// The text of tests/parity/rows_<family>.cpp, and of its parts rows_<family>_<part>.cpp.
std::string rows_text(const std::string& family) {
  std::string text;
  const std::string stem = "rows_" + family;
  for (const auto& entry : fs::directory_iterator(root / "tests/parity")) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() == ".cpp" && (name == stem || name.starts_with(stem + "_"))) text += text_of(entry.path());
  }
  return text;
}

/// The functions that rows of the family call, where the row stands in the family's file and has cases of the family.
Names with_rows_and_cases(const std::string& family) {
  static const Folder folder(GRADUS_SOURCE_ROOT "/tests/parity/cases");
  static const std::map<std::string, std::string> files = [] {
    std::map<std::string, std::string> found;
    for (const json& test : folder.cases())
      if (test.contains("op")) found.emplace(test["op"], test["file"]);
    return found;
  }();
  const std::string text = rows_text(family);
  Names called;
  for (const Row& row : table()) {
    const auto file = files.find(row.name);
    if (row.family != family || file == files.end() || !file->second.starts_with(family + "/")) continue;
    if (text.find("{\"" + std::string(row.name) + "\"") != std::string::npos) called.emplace(row.function_name());
  }
  return called;
}

/// The names on the family's line of the table in docs/pytorch.md, `| family | names |`: the words between backticks.
Names documented_in(const std::string& family) {
  std::istringstream page(text_of(root / "docs/pytorch.md"));
  Names names;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| " + family + " |")) continue;
    for (const std::string& code : testing::search_all(line, "`[^`]*`"))
      for (std::string& word : testing::search_all(code, R"(\w+)")) names.insert(std::move(word));
  }
  return names;
}

/// What an operation lacks in its family, in words; empty when all is where it belongs.
std::string missing(const std::string& family, const std::string& name, const Names& defined, const Names& rows, const Names& documented) {
  std::string text;
  const auto note = [&](bool there, const std::string& what) {
    if (!there) text += (text.empty() ? "" : "; ") + what;
  };
  note(defined.contains(name), "not every form defined in src/ops/" + family + "/");
  note(rows.contains(name), "no row in " + rows_file(family) + " that has cases from tests/parity/generator/" + family + ".py");
  note(documented.contains(name), "not on the line `| " + family + " |` of docs/pytorch.md");
  return text.empty() ? "" : name + " (" + header_of(family) + "): " + text;
}

TEST_CASE("every operation is declared, defined, tested and documented under the name of one family") {
  size_t declared = 0, covered = 0;
  Names used;
  for (const Family& of : families()) {
    const std::string family = of.name;
    const Names defined = defined_in(family), rows = with_rows_and_cases(family), documented = documented_in(family);
    const Names operations = operations_of(family);
    CHECK_MESSAGE(!operations.empty(), header_of(family), " declares nothing");
    for (const std::string& name : operations) {
      ++declared;
      const std::string text = missing(family, name, defined, rows, documented);
      const auto reason = outside.find(name);
      const bool stands_outside = reason != outside.end() && reason->second.starts_with(family + ": ");
      if (text.empty()) ++covered;
      if (stands_outside) {
        used.insert(name);
        CHECK_MESSAGE(!text.empty(), name, " is where its family says; take it off the list of those that stand outside");
      } else if (!text.empty()) {
        FAIL_CHECK(text);
      }
    }
  }
  for (const auto& entry : outside) CHECK_MESSAGE(used.contains(entry.first), entry.first, " stands outside, but no header declares it");
  MESSAGE(covered, " of ", declared, " operations");
  CHECK(declared > 200);
  CHECK(static_cast<double>(covered) >= 0.95 * static_cast<double>(declared));
}

TEST_CASE("every folder, header, file of rows and generator of operations is that of a family") {
  Names known;
  for (const Family& family : families()) known.insert(family.name);
  const auto check_files = [&](const std::string& folder, const std::string& before, const std::string& ending) {
    for (const auto& entry : fs::directory_iterator(root / folder)) {
      std::string name = entry.path().filename().string();
      if (name.starts_with("modules_") || !name.starts_with(before) || !name.ends_with(ending) || entry.is_directory() != ending.empty())
        continue;
      name = name.substr(before.size(), name.size() - before.size() - ending.size());
      if (before == "rows_") name = name.substr(0, name.find('_'));
      CHECK_MESSAGE(known.contains(name), folder, "/", entry.path().filename().string(), " is of no family");
    }
  };
  check_files("include/gradus/ops", "", ".h");
  check_files("src/ops", "", "");
  check_files("tests/ops", "", "");
  check_files("tests/parity", "rows_", ".cpp");
  check_files("tests/parity/cases/data", "", "");
  for (const std::string& name : known) {
    CHECK_MESSAGE(fs::exists(root / ("tests/parity/generator/" + name + ".py")), name, " has no generator");
    CHECK_MESSAGE(fs::exists(root / rows_file(name)), name, " has no rows");
  }
}

TEST_CASE("a row of the table stands in the file of its family") {
  for (const Row& row : table()) {
    const bool there = rows_text(row.family).find("{\"" + std::string(row.name) + "\"") != std::string::npos;
    CHECK_MESSAGE(there, row.name, " is a row of ", row.family, ", but not in ", rows_file(row.family));
  }
}

TEST_CASE("functions are found whatever they return") {
  const std::string text = R"(
    #define OTHER(x) Tensor x(const Tensor&);
    namespace gradus {
    // Tensor in_a_comment(const Tensor& x);
    /* Tensor in_another(); */
    GRADUS_API Tensor plain(const Tensor& x, const Dims& dims = {}, std::string_view mode = "none(");
    GRADUS_API ValuesIndices pair_of(const Tensor& x,
                                     int64_t dim);
    GRADUS_API std::pair<Tensor, Tensor> two(const Tensor& x);
    GRADUS_API std::vector<Tensor> many(const Tensor& x);
    GRADUS_API bool truth(const Tensor& x);
    struct Output { Tensor y; Tensor member(int64_t i) const { return y; } };
    enum class Mode { Sum, Mean };
    GRADUS_API Output structure(const Tensor& x);
    std::function<Tensor(const Tensor&)> function(int i);
    template <class T, class = std::enable_if_t<sizeof(T) == 4>>
    std::map<T, std::vector<Tensor>> generic(T x) noexcept;
    [[nodiscard]] auto trailing(const Tensor& x) -> Tensor;
    inline Tensor in_line(const Tensor& x) { if (x) { return x; } return {}; }
    constexpr int64_t number = limit(1'000);
    const char quote = '{';
    using Distance = std::function<Tensor(const Tensor&, const Tensor&)>;
    Tensor operator+(const Tensor& x, const Tensor& y);
    Tensor Tensor::method(const Dims& dims) const { return *this; }
    namespace {
    Tensor helper() { return {}; }
    }  // namespace
    Tensor after(const char* raw) { return parse(R"x({ "a": 1 )x"); }
    }
  )";
  std::string found;
  for (const Function& f : functions_in(text)) found += f.name + (f.defined ? "{} " : " ") + (f.hidden ? "(hidden) " : "");
  CHECK(found == "plain pair_of two many truth structure function generic trailing in_line{} Tensor::method{} helper{} (hidden) after{} ");
}

TEST_CASE("what an operation lacks is said with its name, family and file") {
  CHECK(missing("shape", "flip", {"flip"}, {"flip"}, {"flip"}) == "");
  CHECK(missing("shape", "flip", {}, {"roll"}, {"flip"}) ==
        "flip (include/gradus/ops/shape.h): not every form defined in src/ops/shape/; no row in tests/parity/rows_shape.cpp that has cases "
        "from "
        "tests/parity/generator/shape.py");
  CHECK(missing("loss", "nll_loss", {"nll_loss"}, {"nll_loss"}, {}) ==
        "nll_loss (include/gradus/ops/loss.h): not on the line `| loss |` of docs/pytorch.md");
}

}  // namespace
}  // namespace gradus::parity
