#pragma once

#include <doctest/doctest.h>

#include "core/isa.h"
#include "gradus/precision.h"

namespace testing {

/// Products of bfloat16 while it lives, where the machine has them.
class MediumPrecision {
 public:
  MediumPrecision() {
    gradus::set_float32_matmul_precision("medium");
    if (!is_there()) MESSAGE("this machine, or GRADUS_ISA, has no products of bfloat16: medium is highest");
  }
  ~MediumPrecision() { gradus::set_float32_matmul_precision("highest"); }
  MediumPrecision(const MediumPrecision&) = delete;
  MediumPrecision& operator=(const MediumPrecision&) = delete;

  static bool is_there() { return gradus::isa::rounds_to_bfloat16(); }
};

}  // namespace testing
