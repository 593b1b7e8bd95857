#include "gradus/io/named_tensors.h"

#include <algorithm>
#include <string>

#include "core/check.h"

namespace gradus::io {

const Tensor* NamedTensors::find(std::string_view name) const noexcept {
  for (const auto& [key, tensor] : tensors)
    if (key == name) return &tensor;
  return nullptr;
}

const Tensor& NamedTensors::at(std::string_view name) const {
  if (const Tensor* found = find(name)) return *found;
  constexpr size_t most = 20;
  std::string names;
  for (size_t i = 0; i < std::min(tensors.size(), most); ++i) names += (i ? ", " : "") + tensors[i].first;
  if (tensors.size() > most) names += ", …";
  fail<ValueError>("at: no tensor is called \"{}\"; there are {}: {}", name, tensors.size(), names);
}

}  // namespace gradus::io
