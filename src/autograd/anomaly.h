#pragma once

#include "core/backtrace.h"

namespace gradus {

/// Whether operations on this thread remember where they were called, and backward looks for NaN.
bool detecting_anomalies() noexcept;

}  // namespace gradus
