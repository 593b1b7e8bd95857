#pragma once

namespace gradus {

/// The value of the environment variable `name`; null when it is unset or empty.
const char* environment(const char* name) noexcept;

/// Tells on stderr that `name` holds a `value` that is not valid, what would be, and what is used in its place. A variable is read once, so
/// this is told once.
void warn_of_environment(const char* name, const char* value, const char* valid, const char* used) noexcept;

}  // namespace gradus
