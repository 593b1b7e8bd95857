#include "gradus/error.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>

#include "core/backtrace.h"
#include "core/check.h"
#include "core/error_context.h"

namespace gradus {

// Defined here so that each type has one vtable and type_info, in the library, and is caught across its border.
Error::~Error() = default;
ShapeError::~ShapeError() = default;
IndexError::~IndexError() = default;
DTypeError::~DTypeError() = default;
ValueError::~ValueError() = default;
AutogradError::~AutogradError() = default;
IoError::~IoError() = default;
StateError::~StateError() = default;
OutOfMemoryError::~OutOfMemoryError() = default;

// ---- where an error happened

static std::atomic<std::string (*)()> context{nullptr};

void set_error_context(std::string (*describe)()) noexcept { context = describe; }

static thread_local constinit bool bare = false;

void leave_errors_bare() noexcept { bare = true; }

/// The text with what this thread is doing before it and, if wanted, the calls that led here behind it.
static std::string located(std::string text) {
  if (bare) return text;
  try {
    std::string (*const describe)() = context;
    if (const std::string where = describe ? describe() : ""; !where.empty()) text = where + ": " + text;
    if (backtraces_wanted()) text += "\ncalled at:" + describe_trace(call_trace());
  } catch (const std::bad_alloc&) {
    // What it is matters more than where.
  }
  return text;
}

Error::Error(const std::string& message) : std::runtime_error(located(message)) {}

void rethrow_from_helper(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (Error& made) {
    static_cast<std::runtime_error&>(made) = std::runtime_error(located(made.what()));
    throw;
  }
}

// ---- texts

std::string error_text(fmt::string_view text, fmt::format_args args) { return fmt::vformat(text, args); }

std::string error_text(const char* op, fmt::string_view text, fmt::format_args args) {
  return fmt::format("{}: {}", op, error_text(text, args));
}

// ---- errors that nobody catches

namespace {

std::terminate_handler handler_before = nullptr;

/// Abort loses what a program wrote to a pipe or file and the C library still holds, often the very lines that lead to the error. The
/// handler before this one prints the error's type and text.
[[noreturn]] void write_out_and_terminate() noexcept {
  if (const std::exception_ptr current = std::current_exception()) try {
      std::rethrow_exception(current);
    } catch (const Error&) {
      std::cout.flush();
      if (ftrylockfile(stdout) == 0) {  // the thread that holds it may wait for ever
        std::fflush(stdout);
        funlockfile(stdout);
      }
    } catch (...) {
      // Not ours: as it would be without this library.
    }
  if (handler_before) handler_before();
  std::abort();
}

/// Sets the handler while the library is loaded.
struct TerminateHandler {
  TerminateHandler() noexcept { handler_before = std::set_terminate(write_out_and_terminate); }
  ~TerminateHandler() {
    if (std::get_terminate() == write_out_and_terminate) std::set_terminate(handler_before);
  }
} const terminate_handler;

}  // namespace
}  // namespace gradus
