#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "gradus/io/checkpoint.h"

namespace gradus::train {

/// Throws ValueError, which begins with `op: load_state_dict`, and lists the names, unless the state has these names and no others.
void check_state_names(const char* op, const io::StateValues& state, std::initializer_list<std::string_view> names);

/// A count of a state. Throws ValueError when it is no whole number or negative.
int64_t count_of(const char* op, const io::StateValues& state, std::string_view name);

}  // namespace gradus::train
