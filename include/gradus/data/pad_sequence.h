#pragma once

#include <vector>

#include "gradus/tensor.h"

namespace gradus::data {

/// Joins sequences (T_i, ...) of different length into (T, B, ...), or (B, T, ...) with batch_first: T is the longest, and the places after
/// a sequence's end hold padding_value. Gradients go back to the sequences. Throws ValueError on an empty list, ShapeError on scalars and
/// on sizes that differ beyond dimension 0, DTypeError on dtypes that differ.
GRADUS_API Tensor pad_sequence(const std::vector<Tensor>& sequences, bool batch_first = false, double padding_value = 0);

}  // namespace gradus::data
