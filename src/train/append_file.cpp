#include "train/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/check.h"

namespace gradus::train {

AppendFile::AppendFile(const char* op, std::string path)
    : op_(op), path_(std::move(path)), fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  check<IoError>(fd_ >= 0, "{}: {}: cannot be written: {}", op_, path_, std::strerror(errno));
}

AppendFile::~AppendFile() { ::close(fd_); }

void AppendFile::write(std::string_view bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t written = ::write(fd_, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      take_back(done);
      fail<IoError>("{}: {}: cannot be written: {}", op_, path_, std::strerror(error));
    }
    done += static_cast<size_t>(written);
  }
}

void AppendFile::take_back(uint64_t bytes) noexcept {
  struct stat now {};
  if (bytes == 0 || ::fstat(fd_, &now) != 0) return;
  [[maybe_unused]] const int ignored = ::ftruncate(fd_, now.st_size - static_cast<off_t>(bytes));
}

void AppendFile::cut(uint64_t bytes) {
  check<IoError>(::ftruncate(fd_, static_cast<off_t>(bytes)) == 0, "{}: {}: cannot be cut: {}", op_, path_, std::strerror(errno));
}

}  // namespace gradus::train
