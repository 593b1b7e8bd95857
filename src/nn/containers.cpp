#include "gradus/nn/containers.h"

#include "core/check.h"

namespace gradus::nn::detail {

size_t place_in_list(int64_t index, size_t size, bool end) {
  const auto n = static_cast<int64_t>(size);
  check<IndexError>(index >= -n && index < n + (end ? 1 : 0), "ModuleList: index {} is out of range for {} modules", index, n);
  return static_cast<size_t>(index < 0 ? index + n : index);
}

void throw_no_such_key(const std::string& key, const std::vector<std::string>& keys) {
  std::string known;
  for (const std::string& name : keys) known += (known.empty() ? "" : ", ") + name;
  fail<IndexError>("ModuleDict: there is no module '{}'; there are: {}", key, known.empty() ? "none" : known);
}

}  // namespace gradus::nn::detail
