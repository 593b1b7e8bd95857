#pragma once

#include <atomic>

namespace gradus {

/// What was asked for by set_float32_matmul_precision.
enum class MatmulPrecision { Highest, High, Medium };

extern std::atomic<MatmulPrecision> matmul_precision;

}  // namespace gradus
