#pragma once

#include <map>
#include <string>

#include "gradus/io/checkpoint.h"

namespace gradus::io {

/// What a checkpoint has in its metadata under `format`.
inline constexpr const char* kCheckpointFormat = "gradus-checkpoint-1";

/// What a checkpoint holds.
struct CheckpointContent {
  std::map<std::string, StateValues> parts;
  StateValues values;
  Tensor rng_state;
};

/// Reads a checkpoint, after its checksum. Throws IoError, which begins with `op: path:`.
CheckpointContent read_checkpoint(const char* op, const std::string& path);
/// The same of the values alone.
StateValues read_checkpoint_values(const char* op, const std::string& path);

/// Writes a checkpoint: save_checkpoint under the name of another operation.
void write_checkpoint(const char* op, const std::string& path, const CheckpointParts& parts, const StateValues& values);

/// Throws ValueError unless the parts have names that a checkpoint may hold.
void check_names(const char* op, const CheckpointParts& parts);
/// Loads the content of the file into the parts: load_checkpoint's second half.
void load_parts(const char* op, const std::string& path, const CheckpointContent& content, const CheckpointParts& parts, bool strict);

}  // namespace gradus::io
