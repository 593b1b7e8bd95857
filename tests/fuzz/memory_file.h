#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "choices.h"
#include "gradus/error.h"
#include "gradus/io/named_tensors.h"
#include "gradus/memory.h"

namespace fuzz {

/// A file in memory, with a path.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("input", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(fd_)) {
    expect(fd_ >= 0, "no file in memory can be made");
  }
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  void hold(const void* bytes, size_t size) {
    expect(ftruncate(fd_, 0) == 0 && pwrite(fd_, bytes, size, 0) == static_cast<ssize_t>(size), "the file in memory cannot be written");
  }

 private:
  int fd_;
  std::string path_;
};

/// Reads every element of a tensor that is not large, so that those which lie nowhere are noticed.
inline void look_at(const gradus::Tensor& x) {
  constexpr int64_t many = int64_t{1} << 16;
  if (x.numel() <= many) x.to_vector<double>();
}

/// Has `load` read a file of these bytes. It must give tensors or an IoError that names the file, in as much memory as a file of that size
/// may ask for.
template <class Load>
void load_bytes(const void* bytes, size_t size, Load load) {
  static MemoryFile file;
  file.hold(bytes, size);
  gradus::release_cached_memory();
  gradus::reset_peak_memory();
  try {
    const gradus::io::NamedTensors loaded = load(file.path());
    for (const auto& [name, tensor] : loaded.tensors) look_at(tensor);
  } catch (const gradus::IoError& error) {
    expect(std::string(error.what()).find(file.path()) != std::string::npos, "the error does not name the file");
  }
  constexpr size_t most = size_t{64} << 20;
  expect(gradus::memory_stats().peak_bytes <= most + 4 * size, "more memory than a file of that size may ask for");
}

}  // namespace fuzz
