#include "core/environment.h"

#include <cstdio>
#include <cstdlib>

namespace gradus {

const char* environment(const char* name) noexcept {
  const char* value = std::getenv(name);
  return value && *value ? value : nullptr;
}

void warn_of_environment(const char* name, const char* value, const char* valid, const char* used) noexcept {
  std::fprintf(stderr, "gradus: %s=%s is not valid: give %s; using %s\n", name, value, valid, used);
}

}  // namespace gradus
