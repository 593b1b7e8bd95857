#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace testing {

/// What a JSON text holds, by way of one source: the library's parser takes longer to compile than most tests.
nlohmann::json parsed(const std::string& text);

}  // namespace testing
