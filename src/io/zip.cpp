#include "io/zip.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "core/quoted.h"

namespace gradus::io {
namespace {

constexpr uint32_t kEntrySignature = 0x02014B50;
constexpr uint32_t kEndSignature = 0x06054B50;
constexpr uint32_t kEnd64Signature = 0x06064B50;
constexpr uint32_t kLocatorSignature = 0x07064B50;

constexpr size_t kEntryBytes = 46;
constexpr size_t kEndBytes = 22;
constexpr size_t kEnd64Bytes = 56;
constexpr size_t kLocatorBytes = 20;
constexpr size_t kMostCommentBytes = 0xFFFF;

constexpr uint16_t kEncrypted = 1;
constexpr uint16_t kStored = 0, kDeflated = 8;
constexpr uint16_t kZip64Field = 1;
constexpr uint32_t kIn64Bits = 0xFFFFFFFF;  // the number stands in the zip64 field

template <class T>
T number_at(const std::byte* from, size_t offset) {
  T value;
  std::memcpy(&value, from + offset, sizeof value);
  return value;
}

std::string method_name(uint16_t method) {
  switch (method) {
    case 9: return "Deflate64";
    case 12: return "bzip2";
    case 14: return "LZMA";
    case 93: return "Zstandard";
    case 95: return "XZ";
    default: return fmt::format("method {}", method);
  }
}

/// Replaces the numbers of an entry that have no room in 32 bits by those of its zip64 field.
bool read_zip64(std::span<const std::byte> extra, ZipMember& member) {
  uint64_t* const numbers[] = {&member.bytes, &member.packed_bytes, &member.begin};
  if (std::none_of(std::begin(numbers), std::end(numbers), [](const uint64_t* n) { return *n == kIn64Bits; })) return true;
  while (extra.size() >= 4) {
    const auto id = number_at<uint16_t>(extra.data(), 0), size = number_at<uint16_t>(extra.data(), 2);
    if (extra.size() < size_t{4} + size) return false;
    if (id == kZip64Field) {
      size_t at = 4;
      for (uint64_t* n : numbers) {
        if (*n != kIn64Bits) continue;
        if (at + 8 > size_t{4} + size) return false;
        *n = number_at<uint64_t>(extra.data(), at);
        at += 8;
      }
      return true;
    }
    extra = extra.subspan(size_t{4} + size);
  }
  return true;  // 4 GiB less one byte, by chance
}

}  // namespace

ZipArchive::ZipArchive(const InputFile& file) : file_(file) {
  const Directory directory = find_directory();
  read_members(directory);
  check_extents(directory.begin);
  by_name_.reserve(members_.size());
  for (const ZipMember& m : members_) by_name_.push_back(&m);
  std::sort(by_name_.begin(), by_name_.end(), [](const ZipMember* a, const ZipMember* b) { return a->name < b->name; });
  const auto twice = std::adjacent_find(by_name_.begin(), by_name_.end(), [](auto* a, auto* b) { return a->name == b->name; });
  file_.check(twice == by_name_.end(), "the archive has two members called {}",
              twice == by_name_.end() ? "" : gradus::quoted((*twice)->name));
}

const ZipMember* ZipArchive::find(std::string_view name) const noexcept {
  const auto found =
      std::lower_bound(by_name_.begin(), by_name_.end(), name, [](const ZipMember* m, std::string_view n) { return m->name < n; });
  return found != by_name_.end() && (*found)->name == name ? *found : nullptr;
}

/// The record at the end of the file leads to the directory. A comment may follow it.
ZipArchive::Directory ZipArchive::find_directory() const {
  const uint64_t size = file_.size();
  file_.check(size >= kEndBytes, "has {} bytes, too few for a zip archive", size);
  const auto tail_bytes = static_cast<size_t>(std::min<uint64_t>(size, kEndBytes + kMostCommentBytes));
  const uint64_t tail_begin = size - tail_bytes;
  std::vector<std::byte> tail(tail_bytes);
  file_.read_at(tail_begin, tail.data(), tail_bytes);

  std::optional<size_t> found;
  for (size_t at = tail_bytes - kEndBytes + 1; at-- > 0 && !found;)
    if (number_at<uint32_t>(tail.data(), at) == kEndSignature && at + kEndBytes + number_at<uint16_t>(tail.data(), at + 20) == tail_bytes)
      found = at;
  file_.check(found.has_value(), "has no zip directory at its end; it is cut short, or no zip archive");

  const std::byte* const record = tail.data() + *found;
  const uint64_t end_record = tail_begin + *found;
  file_.check(number_at<uint16_t>(record, 4) == 0 && number_at<uint16_t>(record, 6) == 0, "is one part of a zip archive of several files");
  Directory directory{number_at<uint32_t>(record, 16), number_at<uint32_t>(record, 12), number_at<uint16_t>(record, 10)};
  uint64_t end = end_record;
  if (directory.begin == kIn64Bits || directory.bytes == kIn64Bits || directory.members == 0xFFFF) {
    directory = read_zip64_end(end_record);
    end -= std::min<uint64_t>(end, kLocatorBytes + kEnd64Bytes);
  }
  file_.check(directory.begin <= end && directory.bytes <= end - directory.begin && directory.members <= directory.bytes / kEntryBytes,
              "the zip directory is said to have {} members in {} bytes at byte {}, which is not before its end at byte {}; it is damaged",
              directory.members, directory.bytes, directory.begin, end);
  return directory;
}

ZipArchive::Directory ZipArchive::read_zip64_end(uint64_t end_record) const {
  std::byte locator[kLocatorBytes], record[kEnd64Bytes];
  file_.check(end_record >= kLocatorBytes + kEnd64Bytes, "the zip64 directory has no room in the file; it is damaged");
  file_.read_at(end_record - kLocatorBytes, locator, kLocatorBytes);
  const auto at = number_at<uint64_t>(locator, 8);
  file_.check(number_at<uint32_t>(locator, 0) == kLocatorSignature && at <= end_record - kLocatorBytes - kEnd64Bytes,
              "what leads to the zip64 directory is damaged");
  file_.read_at(at, record, kEnd64Bytes);
  file_.check(
      number_at<uint32_t>(record, 0) == kEnd64Signature && number_at<uint32_t>(record, 16) == 0 && number_at<uint32_t>(record, 20) == 0,
      "the end of the zip64 directory is damaged");
  return {number_at<uint64_t>(record, 48), number_at<uint64_t>(record, 40), number_at<uint64_t>(record, 32)};
}

void ZipArchive::read_members(const Directory& directory) {
  std::vector<std::byte> bytes(static_cast<size_t>(directory.bytes));
  file_.read_at(directory.begin, bytes.data(), bytes.size());
  members_.reserve(static_cast<size_t>(directory.members));
  std::span<const std::byte> rest = bytes;
  for (uint64_t i = 0; i < directory.members; ++i) {
    const std::byte* const entry = rest.data();
    const bool whole = rest.size() >= kEntryBytes && number_at<uint32_t>(entry, 0) == kEntrySignature;
    const size_t name = whole ? number_at<uint16_t>(entry, 28) : 0, extra = whole ? number_at<uint16_t>(entry, 30) : 0,
                 comment = whole ? number_at<uint16_t>(entry, 32) : 0;
    file_.check(whole && rest.size() >= kEntryBytes + name + extra + comment, "entry {} of the zip directory is damaged", i);
    ZipMember member{.name = std::string(reinterpret_cast<const char*>(entry) + kEntryBytes, name),
                     .bytes = number_at<uint32_t>(entry, 24),
                     .packed_bytes = number_at<uint32_t>(entry, 20),
                     .begin = number_at<uint32_t>(entry, 42),
                     .crc = number_at<uint32_t>(entry, 16)};
    const auto flags = number_at<uint16_t>(entry, 8), method = number_at<uint16_t>(entry, 10);
    member.deflated = method == kDeflated;
    file_.check(read_zip64(rest.subspan(kEntryBytes + name, extra), member), "the zip64 sizes of member {} are damaged",
                gradus::quoted(member.name));
    file_.check((flags & kEncrypted) == 0, "member {} is encrypted; unpack the archive with its password and pack it without one",
                gradus::quoted(member.name));
    file_.check(method == kStored || member.deflated, "member {} is packed by {}; only stored and deflated members are read",
                gradus::quoted(member.name), method_name(method));
    file_.check(member.deflated || member.bytes == member.packed_bytes,
                "member {} is stored, but has {} bytes in the archive and {} outside", gradus::quoted(member.name), member.packed_bytes,
                member.bytes);
    members_.push_back(std::move(member));
    rest = rest.subspan(kEntryBytes + name + extra + comment);
  }
}

/// Members lie one after the other before the directory.
void ZipArchive::check_extents(uint64_t directory) {
  std::vector<ZipMember*> order;
  order.reserve(members_.size());
  for (ZipMember& m : members_) order.push_back(&m);
  std::sort(order.begin(), order.end(), [](const ZipMember* a, const ZipMember* b) { return a->begin < b->begin; });
  for (size_t i = 0; i < order.size(); ++i) {
    ZipMember& m = *order[i];
    m.end = i + 1 < order.size() ? order[i + 1]->begin : directory;
    const uint64_t header = kZipHeaderBytes + m.name.size();
    file_.check(
        m.end <= directory && m.begin <= m.end && m.end - m.begin >= header && m.end - m.begin - header >= m.packed_bytes,
        "member {} of {} bytes has no room between byte {} and byte {}, where the next one or the directory begins; the file is damaged",
        gradus::quoted(m.name), m.packed_bytes, m.begin, m.end);
  }
}

}  // namespace gradus::io
