#pragma once

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>

#include "folder.h"
#include "gradus/error.h"
#include "raw.h"

/// Files that tests of gradus::io make byte by byte.
namespace files {

using ::Folder;
using ::read_bytes;
using ::write_bytes;

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
