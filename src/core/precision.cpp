#include "core/precision.h"

#include <array>
#include <string>
#include <utility>

#include "core/check.h"
#include "gradus/precision.h"

namespace gradus {

constinit std::atomic<MatmulPrecision> matmul_precision{MatmulPrecision::Highest};

static constexpr std::array names{std::pair{"highest", MatmulPrecision::Highest}, std::pair{"high", MatmulPrecision::High},
                                  std::pair{"medium", MatmulPrecision::Medium}};

void set_float32_matmul_precision(std::string_view precision) {
  for (const auto& [name, value] : names)
    if (precision == name) return matmul_precision.store(value, std::memory_order_relaxed);
  check<ValueError>(false, "set_float32_matmul_precision: \"{}\" is not a precision; give highest, high or medium", precision);
}

std::string get_float32_matmul_precision() {
  const MatmulPrecision set = matmul_precision.load(std::memory_order_relaxed);
  for (const auto& [name, value] : names)
    if (value == set) return name;
  return names.front().first;
}

}  // namespace gradus
