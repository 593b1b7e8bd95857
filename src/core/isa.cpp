#include "core/isa.h"

#include <cstring>
#include <initializer_list>

#include "core/environment.h"

namespace gradus::isa {

static Level widest() noexcept {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
    return Level::Avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return Level::Avx2;
#endif
  return Level::Baseline;
}

Level chosen_level() noexcept {
  const Level best = widest();
  const char* wanted = environment("GRADUS_ISA");
  if (!wanted) return best;
  for (Level level : {Level::Baseline, Level::Avx2, Level::Avx512})
    if (std::strcmp(wanted, name(level)) == 0 && level <= best) return level;
  const char* valid = best == Level::Avx512 ? "baseline, avx2 or avx512"
                      : best == Level::Avx2 ? "baseline or avx2, which this machine has"
                                            : "baseline, which this machine has";
  warn_of_environment("GRADUS_ISA", wanted, valid, name(best));
  return best;
}

const char* name(Level level) noexcept {
  switch (level) {
    case Level::Baseline: return "baseline";
    case Level::Avx2: return "avx2";
    case Level::Avx512: return "avx512";
  }
  return "baseline";
}

}  // namespace gradus::isa
