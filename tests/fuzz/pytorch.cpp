#include "gradus/io/pytorch.h"

#include "memory_file.h"

/// The bytes are a file of PyTorch.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  fuzz::load_bytes(bytes, size, [](const std::string& path) { return gradus::io::load_pytorch(path); });
  return 0;
}
