#pragma once

#include <cstdint>

#include "gradus/export.h"

namespace gradus {

/// Seeds the generator behind rand, randn, randint, randperm, dropout and the initialisers. The same seed gives the same
/// numbers as PyTorch's CPU generator: a 32-bit Mersenne Twister (Matsumoto & Nishimura 1998, MT19937).
GRADUS_API void manual_seed(uint64_t seed);

/// The seed last given to manual_seed, or the default, 67280421310721, before that.
GRADUS_API uint64_t initial_seed();

}  // namespace gradus
