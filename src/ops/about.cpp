#include "gradus/about.h"

#include <fmt/format.h>

#include "core/isa.h"
#include "gradus/parallel.h"
#include "kernels/blas.h"
#include "kernels/small_kernels.h"

namespace gradus {

std::string about() {
  const int threads = get_num_threads();
  return fmt::format("gradus {}, {} kernels, {}, {}, {}", GRADUS_VERSION, isa::name(isa::level()), kernels::blas_description(),
                     kernels::small_kernel_library(), threads == 1 ? "1 thread" : fmt::format("{} threads", threads));
}

}  // namespace gradus
