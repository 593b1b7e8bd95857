#pragma once

// The library is built with hidden visibility; what carries GRADUS_API is its interface.
#if defined(_WIN32)
#  error "gradus builds on Linux and other ELF systems"
#elif defined(__GNUC__)
#  define GRADUS_API __attribute__((visibility("default")))
#else
#  define GRADUS_API
#endif
