#pragma once

#include <string_view>

#include "gradus/tensor.h"

/// Activations beside relu, tanh and sigmoid: elementwise functions between layers. All take float32 or float64.
namespace gradus {

/// x times the normal distribution function at x (Hendrycks & Gimpel 2016): x / 2 * (1 + erf(x / sqrt(2))), or with approximate "tanh"
/// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))). Throws ValueError on another name.
GRADUS_API Tensor gelu(const Tensor& x, std::string_view approximate = "none");
/// x * sigmoid(x)
GRADUS_API Tensor silu(const Tensor& x);
/// x where x > 0, negative_slope * x elsewhere.
GRADUS_API Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
/// x where x > 0, alpha * (e^x - 1) elsewhere.
GRADUS_API Tensor elu(const Tensor& x, double alpha = 1);
/// ln(1 + e^(beta x)) / beta; x itself where beta x > threshold.
GRADUS_API Tensor softplus(const Tensor& x, double beta = 1, double threshold = 20);
/// ln(sigmoid(x)), exact for large |x|.
GRADUS_API Tensor logsigmoid(const Tensor& x);

}  // namespace gradus
