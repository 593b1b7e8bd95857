#include "gradus/io/npy.h"

#include "memory_file.h"

/// The bytes are an .npz file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  fuzz::load_bytes(bytes, size, [](const std::string& path) { return gradus::io::load_npz(path); });
  return 0;
}
