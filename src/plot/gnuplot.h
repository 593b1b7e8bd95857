#pragma once

#include <string>

namespace gradus::plot {

/// What gnuplot writes to its standard output when it reads `script`. Throws IoError that starts with `op` where there is no gnuplot, it
/// fails, or gives nothing.
std::string run_gnuplot(const char* op, const std::string& script);

}  // namespace gradus::plot
