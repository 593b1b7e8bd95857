#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// What TensorBoard reads: records of TensorFlow's TFRecord format, each an Event (tensorboard/compat/proto/event.proto) in the encoding of
/// protocol buffers.
namespace gradus::train {

/// The cyclic redundancy check of Castagnoli (polynomial 0x1EDC6F41, as in RFC 3720).
uint32_t crc32c(std::string_view bytes) noexcept;

/// The bytes as a record: their number in 8 bytes, its masked CRC-32C, the bytes, and theirs.
std::string record_of(std::string_view bytes);

/// Event{wall_time, step, file_version: "brain.Event:2"}, with which a file begins.
std::string version_event(double wall_time, int64_t step);
/// Event{wall_time, step, session_log: {status: START}}: what earlier files have from this step on does not count.
std::string start_event(double wall_time, int64_t step);
/// Event{wall_time, step, summary: {value: {tag, simple_value}}}
std::string scalar_event(double wall_time, int64_t step, std::string_view tag, float value);

}  // namespace gradus::train
