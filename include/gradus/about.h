#pragma once

#include <string>

#include "gradus/export.h"

namespace gradus {

/// What this build is and how it uses the machine, for bug reports: the version, the instruction set that kernels were chosen for, what
/// multiplies bfloat16 (`set_float32_matmul_precision`), OpenBLAS and the kernels chosen in it, the number of threads.
GRADUS_API std::string about();

}  // namespace gradus
