#include "io/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/check.h"

namespace gradus::io {
namespace {

std::string reason() { return std::strerror(errno); }

constexpr size_t kMostBytesPerCall = size_t{1} << 30;

/// Flushes the folder's entry for a renamed file. A file system that cannot do it has its own way of keeping entries safe.
void sync_folder(const std::string& file) {
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

InputFile::InputFile(const char* op, const std::string& path) : op_(op), path_(path) {
  // Without O_NONBLOCK, opening a named pipe would wait for a writer.
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  check<IoError>(fd_ >= 0, "{}: {}: cannot be opened: {}", op, path, reason());
  struct stat info {};
  if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd_);
    fail<IoError>("{}: {}: is not a regular file", op, path);
  }
  size_ = static_cast<uint64_t>(info.st_size);
}

InputFile::~InputFile() { ::close(fd_); }

void InputFile::read_at(uint64_t offset, void* to, size_t bytes) const {
  auto* at = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = ::pread(fd_, at, std::min(bytes, kMostBytesPerCall), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    check<IoError>(got >= 0, "{}: {}: cannot be read at byte {}: {}", op_, path_, offset, reason());
    check<IoError>(got > 0, "{}: {}: ended at byte {} while it was read; was it changed meanwhile?", op_, path_, offset);
    at += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
}

AtomicFile::AtomicFile(const char* op, const std::string& path) : op_(op), path_(path), target_(path) {
  std::error_code ignored;
  if (std::filesystem::is_symlink(path, ignored)) {
    const auto resolved = std::filesystem::weakly_canonical(path, ignored);
    if (!ignored) target_ = resolved.string();
  }
  struct stat old {};
  const bool exists = ::stat(target_.c_str(), &old) == 0;
  check<IoError>(!exists || S_ISREG(old.st_mode), "{}: {}: exists and is not a regular file", op, path);

  static std::atomic<unsigned> count{0};
  for (int attempt = 0; fd_ < 0; ++attempt) {
    temporary_ = fmt::format("{}.{}.{}.part", target_, ::getpid(), count++);
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && (errno != EEXIST || attempt == 100)) fail_with_errno("cannot be written");
  }
  // The old file's permissions stay; where they cannot be set, those of a new file do.
  if (exists && ::fchmod(fd_, old.st_mode & 07777) != 0) errno = 0;
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::fail_with_errno(const char* what) const { fail<IoError>("{}: {}: {}: {}", op_, path_, what, reason()); }

void AtomicFile::write(const void* from, size_t bytes) {
  const auto* at = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t put = ::write(fd_, at, std::min(bytes, kMostBytesPerCall));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail_with_errno("cannot be written");
    at += put;
    bytes -= static_cast<size_t>(put);
  }
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) fail_with_errno("cannot be flushed to the disk");
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0) fail_with_errno("cannot be written");
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail_with_errno("cannot be replaced");
  temporary_.clear();
  sync_folder(target_);
}

}  // namespace gradus::io
