#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"
#include "gradus/io/safetensors.h"
#include "io/elements.h"

namespace gradus::io {

/// What the header says about one tensor.
struct SafeTensorsEntry;

/// A safetensors file whose header has been read and is right. Errors are IoErrors that start with `op: path:`.
class SafeTensorsFile {
 public:
  SafeTensorsFile(const char* op, const std::string& path);
  ~SafeTensorsFile();
  SafeTensorsFile(const SafeTensorsFile&) = delete;
  SafeTensorsFile& operator=(const SafeTensorsFile&) = delete;

  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
  /// The tensors, or those whose names begin so.
  std::vector<std::pair<std::string, Tensor>> read_tensors(std::string_view prefix = "") const;

  /// How each tensor is stored.
  std::vector<const ElementFormat*> formats() const;

  /// Throws unless the file's checksum is that of its bytes; nothing when it has none.
  bool check_sum() const;

 private:
  const char* op_;
  std::string path_;
  InputFile file_;
  std::string header_;
  std::vector<SafeTensorsEntry> entries_;
  std::map<std::string, std::string> metadata_;
};

/// Whether a file has in its metadata, under `xxh64`, the checksum of all its bytes, those of the checksum's digits taken as zeros.
enum class WithChecksum { No, Yes };

/// save_safetensors under the name of another operation.
void write_safetensors(const char* op, const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                       std::map<std::string, std::string> metadata, WithChecksum with_checksum);

}  // namespace gradus::io
