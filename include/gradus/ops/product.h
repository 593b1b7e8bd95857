#pragma once

#include <string_view>
#include <vector>

#include "gradus/tensor.h"

/// Products of vectors and matrices. Both operands must have one dtype (DTypeError).
namespace gradus {

/// The matrix product, by rank: (K) x (K) is the dot product; (M, K) x (K, N) the matrix product; a vector on the left counts as a row, on
/// the right as a column; further dimensions in front are batches and broadcast.
GRADUS_API Tensor matmul(const Tensor& a, const Tensor& b);
/// (M, K) x (K, N) -> (M, N)
GRADUS_API Tensor mm(const Tensor& a, const Tensor& b);
/// (B, M, K) x (B, K, N) -> (B, M, N)
GRADUS_API Tensor bmm(const Tensor& a, const Tensor& b);
/// (M, K) x (K) -> (M)
GRADUS_API Tensor mv(const Tensor& a, const Tensor& b);
/// (K) x (K) -> ()
GRADUS_API Tensor dot(const Tensor& a, const Tensor& b);
/// (M) x (N) -> (M, N): a_i b_j
GRADUS_API Tensor outer(const Tensor& a, const Tensor& b);
/// beta * x + alpha * (a b), x broadcast to (M, N). With beta 0, x does not count, not even its NaN. For
/// integers only the whole parts of beta and alpha count.
GRADUS_API Tensor addmm(const Tensor& x, const Tensor& a, const Tensor& b, Scalar beta = 1, Scalar alpha = 1);
/// The same for batches: a (B, M, K), b (B, K, N).
GRADUS_API Tensor baddbmm(const Tensor& x, const Tensor& a, const Tensor& b, Scalar beta = 1, Scalar alpha = 1);

/// Einstein's summation: "bij,bjk->bik" multiplies along equal letters and sums over those that the result leaves out. Without "->" the
/// result has the letters that occur once, in alphabetical order. A letter twice in one operand is its diagonal; "..." stands for
/// dimensions that broadcast. Throws ValueError for an equation that makes no sense, ShapeError where sizes differ.
GRADUS_API Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands);

/// x weight^T + bias: x (..., I), weight (O, I), bias (O) or undefined, result (..., O).
GRADUS_API Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});
/// y_o = sum over i, j of x1_i W_oij x2_j, plus bias_o: x1 (..., I), x2 (..., J), weight (O, I, J), bias (O) or undefined, y (..., O). The
/// dimensions in front must be equal (ShapeError).
GRADUS_API Tensor bilinear(const Tensor& x1, const Tensor& x2, const Tensor& weight, const Tensor& bias = {});

}  // namespace gradus
