#pragma once

#include <fmt/format.h>

#include "gradus/error.h"

namespace gradus {

/// Throws E with the formatted text.
template <class E, class... Args>
[[noreturn]] __attribute__((cold, noinline)) void fail(fmt::format_string<Args...> text, Args&&... args) {
  throw E(fmt::format(text, std::forward<Args>(args)...));
}

/// Throws E with the formatted text unless `condition` holds. The text is formatted only then.
template <class E, class... Args>
void check(bool condition, fmt::format_string<Args...> text, Args&&... args) {
  if (!condition) [[unlikely]] fail<E>(text, std::forward<Args>(args)...);
}

}  // namespace gradus
