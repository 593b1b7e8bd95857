#pragma once

#include <fmt/format.h>

#include <string>

#include "core/joined.h"
#include "gradus/shape.h"

/// Values as Python writes them, for modules that print as PyTorch's do.
namespace gradus::nn {

inline const char* python_bool(bool value) { return value ? "True" : "False"; }

/// "(3,)", "(2, 3)"
inline std::string python_tuple(const Shape& shape) { return "(" + joined(shape, ", ") + (shape.size() == 1 ? ",)" : ")"); }

/// "0.1", "1.0", "1e-05"
inline std::string python_float(double value) {
  const std::string text = fmt::format("{}", value);
  return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}

}  // namespace gradus::nn
