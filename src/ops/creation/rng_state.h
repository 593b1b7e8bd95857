#pragma once

#include "autograd/op.h"
#include "core/random.h"

namespace gradus {

/// The generator whose state a tensor holds. Throws DTypeError, ShapeError or ValueError when it holds none.
Generator generator_of(Op op, const Tensor& state);

}  // namespace gradus
