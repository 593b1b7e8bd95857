#include "gradus/io/npy.h"

#include "memory_file.h"

/// The bytes are an .npy file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  fuzz::load_bytes(bytes, size, [](const std::string& path) {
    gradus::io::NamedTensors loaded;
    loaded.tensors.emplace_back("array", gradus::io::load_npy(path));
    return loaded;
  });
  return 0;
}
