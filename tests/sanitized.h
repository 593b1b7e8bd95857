#pragma once

/// Which sanitizers watch the program: gcc and clang say it in two ways.
namespace testing {

inline constexpr bool address_sanitized =
#if defined(__has_feature)
#  if __has_feature(address_sanitizer)
    true;
#  else
    false;
#  endif
#elif defined(__SANITIZE_ADDRESS__)
    true;
#else
    false;
#endif
inline constexpr bool thread_sanitized =
#if defined(__has_feature)
#  if __has_feature(thread_sanitizer)
    true;
#  else
    false;
#  endif
#elif defined(__SANITIZE_THREAD__)
    true;
#else
    false;
#endif

}  // namespace testing
