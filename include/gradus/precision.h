#pragma once

#include <string>
#include <string_view>

#include "gradus/export.h"

namespace gradus {

/// How precisely float32 tensors are multiplied, from now on, by every thread. After PyTorch's torch.set_float32_matmul_precision.
///
/// - "highest", the default: float32 throughout.
/// - "high": the same. (In PyTorch it allows TensorFloat32, which processors have not.)
/// - "medium": both operands are rounded to bfloat16, 8 bits of precision in float32's range, and their products are summed in float32. A
///   product of K terms differs from the exact one by at most (2^-8 + 2^-18 + K 2^-23) sum |a_k b_k|. Numbers below 2^-126 count as 0.
///
/// It holds for matrix products of at least 16 rows, columns and terms, wherever they are made: `matmul`, `bmm`, `linear`, attention,
/// convolution and recurrent layers (forward there from 5 rows of all steps together on), forward and backward. Under a NoGradGuard
/// `linear` and recurrent layers round for fewer rows too, from 16 features in and out on, so that a step of decoding reads half the bytes;
/// with weights that change between such steps, or whose data() was asked for, that takes longer than "highest".
///
/// Tensors, gradients, sums over elements and optimizers stay as they are, and so do float64 tensors. The processor must have AVX-512 BF16
/// or AMX; without, "medium" is "highest", and `about()` says so. Results have the same bits for every number of threads, but not on
/// processors of another kind. Throws ValueError for another name.
GRADUS_API void set_float32_matmul_precision(std::string_view precision);

/// The precision that was set: "highest", "high" or "medium".
GRADUS_API std::string get_float32_matmul_precision();

}  // namespace gradus
