#include "core/isa.h"

#include <cstring>

#if defined(__x86_64__)
#  include <cpuid.h>
#  include <sys/syscall.h>
#  include <unistd.h>
#endif

#include "core/environment.h"
#include "core/fork.h"

namespace gradus::isa {
namespace {

/// What GRADUS_ISA may name, each with all that those before it have.
struct Set {
  const char* name;
  Level level;
  Bfloat16 bfloat16;
  const char* valid;  // what may be named on a machine that has no more
};
constexpr Set sets[] = {{"baseline", Level::Baseline, Bfloat16::None, "baseline, which this machine has"},
                        {"avx2", Level::Avx2, Bfloat16::None, "baseline or avx2, which this machine has"},
                        {"avx512", Level::Avx512, Bfloat16::None, "baseline, avx2 or avx512"},
                        {"avx512_bf16", Level::Avx512, Bfloat16::Avx512, "baseline, avx2, avx512 or avx512_bf16"},
                        {"amx_bf16", Level::Avx512, Bfloat16::Amx, "baseline, avx2, avx512, avx512_bf16 or amx_bf16"}};

#if defined(__x86_64__)

/// Bits of CPUID's leaf 7 (Intel, Software Developer's Manual, volume 2A): in EAX of its second part, and in EDX of its first.
constexpr unsigned avx512_bf16_bit = 1u << 5, amx_bf16_bit = 1u << 22, amx_tile_bit = 1u << 24;

const Set* widest() noexcept {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
  if (!avx512) return &sets[avx2 ? 1 : 0];
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) || !(eax & avx512_bf16_bit)) return &sets[2];
  constexpr unsigned amx = amx_bf16_bit | amx_tile_bit;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (edx & amx) == amx ? &sets[4] : &sets[3];
}

/// Linux gives the tiles' registers only to processes that ask for them (Documentation/arch/x86/xstate.rst).
bool system_allows_amx() noexcept {
  constexpr int request_permission = 0x1023, tile_data = 18;
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

#else

const Set* widest() noexcept { return &sets[0]; }
bool system_allows_amx() noexcept { return false; }

#endif

const Set& chosen() noexcept {
  static const Set& set = [&]() -> const Set& {
    const Set* best = widest();
    const char* wanted = environment("GRADUS_ISA");
    if (!wanted) return *best;
    for (const Set* one = sets; one <= best; ++one)
      if (std::strcmp(wanted, one->name) == 0) return *one;
    warn_of_environment("GRADUS_ISA", wanted, best->valid, best->name);
    return *best;
  }();
  return set;
}

/// What a thread is choosing while another forks would never be chosen in the child.
[[maybe_unused]] const bool registered = at_fork(ForkOrder::Isa, {.before = [] {
                                                   level();
                                                   bfloat16();
                                                 }});

}  // namespace

Level chosen_level() noexcept { return chosen().level; }

Bfloat16 bfloat16() noexcept {
  // Processors with AMX multiply by vdpbf16ps at half the speed of float32 (70 and 144 GFLOP/s in the registers of an Intel Xeon, where the
  // tiles reach 900), so that without tiles nothing is gained.
  static const Bfloat16 kind = chosen().bfloat16 == Bfloat16::Amx && !system_allows_amx() ? Bfloat16::None : chosen().bfloat16;
  return kind;
}

const char* name(Level level) noexcept {
  switch (level) {
    case Level::Baseline: return "baseline";
    case Level::Avx2: return "avx2";
    case Level::Avx512: return "avx512";
  }
  return "baseline";
}

const char* name(Bfloat16 kind) noexcept {
  switch (kind) {
    case Bfloat16::None: return "none";
    case Bfloat16::Avx512: return "avx512_bf16";
    case Bfloat16::Amx: return "amx_bf16";
  }
  return "none";
}

}  // namespace gradus::isa
