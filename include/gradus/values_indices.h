#pragma once

#include "gradus/tensor.h"

namespace gradus {

/// A reduced value and where it stood.
struct ValuesIndices {
  Tensor values;
  Tensor indices;  ///< int64
};

}  // namespace gradus
