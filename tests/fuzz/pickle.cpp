#include <string>
#include <vector>

#include "gradus/io/pytorch.h"
#include "io/pickle_bytes.h"
#include "memory_file.h"

/// The bytes are the pickle in a file of PyTorch that is whole otherwise: bytes that are changed at random seldom get that far, since the
/// archive has checksums.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static const std::vector<std::string> storages{std::string(48, '\1'), std::string(8, '\2'), ""};
  const std::string file = files::archive(std::string(reinterpret_cast<const char*>(bytes), size), storages);
  fuzz::load_bytes(file.data(), file.size(), [](const std::string& path) { return gradus::io::load_pytorch(path); });
  return 0;
}
