#pragma once

// Every public header includes this one, so that an older standard is one message and not hundreds.
#if __cplusplus < 202002L
#  include <gradus needs C++20: compile with -std=c++20>  // as #error, and nothing after it is read
#endif

// The library is built with hidden visibility; what carries GRADUS_API is its interface.
#if defined(_WIN32)
#  error "gradus builds on Linux and other ELF systems"
#elif defined(__GNUC__)
#  define GRADUS_API __attribute__((visibility("default")))
#else
#  define GRADUS_API
#endif
