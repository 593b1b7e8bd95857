#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

/// UTF-8 text in a terminal, where each code point is taken to be one column wide.
namespace gradus::train {

constexpr bool begins_column(char byte) noexcept { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; }

inline int64_t columns_of(std::string_view text) noexcept { return std::count_if(text.begin(), text.end(), begins_column); }

}  // namespace gradus::train
