#pragma once

#include "gradus/export.h"

namespace gradus {

/// Sets how many threads one operation may use, the calling one included. Throws ValueError below 1.
/// Work is cut into pieces that depend on the sizes alone, so results have the same bits for every number of threads.
/// The threads are started when they are first needed. Where the system does not let so many be made, those there are do the work; this is
/// told on stderr, and get_num_threads() has their number. A child of fork() starts threads of its own.
GRADUS_API void set_num_threads(int threads);

/// The number set, or, before that, the environment variable GRADUS_NUM_THREADS (1 to 256) or else the processors at hand.
GRADUS_API int get_num_threads();

}  // namespace gradus
