#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "gradus/error.h"
#include "gradus/shape.h"

/// Shapes are given to `check` as they are, so that their text is made only when it is needed.
template <>
struct fmt::formatter<gradus::Shape> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  fmt::format_context::iterator format(const gradus::Shape& shape, fmt::format_context& context) const;
};

namespace gradus {

/// The formatted text of an error. There is one for all, as code that formats takes long to compile.
std::string error_text(fmt::string_view text, fmt::format_args args);
/// The same behind `op: `.
std::string error_text(const char* op, fmt::string_view text, fmt::format_args args);

/// Throws E with the formatted text.
template <class E, class... Args>
[[noreturn]] __attribute__((cold, noinline)) void fail(fmt::format_string<Args...> text, Args&&... args) {
  throw E(error_text(text, fmt::make_format_args(args...)));
}

/// Throws E with the formatted text unless `condition` holds. The text is formatted only then.
template <class E, class... Args>
void check(bool condition, fmt::format_string<Args...> text, Args&&... args) {
  if (!condition) [[unlikely]]
    fail<E>(text, std::forward<Args>(args)...);
}

}  // namespace gradus
