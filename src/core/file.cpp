#include "core/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/check.h"

namespace gradus {
namespace {

namespace fs = std::filesystem;

std::string reason() { return std::strerror(errno); }

constexpr size_t kMostBytesPerCall = size_t{1} << 30;
constexpr std::string_view kTemporaryEnd = ".part";

/// Where the links that begin at `path` lead, whether there is a file or not.
std::string behind_links(const char* op, const std::string& path) {
  constexpr int most = 40;  // as Linux counts
  fs::path at = path;
  std::error_code error;
  for (int i = 0; fs::is_symlink(at, error); ++i) {
    check<IoError>(i < most, "{}: {}: is a symbolic link that leads round in a circle", op, path);
    const fs::path next = fs::read_symlink(at, error);
    check<IoError>(!error, "{}: {}: the symbolic link cannot be read: {}", op, path, error.message());
    at = at.parent_path() / next;  // next itself, if it is absolute
  }
  return at.string();
}

/// What the names of a file's temporaries begin with: the file's name, cut so that what follows has room, between two code points.
std::string temporary_stem(const fs::path& target) {
  constexpr size_t most = 100;
  std::string name = target.filename().string();
  if (name.size() > most) {
    size_t end = most;
    while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0U) == 0x80U) --end;
    name.resize(end);
  }
  return name + '.';
}

/// The last part of a name that ends in a dot and a number, which is cut off with its dot.
template <class Number>
std::optional<Number> cut_number(std::string_view& name) {
  const size_t dot = name.rfind('.');
  if (dot == name.npos) return {};
  Number number = 0;
  const char* const end = name.data() + name.size();
  const auto read = std::from_chars(name.data() + dot + 1, end, number);
  if (read.ec != std::errc() || read.ptr != end) return {};
  name = name.substr(0, dot);
  return number;
}

/// What a temporary's name says: STEM PROCESS.NUMBER.part, where the stem ends in a dot.
struct Temporary {
  std::string_view stem;
  pid_t process;
};
std::optional<Temporary> temporary_of(std::string_view name) {
  if (!name.ends_with(kTemporaryEnd)) return {};
  std::string_view rest = name.substr(0, name.size() - kTemporaryEnd.size());
  if (!cut_number<unsigned>(rest)) return {};
  const auto process = cut_number<pid_t>(rest);
  if (!process || *process <= 0) return {};
  return Temporary{name.substr(0, rest.size() + 1), *process};
}

/// Removes the temporary unless its writer lives: another process that there is, or whoever holds its lock, maybe out of our sight in
/// another container.
void remove_if_abandoned(const fs::path& temporary, pid_t writer) {
  if (writer != ::getpid() && (::kill(writer, 0) == 0 || errno != ESRCH)) return;
  constexpr int flags = O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW;
  int fd = ::open(temporary.c_str(), O_WRONLY | flags);  // as locks over NFS need it
  if (fd < 0) fd = ::open(temporary.c_str(), O_RDONLY | flags);
  if (fd < 0) return;
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) ::unlink(temporary.c_str());
  ::close(fd);
}

/// Removes the abandoned temporaries in a folder whose stems are meant.
void remove_abandoned_in(const fs::path& folder, auto is_meant) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (const auto found = temporary_of(name); found && is_meant(found->stem)) remove_if_abandoned(it->path(), found->process);
  }
}

void remove_abandoned_of(const fs::path& target) {
  remove_abandoned_in(target.has_parent_path() ? target.parent_path() : ".",
                      [own = temporary_stem(target)](std::string_view stem) { return stem == own; });
}

/// Flushes the folder's entry for a renamed file. A file system that cannot do it has its own way of keeping entries safe.
void sync_folder(const std::string& file) {
  const fs::path folder = fs::path(file).parent_path();
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

InputFile::InputFile(const char* op, const std::string& path) : op_(op), path_(path) {
  // Without O_NONBLOCK, opening a named pipe would wait for a writer.
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  check(fd_ >= 0, "cannot be opened: {}", reason());
  struct stat info {};
  if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd_);
    fail("is not a regular file");
  }
  size_ = static_cast<uint64_t>(info.st_size);
}

InputFile::~InputFile() { ::close(fd_); }

void InputFile::fail_formatted(fmt::string_view text, fmt::format_args args) const {
  gradus::fail<IoError>("{}: {}: {}", op_, path_, fmt::vformat(text, args));
}

void InputFile::read_at(uint64_t offset, void* to, size_t bytes) const {
  auto* at = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = ::pread(fd_, at, std::min(bytes, kMostBytesPerCall), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    check(got >= 0, "cannot be read at byte {}: {}", offset, reason());
    check(got > 0, "ended at byte {} while it was read; was it changed meanwhile?", offset);
    at += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
}

AtomicFile::AtomicFile(const char* op, const std::string& path) : op_(op), path_(path), target_(behind_links(op, path)) {
  struct stat old {};
  const bool exists = ::stat(target_.c_str(), &old) == 0;
  check<IoError>(!exists || S_ISREG(old.st_mode), "{}: {}: exists and is not a regular file", op, path);
  // A name that is too long would be found out only when the temporary takes its place.
  struct stat link {};
  if (::lstat(target_.c_str(), &link) != 0 && errno != ENOENT) fail_with_errno("cannot be written");
  remove_abandoned_of(target_);
  create_temporary();
  // The old file's permissions stay; where they cannot be set, those of a new file do.
  if (exists && ::fchmod(fd_, old.st_mode & 07777) != 0) errno = 0;
}

void AtomicFile::create_temporary() {
  static std::atomic<unsigned> count{0};
  const fs::path folder = fs::path(target_).parent_path();
  const std::string stem = temporary_stem(target_);
  constexpr int most = 100;
  for (int attempt = 0; attempt <= most; ++attempt) {
    const std::string name = (folder / fmt::format("{}{}.{}{}", stem, ::getpid(), count++, kTemporaryEnd)).string();
    fd_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && errno == EEXIST && attempt < most) continue;
    if (fd_ < 0) fail_with_errno("cannot be written");
    // Whoever looked for abandoned files before the lock was there may have removed it. Not every file system has locks.
    struct stat info {};
    if (::flock(fd_, LOCK_EX) == 0 && (::fstat(fd_, &info) != 0 || info.st_nlink == 0)) {
      ::close(std::exchange(fd_, -1));
      continue;
    }
    temporary_ = name;
    return;
  }
  fail<IoError>("{}: {}: cannot be written: its temporary files keep vanishing", op_, path_);
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

void AtomicFile::overwrite(uint64_t offset, const void* from, size_t bytes) {
  const auto* at = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t put = ::pwrite(fd_, at, std::min(bytes, kMostBytesPerCall), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail_with_errno("cannot be written");
    at += put;
    offset += static_cast<uint64_t>(put);
    bytes -= static_cast<size_t>(put);
  }
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) fail_with_errno("cannot be flushed to the disk");
  // The file stays open, and locked, until it has its name: nobody takes it for an abandoned one.
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail_with_errno("cannot be replaced");
  temporary_.clear();
  sync_folder(target_);
}

void remove_abandoned(const std::string& folder, bool (*is_target)(std::string_view name)) {
  remove_abandoned_in(folder, [&](std::string_view stem) { return is_target(stem.substr(0, stem.size() - 1)); });
}

}  // namespace gradus
