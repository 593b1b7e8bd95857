#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "core/check.h"

namespace gradus {

/// A regular file opened for reading. Errors are IoErrors that start with `op: path:`.
class InputFile {
 public:
  InputFile(const char* op, const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  uint64_t size() const noexcept { return size_; }
  /// Reads exactly `bytes` bytes from place `offset`.
  void read_at(uint64_t offset, void* to, size_t bytes) const;

  const char* op() const noexcept { return op_; }
  const std::string& path() const noexcept { return path_; }

  /// Throws IoError with the formatted text behind `op: path: `.
  template <class... Args>
  [[noreturn]] __attribute__((cold, noinline)) void fail(fmt::format_string<Args...> text, Args&&... args) const {
    fail_formatted(text, fmt::make_format_args(args...));
  }
  /// The same unless `condition` holds. The text is formatted only then.
  template <class... Args>
  void check(bool condition, fmt::format_string<Args...> text, Args&&... args) const {
    if (!condition) [[unlikely]]
      fail(text, std::forward<Args>(args)...);
  }

 private:
  [[noreturn]] void fail_formatted(fmt::string_view text, fmt::format_args args) const;

  const char* op_;
  std::string path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

/// A file that takes the place of `path` when commit() has written all of it to the disk, and leaves no trace when it is not called. The
/// temporaries of writers that were killed are removed; a writer that lives holds a lock on its own.
class AtomicFile {
 public:
  AtomicFile(const char* op, const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* from, size_t bytes);
  /// Other bytes in a place that has been written.
  void overwrite(uint64_t offset, const void* from, size_t bytes);
  void commit();

 private:
  [[noreturn]] void fail_with_errno(const char* what) const;
  void create_temporary();

  const char* op_;
  std::string path_;    // as the user gave it
  std::string target_;  // the file behind it when it is a symbolic link, be it there or not
  std::string temporary_;
  int fd_ = -1;
};

/// Removes from a folder what writers that were killed left of files of which `is_target` says that they are meant.
void remove_abandoned(const std::string& folder, bool (*is_target)(std::string_view name));

}  // namespace gradus
