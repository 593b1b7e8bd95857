#include "gradus/about.h"

#include <fmt/format.h>

#include "core/isa.h"
#include "gradus/parallel.h"
#include "kernels/blas.h"

namespace gradus {

std::string about() {
  return fmt::format("gradus {}, {} kernels, {}, {} threads", GRADUS_VERSION, isa::name(isa::level()), kernels::blas_description(),
                     get_num_threads());
}

}  // namespace gradus
