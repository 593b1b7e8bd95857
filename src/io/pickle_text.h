#pragma once

#include <cstddef>
#include <string>

#include "io/state_dict_pickle.h"

namespace gradus::io {

/// Lists, tuples and dicts may be nested so deep.
inline constexpr int kMostPickleDepth = 100;

/// Appends a value as Python's json.dumps writes it. Throws IoError where `out` becomes longer than `most`, as it may when a pickle has one
/// list in many places, or where it is nested too deep.
void append_json(const StateDictPickle& pickle, const PickleValue& v, size_t most, std::string& out, int depth = 0);

}  // namespace gradus::io
