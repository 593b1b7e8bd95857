#pragma once

#include <fmt/format.h>

#include <utility>

#include "gradus/error.h"
#include "gradus/shape.h"

/// Shapes are given to `check` as they are, so that their text is made only when it is needed.
template <>
struct fmt::formatter<gradus::Shape> : fmt::formatter<fmt::string_view> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  template <class Context>
  auto format(const gradus::Shape& shape, Context& context) const {
    return fmt::formatter<fmt::string_view>::format(shape.str(), context);
  }
};

namespace gradus {

/// Throws E with the formatted text.
template <class E, class... Args>
[[noreturn]] __attribute__((cold, noinline)) void fail(fmt::format_string<Args...> text, Args&&... args) {
  throw E(fmt::format(text, std::forward<Args>(args)...));
}

/// Throws E with the formatted text unless `condition` holds. The text is formatted only then.
template <class E, class... Args>
void check(bool condition, fmt::format_string<Args...> text, Args&&... args) {
  if (!condition) [[unlikely]]
    fail<E>(text, std::forward<Args>(args)...);
}

}  // namespace gradus
