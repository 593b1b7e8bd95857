#include "train/state.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "core/check.h"

namespace gradus::train {

void check_state_names(const char* op, const io::StateValues& state, std::initializer_list<std::string_view> names) {
  std::string problems;
  for (const std::string_view name : names)
    if (!state.contains(name)) problems += fmt::format("\n  \"{}\" is missing", name);
  for (const auto& [name, value] : state)
    if (std::find(names.begin(), names.end(), name) == names.end()) problems += fmt::format("\n  \"{}\" is unexpected", name);
  check<ValueError>(problems.empty(), "{}: load_state_dict: the state does not fit, nothing was changed:{}", op, problems);
}

int64_t count_of(const char* op, const io::StateValues& state, std::string_view name) {
  const auto count = state.get<int64_t>(name);
  check<ValueError>(count >= 0, "{}: load_state_dict: {} is {}; it must not be negative", op, name, count);
  return count;
}

}  // namespace gradus::train
