#pragma once

#include "gradus/ops/convolution.h"
#include "parity/arguments.h"

/// The sizes of adaptive pooling, from the arguments of PyTorch's functions and modules alike.
namespace gradus::parity {

/// Both sizes of an output, of which None is that of the input.
OutputSize2d output_size(const Arguments& a);
int64_t only_size(const Arguments& a);

}  // namespace gradus::parity
