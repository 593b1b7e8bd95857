#pragma once

#include <fmt/format.h>

#include <utility>

#include "gradus/error.h"

/// Errors of this room. Those of core/check.h are inside libgradus, and this is a library of its own.
namespace gradus::distributed {

/// Throws E with the formatted text.
template <class E, class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) {
  throw E(fmt::format(text, std::forward<Args>(args)...));
}

/// Throws E with the formatted text unless `condition` holds.
template <class E, class... Args>
void check(bool condition, fmt::format_string<Args...> text, Args&&... args) {
  if (!condition) [[unlikely]]
    fail<E>(text, std::forward<Args>(args)...);
}

}  // namespace gradus::distributed
