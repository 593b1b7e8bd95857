#pragma once

#include <cstdint>

#include "gradus/export.h"

namespace gradus::nn {

/// As gradus::TensorPlaces, for modules.
struct ModulePlaces {
  int64_t state;                                         // in a Module
  int64_t name, cpp_type, details, training;             // in its state
  int64_t parameters, buffers, children;                 // vectors of pairs that begin with a name, likewise
  int64_t slot_pair_size, slot_in_pair, tensor_in_slot;  // of parameters and buffers
  int64_t child_pair_size, child_in_pair;                // of children
};

}  // namespace gradus::nn

extern "C" GRADUS_API const gradus::nn::ModulePlaces gradus_module_places;
