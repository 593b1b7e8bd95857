#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <sstream>
#include <string>

#include "gradus/error.h"

/// Files that tests of gradus::io make byte by byte.
namespace files {

namespace fs = std::filesystem;

/// A folder of its own that goes with the test.
struct Folder {
  fs::path path;
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "gradus-io-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const char* name) const { return (path / name).string(); }
  size_t files() const { return static_cast<size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator())); }
};

inline std::string read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

template <class T>
std::string raw(std::initializer_list<T> values) {
  std::string bytes;
  for (T v : values) bytes.append(reinterpret_cast<const char*>(&v), sizeof v);
  return bytes;
}

/// What loading a file of these bytes says; empty when it loads.
template <class Load>
std::string complaint(const Load& load, const std::string& bytes) {
  const Folder folder;
  const std::string path = folder / "file";
  write_bytes(path, bytes);
  try {
    load(path);
  } catch (const gradus::IoError& error) {
    std::string text = error.what();
    const size_t named = text.find(path);
    REQUIRE(named != std::string::npos);
    return text.replace(named, path.size(), "FILE");
  }
  return "";
}

/// The same, and the text must have `part` in it.
#define CHECK_COMPLAINT(load, bytes, part)                  \
  do {                                                      \
    const std::string said = files::complaint(load, bytes); \
    CAPTURE(said);                                          \
    CHECK(said.find(part) != std::string::npos);            \
  } while (false)

}  // namespace files
