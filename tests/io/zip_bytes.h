#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/crc32.h"
#include "raw.h"

namespace files {

/// A member of a zip archive, with whatever sizes its headers claim.
struct Member {
  std::string name;
  std::string packed;  // as it stands in the archive
  uint64_t bytes = 0;  // unpacked
  uint32_t crc = 0;
  uint16_t method = 0;
  uint16_t flags = 0;
  std::string local_extra = {};
  bool zip64 = false;  // the directory has the sizes in a field of its own
};

inline Member stored(const std::string& name, const std::string& data) {
  return {.name = name, .packed = data, .bytes = data.size(), .crc = gradus::io::crc32(0, data.data(), data.size())};
}

/// Deflated by a block that is not compressed (RFC 1951, 3.2.4), of at most 65535 bytes.
inline Member deflated(const std::string& name, const std::string& data) {
  Member m = stored(name, data);
  const auto size = static_cast<uint16_t>(data.size());
  m.packed = "\x01" + raw<uint16_t>({size, static_cast<uint16_t>(~size)}) + data;
  m.method = 8;
  return m;
}

/// A deflate stream of the literal 0 and `repeats` copies of 258 bytes from one byte before: 13 bits each (RFC 1951, 3.2.6).
inline std::string deflated_zeros(int repeats) {
  std::string bytes;
  unsigned waiting = 0;
  int count = 0;
  const auto put = [&](unsigned bits, int n, bool most_significant_first) {
    for (int i = 0; i < n; ++i) {
      waiting |= (bits >> (most_significant_first ? n - 1 - i : i) & 1U) << count;
      if (++count < 8) continue;
      bytes += static_cast<char>(waiting);
      waiting = 0;
      count = 0;
    }
  };
  put(1, 1, false);          // the last block
  put(1, 2, false);          // fixed codes
  put(0b00110000, 8, true);  // the literal 0
  for (int i = 0; i < repeats; ++i) {
    put(0b11000101, 8, true);  // length 258
    put(0, 5, true);           // distance 1
  }
  put(0, 7, true);  // the end
  if (count > 0) bytes += static_cast<char>(waiting);
  return bytes;
}

/// Where the parts of an archive stand, for tests that change them.
struct ZipBytes {
  std::string bytes;
  size_t directory = 0;
  size_t end = 0;
};

inline ZipBytes zip(const std::vector<Member>& members, const std::string& comment = "", bool zip64_end = false) {
  ZipBytes zip;
  std::string directory;
  for (const Member& m : members) {
    const auto begin = static_cast<uint32_t>(zip.bytes.size());
    const auto name_bytes = static_cast<uint16_t>(m.name.size());
    const auto packed = static_cast<uint32_t>(m.packed.size()), bytes = static_cast<uint32_t>(m.bytes);
    zip.bytes += "PK\x03\x04" + raw<uint16_t>({20, m.flags, m.method, 0, 0}) + raw<uint32_t>({m.crc, packed, bytes}) +
                 raw<uint16_t>({name_bytes, static_cast<uint16_t>(m.local_extra.size())}) + m.name + m.local_extra + m.packed;
    std::string extra;
    if (m.zip64) extra = raw<uint16_t>({0x7777, 2, 0, 1, 24}) + raw<uint64_t>({m.bytes, m.packed.size(), begin});
    constexpr uint32_t in_extra = 0xFFFFFFFF;
    directory += "PK\x01\x02" + raw<uint16_t>({20, 20, m.flags, m.method, 0, 0}) +
                 raw<uint32_t>({m.crc, m.zip64 ? in_extra : packed, m.zip64 ? in_extra : bytes}) +
                 raw<uint16_t>({name_bytes, static_cast<uint16_t>(extra.size()), 0, 0, 0}) +
                 raw<uint32_t>({0, m.zip64 ? in_extra : begin}) + m.name + extra;
  }
  zip.directory = zip.bytes.size();
  const auto count = static_cast<uint16_t>(members.size());
  zip.bytes += directory;
  zip.end = zip.bytes.size();
  if (zip64_end) {
    zip.bytes += "PK\x06\x06" + raw<uint64_t>({44}) + raw<uint16_t>({45, 45}) + raw<uint32_t>({0, 0}) +
                 raw<uint64_t>({count, count, directory.size(), zip.directory});
    zip.bytes += "PK\x06\x07" + raw<uint32_t>({0}) + raw<uint64_t>({zip.end}) + raw<uint32_t>({1});
  }
  const uint32_t unknown = 0xFFFFFFFF;
  zip.bytes += "PK\x05\x06" + raw<uint16_t>({0, 0, count, count}) +
               raw<uint32_t>({zip64_end ? unknown : static_cast<uint32_t>(directory.size()),
                              zip64_end ? unknown : static_cast<uint32_t>(zip.directory)}) +
               raw<uint16_t>({static_cast<uint16_t>(comment.size())}) + comment;
  return zip;
}

}  // namespace files
