#pragma once

#include <cstdint>
#include <map>
#include <string>

/// A type of one's own, whose state is numbers.
struct Counter {
  int64_t n = 0;
  std::map<std::string, int64_t> state_dict() const { return {{"n", n}}; }
  void load_state_dict(const std::map<std::string, int64_t>& state) { n = state.at("n"); }
};
