#pragma once

#include <atomic>
#include <type_traits>

#include "core/precision.h"

/// Before a loop: its iterations touch different elements, which a compiler cannot see where there are many pointers.
#if defined(__clang__)
#  define GRADUS_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#  define GRADUS_INDEPENDENT _Pragma("GCC ivdep")
#endif

/// Before a loop of a few iterations: g++ would unroll it before it looks for what can be done side by side, and then do all one by one.
#if defined(__clang__)
#  define GRADUS_SIDE_BY_SIDE
#else
#  define GRADUS_SIDE_BY_SIDE _Pragma("GCC unroll 1")
#endif

/// Kernels are written as plain loops. `isa::run` compiles a loop over float32 for three instruction sets and calls the one that suits the
/// machine, so that the library needs no -march flag and one binary is fast everywhere.
namespace gradus::isa {

enum class Level { Baseline, Avx2, Avx512 };

/// The widest set that the machine has, or the one that the environment variable GRADUS_ISA names
/// (`baseline`, `avx2`, `avx512`, `avx512_bf16` or `amx_bf16`) if the machine has it.
Level chosen_level() noexcept;

/// The same, chosen once.
inline Level level() noexcept {
  static const Level level = chosen_level();
  return level;
}

/// "baseline", "avx2" or "avx512".
const char* name(Level level) noexcept;

/// What multiplies numbers of bfloat16 and sums their products in float32: nothing, AVX-512's vdpbf16ps, or AMX's tiles.
enum class Bfloat16 { None, Avx512, Amx };

/// The best that the machine has and the system allows, or what belongs to the set in GRADUS_ISA, where `avx512_bf16` and `amx_bf16` are
/// `avx512` with more. AMX is asked of the system at the first call: from then on it is used by this process.
Bfloat16 bfloat16() noexcept;

/// "none", "avx512_bf16" or "amx_bf16".
const char* name(Bfloat16 kind) noexcept;

/// Whether products of float32 round their operands: the user asked for it ("medium") and the machine can.
inline bool rounds_to_bfloat16() noexcept {
  return matmul_precision.load(std::memory_order_relaxed) == MatmulPrecision::Medium && bfloat16() != Bfloat16::None;
}

// With GRADUS_PORTABLE, as on other processors: sanitizers see the same loops, in a third of the code.
#if defined(__x86_64__) && !defined(GRADUS_PORTABLE)
#  if defined(__clang__)
#    define GRADUS_TARGET_AVX512 \
      __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,fma,bmi2"), min_vector_width(512), flatten, noinline))
#  else
#    define GRADUS_TARGET_AVX512 \
      __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,fma,bmi2,prefer-vector-width=512"), flatten, noinline))
#  endif
#  define GRADUS_TARGET_AVX2 __attribute__((target("avx2,fma,bmi2"), flatten, noinline))

template <class Body>
GRADUS_TARGET_AVX512 void run_avx512(Body body) {
  body();
}
template <class Body>
GRADUS_TARGET_AVX2 void run_avx2(Body body) {
  body();
}
template <class Body>
__attribute__((flatten, noinline)) void run_baseline(Body body) {
  body();
}

/// Runs `body`, a lambda that captures by value, in the version for this machine. Everything that it calls is inlined. Loops over other
/// types than float, which are rarer, are compiled for the baseline alone, which keeps the library small.
template <class T = float, class Body>
void run(Body body) {
  if constexpr (!std::is_same_v<T, float>) return run_baseline(body);
  switch (level()) {
    case Level::Avx512: return run_avx512(body);
    case Level::Avx2: return run_avx2(body);
    case Level::Baseline: return run_baseline(body);
  }
}

/// The same for a loop over floats that does little but read and write memory. AVX2 is as wide as it gets: wider registers gain nothing
/// there, and cost 8 % on a Zen 4.
template <class Body>
void run_light(Body body) {
  if (level() == Level::Baseline) return run_baseline(body);
  run_avx2(body);
}

#  undef GRADUS_TARGET_AVX512
#  undef GRADUS_TARGET_AVX2
#else
template <class T = float, class Body>
void run(Body body) {
  body();
}
template <class Body>
void run_light(Body body) {
  body();
}
#endif

}  // namespace gradus::isa
