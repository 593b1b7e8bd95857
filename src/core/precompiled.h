// The headers of others that most sources include, compiled once: Meson's cpp_pch. It saves time and nothing else: every source includes
// what it uses (tests/core/includes_test.cpp), and builds with -Db_pch=false, as under clang in .ci/run, and with CMake go without.
// No #pragma once: g++ warns of it where a header is what is compiled.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>
