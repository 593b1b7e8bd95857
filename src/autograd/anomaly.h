#pragma once

#include <string>
#include <vector>

namespace gradus {

/// Whether operations on this thread remember where they were called, and backward looks for NaN.
bool detecting_anomalies() noexcept;

/// The return addresses of the calls that led here.
std::vector<void*> call_trace();

/// A call trace as text, one line a call, without those inside this library.
std::string describe_trace(const std::vector<void*>& trace);

}  // namespace gradus
