#pragma once

#include <cstdint>

#include "gradus/export.h"
#include "gradus/tensor.h"

namespace gradus {

/// Seeds the generator behind rand, randn, randint, randperm, dropout and the initialisers. The same seed gives the same
/// numbers as PyTorch's CPU generator: a 32-bit Mersenne Twister (Matsumoto & Nishimura 1998, MT19937).
GRADUS_API void manual_seed(uint64_t seed);

/// The seed last given to manual_seed, or the default, 67280421310721, before that.
GRADUS_API uint64_t initial_seed();

/// The whole state of that generator, the normal number that it has in hand included: set_rng_state brings it back, and the same numbers
/// come again. An int64 tensor of 629 elements, where PyTorch has one of bytes; they cannot be exchanged.
GRADUS_API Tensor get_rng_state();

/// Puts the generator into a state that get_rng_state gave. Throws DTypeError, ShapeError or ValueError when `state` is not such a one;
/// then nothing was changed.
GRADUS_API void set_rng_state(const Tensor& state);

}  // namespace gradus
