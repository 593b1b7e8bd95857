#pragma once

#include <unistd.h>

#include "core/check.h"

namespace gradus::nn {

/// Throws ValueError when a module's float32 parameters cannot fit into this machine's memory, before the first of them is made: `tensors`
/// of them, with `numbers` in all. As real numbers these cannot overflow. `options` says what makes them so many.
inline void check_size(const char* module, double tensors, double numbers, const std::string& options) {
  constexpr double bytes_of_handle = 256;  // what a tensor costs besides its elements: its place in the module, its name, its storage
  const double needed = tensors * bytes_of_handle + numbers * sizeof(float);
  const double memory = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  check<ValueError>(memory <= 0 || needed <= memory,
                    "{}: {} make {:.3g} parameters with {:.3g} numbers, {:.3g} GB, beyond this machine's {:.3g} GB", module, options,
                    tensors, numbers, needed / 1e9, memory / 1e9);
}

}  // namespace gradus::nn
