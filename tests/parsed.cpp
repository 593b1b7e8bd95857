#include "parsed.h"

#include <nlohmann/json.hpp>

namespace testing {

nlohmann::json parsed(const std::string& text) { return nlohmann::json::parse(text); }

}  // namespace testing
