#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gradus/tensor.h"

namespace gradus::io {

/// What a file of tensors holds, whatever its format: load_safetensors, load_npz and load_pytorch give it.
struct GRADUS_API NamedTensors {
  std::vector<std::pair<std::string, Tensor>> tensors;  ///< in the file's order
  std::map<std::string, std::string> metadata;          ///< free text: names and values

  /// The tensor of that name, or nullptr.
  const Tensor* find(std::string_view name) const noexcept;
  /// Whether there is a tensor of that name.
  bool contains(std::string_view name) const noexcept { return find(name) != nullptr; }
  /// The tensor of that name. Throws ValueError, listing the names that there are, when there is none.
  const Tensor& at(std::string_view name) const;
};

}  // namespace gradus::io
