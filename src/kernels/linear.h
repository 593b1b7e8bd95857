#pragma once

#include <cstdint>

namespace gradus::kernels {

/// The gradients of x (rows, inputs), W (outputs, inputs) and the bias (outputs), null where they are not wanted, from dy (rows, outputs)
/// in blocks of rows that stay in the caches: a dy larger than those is read from memory once. Arrays are dense. x may be null without dw,
/// weight without dx.
template <class T>
void linear_backward(int64_t rows, int64_t outputs, int64_t inputs, const T* dy, const T* x, const T* weight, T* dx, T* dw, T* db);

}  // namespace gradus::kernels
