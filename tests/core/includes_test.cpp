#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/root.h"

/// What files include: the standard headers that they use, since what one standard library happens to include for another header's sake the
/// next version of it does not; and few headers of operations, so that a change to one does not rebuild everything.
namespace {

using namespace core_test;

/// Names of namespace std by the header that declares them: those that compilers have let pass without it.
const std::map<std::string, std::string>& names_by_header() {
  static const std::map<std::string, std::string> names{
      {"algorithm",
       "all_of any_of clamp copy copy_n count count_if equal fill fill_n find find_if find_if_not for_each generate is_sorted lower_bound "
       "max "
       "max_element min min_element minmax_element mismatch move_backward none_of nth_element partial_sort partition remove_if replace "
       "reverse rotate search sort stable_sort transform unique upper_bound"},
      {"array", "array to_array"},
      {"atomic", "atomic atomic_bool memory_order_relaxed"},
      {"bit", "bit_cast bit_ceil bit_width countl_zero countr_zero endian has_single_bit popcount"},
      {"cctype", "isalnum isalpha isdigit isspace tolower toupper"},
      {"cmath", "ceil cos erf exp expm1 floor fma fmod hypot isfinite isinf isnan log log1p nextafter pow round sin sqrt tanh trunc"},
      {"cstdint", "int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t uintptr_t"},
      {"cstdio", "fclose fflush fopen fprintf fputs fread fwrite printf snprintf"},
      {"cstdlib", "abort aligned_alloc atexit exit free getenv malloc strtod strtol strtoll"},
      {"cstring", "memchr memcmp memcpy memmove memset strcmp strerror strlen"},
      {"deque", "deque"},
      {"filesystem", "filesystem"},
      {"functional", "function multiplies plus ref reference_wrapper"},
      {"iterator", "back_inserter distance istreambuf_iterator make_move_iterator ssize"},
      {"limits", "numeric_limits"},
      {"map", "map multimap"},
      {"memory", "enable_shared_from_this make_shared make_unique shared_ptr unique_ptr weak_ptr"},
      {"mutex", "call_once lock_guard mutex once_flag scoped_lock unique_lock"},
      {"new", "align_val_t bad_alloc nothrow"},
      {"numbers", "numbers"},
      {"numeric", "accumulate gcd inner_product iota lcm midpoint partial_sum"},
      {"optional", "make_optional nullopt optional"},
      {"random", "mt19937 mt19937_64 random_device uniform_int_distribution uniform_real_distribution"},
      {"regex", "regex regex_match regex_replace regex_search smatch sregex_iterator"},
      {"set", "set"},
      {"span", "span"},
      {"sstream", "istringstream ostringstream stringstream"},
      {"system_error", "error_code system_category system_error"},
      {"thread", "this_thread thread"},
      {"tuple", "apply forward_as_tuple make_tuple tie tuple tuple_size_v"},
      {"unordered_map", "unordered_map"},
      {"unordered_set", "unordered_set"},
      {"utility", "as_const declval exchange forward index_sequence make_index_sequence make_pair move pair swap"},
      {"variant", "get_if holds_alternative variant visit"},
      {"vector", "vector"},
  };
  return names;
}

/// The header of every name.
const std::map<std::string, std::string>& header_of() {
  static const auto headers = [] {
    std::map<std::string, std::string> by_name;
    for (const auto& [header, names] : names_by_header()) {
      std::istringstream words(names);
      for (std::string name; words >> name;) by_name[name] = header;
    }
    return by_name;
  }();
  return headers;
}

bool is_part_of_a_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// The text without comments and without what stands between quotes on one line.
std::string code_of(std::string_view text) {
  std::string code;
  char quote = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\') ++i;
      else if (c == quote || c == '\n') quote = 0;
    } else if (c == '"') {
      quote = c;
    } else if (c == '/' && i + 1 < text.size() && text[i + 1] == '/') {
      while (i < text.size() && text[i] != '\n') ++i;
      code += '\n';
    } else {
      code += c;
    }
  }
  return code;
}

/// The headers that the names of std in `text` come from, each with one such name.
std::map<std::string, std::string> headers_needed(std::string_view text) {
  const std::string code = code_of(text);
  std::map<std::string, std::string> needed;
  for (size_t at = code.find("std::"); at != std::string::npos; at = code.find("std::", at)) {
    at += 5;
    if (code.compare(at, 8, "ranges::") == 0) at += 8;
    size_t end = at;
    while (end < code.size() && is_part_of_a_name(code[end])) ++end;
    const std::string name = code.substr(at, end - at);
    if (const auto found = header_of().find(name); found != header_of().end()) needed[found->second] = name;
  }
  // Integers of a width are mostly written without std.
  for (size_t at = 0, end = 0; at < code.size(); at = end + 1) {
    end = at;
    while (end < code.size() && is_part_of_a_name(code[end])) ++end;
    const std::string word = code.substr(at, end - at);
    if (const auto found = header_of().find(word); found != header_of().end() && found->second == "cstdint") needed[found->second] = word;
  }
  return needed;
}

struct File {
  std::string text;
  std::vector<std::string> includes;
};

const File& file_at(const fs::path& path) {
  static std::map<fs::path, File> files;
  const auto [found, is_new] = files.try_emplace(path);
  if (is_new) {
    std::ifstream in(path);
    for (std::string line; std::getline(in, line); found->second.text += line + "\n") {
      if (std::string header = included_by(line); !header.empty()) found->second.includes.push_back(std::move(header));
    }
  }
  return found->second;
}

std::optional<fs::path> find_own(const fs::path& from, const std::string& header) {
  for (const fs::path& folder : {from.parent_path(), kRoot / "include", kRoot / "src", kRoot, kRoot / "tests", kRoot / "examples"})
    if (fs::is_regular_file(folder / header)) return (folder / header).lexically_normal();
  return {};
}

/// The project's own headers that `path` includes itself.
const std::vector<fs::path>& own_includes(const fs::path& path) {
  static std::map<fs::path, std::vector<fs::path>> all;
  const auto [found, is_new] = all.try_emplace(path);
  if (is_new)
    for (const std::string& header : file_at(path).includes)
      if (const auto own = find_own(path, header)) found->second.push_back(*own);
  return found->second;
}

/// Adds path and the own files that it includes, itself or through others.
void collect_files(const fs::path& path, std::set<fs::path>& files) {
  if (!files.insert(path).second) return;
  for (const fs::path& own : own_includes(path)) collect_files(own, files);
}

std::string from_root(const fs::path& path) { return fs::relative(path, kRoot).generic_string(); }

/// The build directory of this program.
fs::path build_root() { return fs::read_symlink("/proc/self/exe").parent_path().parent_path(); }

/// What a full build compiles into an object each, with the files that it includes: sources, and groups of sources that the build has made.
/// What is built only when it is asked for is left out.
const std::map<fs::path, std::set<fs::path>>& objects() {
  static const auto all = [] {
    std::ifstream file(build_root() / "compile_commands.json");
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::map<fs::path, std::set<fs::path>> found;
    const std::string key = "\"file\": \"";
    for (size_t at = text.find(key); at != std::string::npos; at = text.find(key, at)) {
      at += key.size();
      const fs::path path = (build_root() / text.substr(at, text.find('"', at) - at)).lexically_normal();
      const std::string name = from_root(path);
      if (!name.ends_with(".cpp")) continue;
      if (std::ranges::any_of(std::array{"tests/benchmarks/", "tests/fuzz/", "tests/install/", "examples/tutorials/"},
                              [&](const char* other) { return name.starts_with(other); }))
        continue;
      collect_files(path, found[path]);
    }
    return found;
  }();
  return all;
}

/// Empty where a touch of `header` rebuilds no more than `limit` objects. Otherwise how many it rebuilds, and through what most of them
/// come to it.
std::string rebuilds_too_many(const fs::path& header, size_t limit) {
  size_t rebuilt = 0;
  std::map<std::string, size_t> through;
  for (const auto& [source, files] : objects()) {
    if (!files.contains(header)) continue;
    ++rebuilt;
    for (const fs::path& file : files)
      if (std::ranges::find(own_includes(file), header) != own_includes(file).end()) ++through[file == source ? "" : from_root(file)];
  }
  if (rebuilt <= limit) return "";
  std::string text = from_root(header) + " rebuilds " + std::to_string(rebuilt) + " objects, which should be at most " +
                     std::to_string(limit) + ": " + std::to_string(through[""]) + " include it themselves";
  through.erase("");
  std::vector<std::pair<std::string, size_t>> most(through.begin(), through.end());
  std::ranges::stable_sort(most, [](const auto& a, const auto& b) { return a.second > b.second; });
  for (size_t i = 0; i < std::min<size_t>(most.size(), 5); ++i)
    text += ", " + std::to_string(most[i].second) + " come through " + most[i].first;
  return text;
}

}  // namespace

TEST_CASE("the search for names of std finds what it should") {
  const auto needed = headers_needed(
      "std::sort(x); std::ranges::transform(y);  // std::unique_ptr\nf(\"std::optional\"); std::sorted z; std::move(a); uint8_t b;");
  CHECK(needed.size() == 3);
  CHECK(needed.contains("cstdint"));
  CHECK(needed.contains("algorithm"));
  CHECK(needed.contains("utility"));
}

TEST_CASE("a file includes the standard headers of the names that it uses") {
  for (const char* folder : {"include", "src", "tests", "examples"})
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      const fs::path& path = entry.path();
      if (path.extension() != ".h" && path.extension() != ".cpp") continue;
      std::set<fs::path> files;
      collect_files(path, files);
      std::set<std::string> headers;
      for (const fs::path& file : files) headers.insert(file_at(file).includes.begin(), file_at(file).includes.end());
      for (const auto& [header, name] : headers_needed(file_at(path).text)) {
        const std::string message = from_root(path) + " uses " + name + ": include <" + header + ">";
        CHECK_MESSAGE(headers.contains(header), message);
      }
    }
}

TEST_CASE("a touch of one family's header rebuilds at most 70 objects") {
  CHECK(objects().size() > 150);
  size_t families = 0;
  for (const auto& entry : fs::directory_iterator(kRoot / "include/gradus/ops")) {
    ++families;
    const std::string text = rebuilds_too_many(entry.path(), 70);
    CHECK_MESSAGE(text.empty(), text);
  }
  CHECK(families >= 11);
}

TEST_CASE("a header that rebuilds too much is named with the headers through which it does") {
  const std::string text = rebuilds_too_many(kRoot / "include/gradus/optim/sgd.h", 0);
  CHECK(text.starts_with("include/gradus/optim/sgd.h rebuilds "));
  CHECK(text.find(" include it themselves, ") != std::string::npos);
  CHECK(text.find(" come through include/gradus/optim.h") != std::string::npos);
  CHECK(rebuilds_too_many(kRoot / "include/gradus/optim/sgd.h", 1000).empty());
}
