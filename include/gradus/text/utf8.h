#pragma once

#include <string>
#include <string_view>

#include "gradus/export.h"

namespace gradus::text {

/// Whether `text` is well-formed UTF-8: no cut or overlong sequences, no surrogates, nothing above U+10FFFF. A NUL byte is valid.
GRADUS_API bool is_valid_utf8(std::string_view text) noexcept;

/// `text` in lower case, as Python's `str.lower`, for Latin (ASCII, Latin-1, Extended-A, U+0200 to U+021F of Extended-B, Extended
/// Additional), Greek (U+0370 to U+03FF) and Cyrillic (U+0400 to U+052F); other code points stay as they are. As in Python, `İ` becomes an
/// `i` with a combining dot, and a `Σ` that ends a word becomes `ς`.
/// Throws ValueError, with the place, when the text is not valid UTF-8.
GRADUS_API std::string lower(std::string_view text);

}  // namespace gradus::text
