#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "io/inflate.h"

namespace gradus::io {

inline constexpr size_t kZipHeaderBytes = 30;  // what stands before a member's name, extra field and bytes

/// One file of a zip archive, as the archive's directory describes it.
struct ZipMember {
  std::string name;
  uint64_t bytes = 0;         // when it is unpacked
  uint64_t packed_bytes = 0;  // in the archive
  uint64_t begin = 0;         // where its own header stands
  uint64_t end = 0;           // where the next member or the directory begins
  uint32_t crc = 0;
  bool deflated = false;
};

/// The directory of a zip archive (PKWARE's application note), zip64 included. Nothing that it says is taken for true before it is compared
/// with the file's size; members that overlap are refused, so that all stored ones together are no larger than the file.
class ZipArchive {
 public:
  /// Throws IoError that begins with the file's `op: path:`.
  explicit ZipArchive(const InputFile& file);

  const InputFile& file() const noexcept { return file_; }
  /// In the order of the directory.
  const std::vector<ZipMember>& members() const noexcept { return members_; }
  /// The member of that name, or nullptr.
  const ZipMember* find(std::string_view name) const noexcept;

 private:
  struct Directory {
    uint64_t begin = 0, bytes = 0, members = 0;
  };
  Directory find_directory() const;
  Directory read_zip64_end(uint64_t end_record) const;
  void read_members(const Directory& directory);
  void check_extents(uint64_t directory);

  const InputFile& file_;
  std::vector<ZipMember> members_;
  std::vector<const ZipMember*> by_name_;
};

/// Reads a member from its first byte to its last.
class ZipReader {
 public:
  ZipReader(const ZipArchive& archive, const ZipMember& member);

  /// The next `bytes` bytes, unpacked.
  void read(void* to, size_t bytes);
  /// All has been read, and is what was once packed: sizes and CRC-32 agree.
  void finish();

 private:
  size_t inflate(std::byte* to, size_t bytes);

  const InputFile& file_;
  const ZipMember& member_;
  uint64_t left_;         // bytes that were not given yet
  uint64_t at_ = 0;       // where the next packed byte stands in the file
  uint64_t packed_left_;  // bytes from there to the member's end
  uint32_t crc_ = 0;

  std::unique_ptr<Inflater> inflater_;
  std::unique_ptr<std::byte[]> packed_;  // a piece of the file, from packed_at_ up to packed_end_
  size_t packed_at_ = 0, packed_end_ = 0;
  bool ended_ = false;
};

}  // namespace gradus::io
