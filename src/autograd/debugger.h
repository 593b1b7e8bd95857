#pragma once

#include <cstdint>

#include "gradus/export.h"

namespace gradus {

/// Where the parts of a TensorImpl lie, in bytes from its beginning, so that a debugger can show a tensor of a library that was built
/// without debugging information, and in a core file. tools/gdb/printers.py reads it in this order.
struct TensorPlaces {
  int64_t storage, shape, rank, strides, offset, dtype, grad_fn, sink;
  int64_t data_in_storage;  // from the beginning of the storage
};

}  // namespace gradus

extern "C" GRADUS_API const gradus::TensorPlaces gradus_tensor_places;
