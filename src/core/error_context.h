#pragma once

#include <exception>
#include <string>

namespace gradus {

/// Sets the function that says what this thread is doing ("decoder.out", or nothing), which stands before the text of an error.
void set_error_context(std::string (*describe)()) noexcept;

/// From now on errors made on this thread, which works for others, have their text alone: the thread that it works for knows where it is.
void leave_errors_bare() noexcept;
/// Throws what a thread that works for this one threw; an Error says where this thread is.
[[noreturn]] void rethrow_from_helper(const std::exception_ptr& error);

}  // namespace gradus
