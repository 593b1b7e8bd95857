#include "gradus/io/named_tensors.h"

#include "core/check.h"
#include "io/first_names.h"

namespace gradus::io {

const Tensor* NamedTensors::find(std::string_view name) const noexcept {
  for (const auto& [key, tensor] : tensors)
    if (key == name) return &tensor;
  return nullptr;
}

const Tensor& NamedTensors::at(std::string_view name) const {
  if (const Tensor* found = find(name)) return *found;
  fail<ValueError>("at: no tensor is called \"{}\"; there are {}: {}", name, tensors.size(), first_names(tensors));
}

}  // namespace gradus::io
