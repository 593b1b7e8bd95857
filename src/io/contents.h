#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/file.h"
#include "gradus/export.h"
#include "gradus/io/named_tensors.h"
#include "io/elements.h"

namespace gradus::io {

/// What a file of tensors holds, and how it stores them.
struct Contents {
  const char* kind = "";           // of file
  const char* checksum = nullptr;  // what the file's bytes agree with; null where it has no checksum
  NamedTensors file = {};
  std::vector<const ElementFormat*> formats = {};  // of each tensor

  void add(std::string name, const ElementFormat& format, Tensor x) {
    file.tensors.emplace_back(std::move(name), std::move(x));
    formats.push_back(&format);
  }
};

/// How many bytes of tensors packed data may unpack to, unless the caller allows more.
inline uint64_t most_unpacked_bytes(const InputFile& file) { return (uint64_t{64} << 20) + 4 * file.size(); }

Contents read_safetensors(const char* op, const std::string& path);
Contents read_npy(const InputFile& file);
Contents read_npz(const InputFile& file, std::optional<uint64_t> max_bytes);
Contents read_pytorch(const InputFile& file);

/// Reads a file of any of these kinds, which it recognises by its bytes, whatever it is called. For gradus-inspect, which is linked with
/// the library.
GRADUS_API Contents read_any(const char* op, const std::string& path);

}  // namespace gradus::io
