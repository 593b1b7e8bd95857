#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gradus::train {

/// A file that grows at its end, made where it is not there. Errors are IoErrors that begin with `op: path:`.
class AppendFile {
 public:
  AppendFile(const char* op, std::string path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  /// Writes all bytes before it returns, so that a program that is killed leaves them. When it throws, the file is as it was.
  void write(std::string_view bytes);
  /// Leaves the first bytes, so many.
  void cut(uint64_t bytes);

 private:
  void take_back(uint64_t bytes) noexcept;

  const char* op_;
  std::string path_;
  int fd_;
};

}  // namespace gradus::train
