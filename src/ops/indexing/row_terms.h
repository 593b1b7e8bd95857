#pragma once

#include <optional>

#include "autograd/op.h"
#include "gradus/tensor.h"

/// What embedding and embedding_bag share: sums of rows of a table, and checks of the table.
namespace gradus {

/// Terms of sums of rows: term i adds scale[i] times row from[i] of one table to row to[i] of another. Undefined `from` or `to`: i;
/// undefined `scale`: 1.
struct RowTerms {
  Tensor to, from;  // (n) int64
  Tensor scale;     // (n), of the tables' dtype
  int64_t n;
  /// The terms of the adjoint.
  RowTerms reversed() const { return {from, to, scale, n}; }
};

/// The sums of rows of x (R, E) that the terms name: (rows, E). Its adjoint is the same with the terms reversed.
Tensor sum_of_rows(const Tensor& x, const RowTerms& terms, int64_t rows);

/// The gradient of a table of so many rows, with the terms its lookup had, reversed: dense, or row-sparse if that was asked for, or is
/// welcome and smaller. A backward pass that is recorded has dense ones.
Tensor table_gradient(const Tensor& dy, const RowTerms& terms, int64_t rows, bool sparse);

/// How often each of the indices (n) is among them, as 1 / count in the given dtype.
Tensor inverse_frequency(const Tensor& indices, DType dtype);

/// Throws unless weight is a table (V, E).
void check_table(Op op, const Tensor& weight);
/// padding_idx counted from the start. Throws IndexError unless it names one of the rows.
std::optional<int64_t> checked_padding(Op op, std::optional<int64_t> padding_idx, int64_t rows);
/// Scales the rows of weight that the indices name, and whose p-norm is beyond max_norm, by max_norm / (norm + 1e-7), unrecorded.
void renormalize(Op op, const Tensor& weight, const Tensor& indices, double max_norm, double p);

}  // namespace gradus
