#pragma once

#include "gradus/tensor.h"

namespace gradus {

/// The matrix product, by rank: (K) x (K) is the dot product; (M, K) x (K, N) the matrix product; a vector on the left counts as a row, on
/// the right as a column; further dimensions in front are batches and broadcast. Both must have one dtype (DTypeError).
GRADUS_API Tensor matmul(const Tensor& a, const Tensor& b);

/// x weight^T + bias: x (..., I), weight (O, I), bias (O) or undefined, result (..., O).
GRADUS_API Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

}  // namespace gradus
