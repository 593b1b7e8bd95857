#pragma once

#include <utility>

#include "core/check.h"
#include "core/span.h"
#include "gradus/dtype.h"

namespace gradus {

/// Calls `f.template operator()<T>()` with the C++ type of `dtype`.
template <class F>
decltype(auto) dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case DType::Bool: return f.template operator()<bool>();
    case DType::Int64: return f.template operator()<int64_t>();
    case DType::Float32: return f.template operator()<float>();
    case DType::Float64: break;
  }
  return f.template operator()<double>();
}

/// The same for the work of operation `op`, which a profile shows under that name.
template <class F>
decltype(auto) dispatch(const char* op, DType dtype, F&& f) {
  const profiling::Span span(profiling::Kind::Operation, op);
  return dispatch(dtype, std::forward<F>(f));
}

/// The same for operations on real numbers; `op` is named when the dtype is another.
template <class F>
decltype(auto) dispatch_floating(const char* op, DType dtype, F&& f) {
  if (!is_floating_point(dtype)) [[unlikely]]
    fail<DTypeError>("{}: takes float32 or float64, got {}; convert with .to(gradus::float32)", op, name(dtype));
  const profiling::Span span(profiling::Kind::Operation, op);
  if (dtype == DType::Float32) return f.template operator()<float>();
  return f.template operator()<double>();
}

}  // namespace gradus
