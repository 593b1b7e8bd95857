#pragma once

#include <string>

namespace gradus {

/// Sets the function that says what this thread is doing ("decoder.out", or nothing), which stands before the text of an error.
void set_error_context(std::string (*describe)()) noexcept;

}  // namespace gradus
