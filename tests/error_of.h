#pragma once

#include <string>

#include "core/function_ref.h"

/// What the tests of all folders share.
namespace testing {

/// The text of the E that f throws. Another error fails the test, none gives an empty text.
template <class E>
std::string error_of(gradus::FunctionRef<void()> f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

}  // namespace testing
