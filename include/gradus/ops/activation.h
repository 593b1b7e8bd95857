#pragma once

#include <optional>
#include <string_view>

#include "gradus/tensor.h"

/// Activations: functions between layers, elementwise or along a dimension. Unless they say otherwise they take float32 or float64.
namespace gradus {

/// max(x, 0). The gradient at 0 is 0.
GRADUS_API Tensor relu(const Tensor& x);
/// x times the normal distribution function at x (Hendrycks & Gimpel 2016): x / 2 * (1 + erf(x / sqrt(2))), or with approximate "tanh"
/// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))). Throws ValueError on another name.
GRADUS_API Tensor gelu(const Tensor& x, std::string_view approximate = "none");
/// x * sigmoid(x)
GRADUS_API Tensor silu(const Tensor& x);
/// x * tanh(ln(1 + e^x)) (Misra 2019).
GRADUS_API Tensor mish(const Tensor& x);
/// x where x > 0, alpha * (e^x - 1) elsewhere (Clevert et al. 2015).
GRADUS_API Tensor elu(const Tensor& x, double alpha = 1);
/// x where x > 0, alpha * (e^(x / alpha) - 1) elsewhere (Barron 2017). Throws ValueError on alpha 0.
GRADUS_API Tensor celu(const Tensor& x, double alpha = 1);
/// 1.0507… times elu with alpha = 1.6733… (Klambauer et al. 2017).
GRADUS_API Tensor selu(const Tensor& x);
/// ln(1 + e^(beta x)) / beta; x itself where beta x > threshold.
GRADUS_API Tensor softplus(const Tensor& x, double beta = 1, double threshold = 20);
/// ln(sigmoid(x)), exact for large |x|.
GRADUS_API Tensor logsigmoid(const Tensor& x);
/// x / (1 + |x|); float32 for integers.
GRADUS_API Tensor softsign(const Tensor& x);
/// x - tanh(x); float32 for integers.
GRADUS_API Tensor tanhshrink(const Tensor& x);

/// min(max(x, min_val), max_val), also of integers (ValueError for bounds beyond int64). The gradient is 1 between the bounds, else 0.
GRADUS_API Tensor hardtanh(const Tensor& x, double min_val = -1, double max_val = 1);
/// min(max(x, 0), 6), as hardtanh.
GRADUS_API Tensor relu6(const Tensor& x);
/// min(max(x + 3, 0), 6) / 6
GRADUS_API Tensor hardsigmoid(const Tensor& x);
/// x * min(max(x + 3, 0), 6) / 6 (Howard et al. 2019).
GRADUS_API Tensor hardswish(const Tensor& x);
/// 0 where -lambd <= x <= lambd, x elsewhere.
GRADUS_API Tensor hardshrink(const Tensor& x, double lambd = 0.5);
/// x - lambd above lambd, x + lambd below -lambd, 0 between. Throws ValueError on a negative lambd.
GRADUS_API Tensor softshrink(const Tensor& x, double lambd = 0.5);
/// value where x <= threshold, x elsewhere; also of integers (ValueError for numbers beyond int64).
GRADUS_API Tensor threshold(const Tensor& x, double threshold, double value);
/// x where x > 0, negative_slope * x elsewhere.
GRADUS_API Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
/// x where x > 0, weight * x elsewhere (He et al. 2015). weight holds one slope, or one for each channel, which are dimension 1 of x.
/// Throws ShapeError where it holds another number.
GRADUS_API Tensor prelu(const Tensor& x, const Tensor& weight);
/// leaky_relu whose slope is drawn for each element uniformly from [lower, upper) when training, (lower + upper) / 2 otherwise (Xu et al.
/// 2015). Throws ValueError when lower > upper.
GRADUS_API Tensor rrelu(const Tensor& x, double lower = 1.0 / 8, double upper = 1.0 / 3, bool training = false);

/// Along a dimension.

/// a * sigmoid(b), the gated linear unit, where a and b are the first and the second half of x along dim (Dauphin et al. 2017).
/// Throws ShapeError when that size is odd or x is a scalar.
GRADUS_API Tensor glu(const Tensor& x, int64_t dim = -1);
/// e^x_i / sum_j e^x_j along dim, computed from x - max(x). With dtype, elements are converted first.
GRADUS_API Tensor softmax(const Tensor& x, int64_t dim, std::optional<DType> dtype = {});
/// log(softmax(x)) along dim: x - max(x) - log(sum(e^(x - max(x)))).
GRADUS_API Tensor log_softmax(const Tensor& x, int64_t dim, std::optional<DType> dtype = {});
/// softmax(-x) along dim. With dtype, elements are converted first.
GRADUS_API Tensor softmin(const Tensor& x, int64_t dim, std::optional<DType> dtype = {});
/// softmax along dim of the elements that mask lets through; 0 for the others. A bool mask lets through where it is true; a mask of x's
/// dtype is added, so that -infinity keeps out. It broadcasts to x's shape. Where nothing is let through, all is 0 and so is the gradient
/// (PyTorch gives NaN). Throws ShapeError or DTypeError for a mask that does not fit.
GRADUS_API Tensor masked_softmax(const Tensor& x, const Tensor& mask, int64_t dim = -1);

}  // namespace gradus
