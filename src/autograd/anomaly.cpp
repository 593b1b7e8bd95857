#include "autograd/anomaly.h"

#include "gradus/autograd.h"

namespace gradus {

static thread_local int depth = 0;

bool detecting_anomalies() noexcept { return depth > 0; }

namespace autograd {

DetectAnomalyGuard::DetectAnomalyGuard() noexcept {
  ++depth;
  want_backtraces(1);
}

DetectAnomalyGuard::~DetectAnomalyGuard() {
  --depth;
  want_backtraces(-1);
}

}  // namespace autograd
}  // namespace gradus
