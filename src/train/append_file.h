#pragma once

#include <cstdint>
#include <string>

namespace gradus::train {

/// Opens a file to append to, made where it is not there, and gives its descriptor. Throws IoError that begins with `op: path:`.
int open_to_append(const char* op, const std::string& path);
/// Writes all bytes. Throws IoError that begins with `op: path:`.
void write_all(const char* op, const std::string& path, int fd, const std::string& bytes);

}  // namespace gradus::train
