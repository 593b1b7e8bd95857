#include "train/append_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "core/check.h"

namespace gradus::train {

int open_to_append(const char* op, const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  check<IoError>(fd >= 0, "{}: {}: cannot be written: {}", op, path, std::strerror(errno));
  return fd;
}

void write_all(const char* op, const std::string& path, int fd, const std::string& bytes) {
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t written = ::write(fd, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    check<IoError>(written >= 0, "{}: {}: cannot be written: {}", op, path, std::strerror(errno));
    rest.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace gradus::train
