#pragma once

#include <cstdio>
#include <cstdlib>
#include <iostream>

/// Marks what a program prints from here on as belonging to the region `name` of its page, where GRADUS_REGIONS is set in the
/// environment; tools/docs brings it onto the page. A reader may ignore it.
inline void region(const char* name) {
  if (std::getenv("GRADUS_REGIONS") == nullptr) return;
  std::cout << std::flush;
  std::printf("\x1e%s\n", name);
  std::fflush(stdout);
}
