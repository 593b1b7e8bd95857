#include "gradus/about.h"

#include <fmt/format.h>

#include "core/isa.h"
#include "gradus/parallel.h"
#include "kernels/blas.h"
#include "kernels/small_kernels.h"

namespace gradus {

/// What becomes of precision "medium".
static std::string bfloat16_description() {
  const isa::Bfloat16 kind = isa::bfloat16();
  return kind == isa::Bfloat16::None ? "no bfloat16 (precision medium is highest)" : fmt::format("bfloat16 by {}", isa::name(kind));
}

std::string about() {
  const int threads = get_num_threads();
  return fmt::format("gradus {}, {} kernels, {}, {}, {}, {}", GRADUS_VERSION, isa::name(isa::level()), bfloat16_description(),
                     kernels::blas_description(), kernels::small_kernel_library(),
                     threads == 1 ? "1 thread" : fmt::format("{} threads", threads));
}

}  // namespace gradus
