#include <algorithm>
#include <cstring>
#include <span>

#include "core/quoted.h"
#include "io/crc32.h"
#include "io/zip.h"

namespace gradus::io {
namespace {

constexpr uint32_t kHeaderSignature = 0x04034B50;
constexpr size_t kPiece = size_t{1} << 16;

}  // namespace

ZipReader::ZipReader(const ZipArchive& archive, const ZipMember& member)
    : file_(archive.file()), member_(member), left_(member.bytes), packed_left_(member.packed_bytes) {
  std::byte header[kZipHeaderBytes];
  file_.read_at(member.begin, header, kZipHeaderBytes);
  uint32_t signature = 0;
  uint16_t name_bytes = 0, extra_bytes = 0;
  std::memcpy(&signature, header, sizeof signature);
  std::memcpy(&name_bytes, header + 26, sizeof name_bytes);
  std::memcpy(&extra_bytes, header + 28, sizeof extra_bytes);
  const uint64_t header_bytes = uint64_t{kZipHeaderBytes} + name_bytes + extra_bytes;
  file_.check(signature == kHeaderSignature && name_bytes == member.name.size() && member.end - member.begin >= header_bytes &&
                  member.end - member.begin - header_bytes >= packed_left_,
              "the header of member {} is damaged", gradus::quoted(member.name));
  std::string name(name_bytes, '\0');
  file_.read_at(member.begin + kZipHeaderBytes, name.data(), name.size());
  file_.check(name == member.name, "member {} calls itself {}; the file is damaged", gradus::quoted(member.name), gradus::quoted(name));
  at_ = member.begin + header_bytes;
  if (!member.deflated) return;
  file_.check(
      Inflater::is_available(),
      "member {} is deflated, and gradus was built without zlib; install zlib1g-dev (Debian, Ubuntu) and build it again, or save without "
      "compression",
      gradus::quoted(member.name));
  inflater_ = std::make_unique<Inflater>();
  packed_ = std::make_unique_for_overwrite<std::byte[]>(kPiece);
}

void ZipReader::read(void* to, size_t bytes) {
  auto* at = static_cast<std::byte*>(to);
  if (bytes > left_) file_.fail("member {} ends {} bytes too early", gradus::quoted(member_.name), bytes - left_);
  left_ -= bytes;
  while (bytes > 0) {
    // By pieces, so that the sum is made while they are in the caches.
    const size_t piece = std::min(bytes, kPiece);
    if (inflater_) {
      const size_t made = inflate(at, piece);
      if (made < piece)
        file_.fail("member {} is damaged: it unpacks to fewer bytes than the {} that the directory has", gradus::quoted(member_.name),
                   member_.bytes);
    } else {
      file_.read_at(at_, at, piece);
      at_ += piece;
      packed_left_ -= piece;
    }
    crc_ = crc32(crc_, at, piece);
    at += piece;
    bytes -= piece;
  }
}

size_t ZipReader::inflate(std::byte* to, size_t bytes) {
  size_t made = 0;
  while (made < bytes && !ended_) {
    if (packed_at_ == packed_end_ && packed_left_ > 0) {
      packed_at_ = 0;
      packed_end_ = static_cast<size_t>(std::min<uint64_t>(packed_left_, kPiece));
      file_.read_at(at_, packed_.get(), packed_end_);
      at_ += packed_end_;
      packed_left_ -= packed_end_;
    }
    const Inflater::Step step = inflater_->step({packed_.get() + packed_at_, packed_end_ - packed_at_}, {to + made, bytes - made});
    if (step.state == Inflater::State::Damaged) file_.fail("member {} is damaged: it is no deflated data", gradus::quoted(member_.name));
    if (step.taken == 0 && step.made == 0 && step.state == Inflater::State::Going) break;  // cut short
    packed_at_ += step.taken;
    made += step.made;
    ended_ = step.state == Inflater::State::Ended;
  }
  return made;
}

void ZipReader::finish() {
  file_.check(left_ == 0, "member {} has {} bytes more than belong to it", gradus::quoted(member_.name), left_);
  if (inflater_) {
    std::byte more;
    const bool whole = inflate(&more, 1) == 0 && ended_ && packed_at_ == packed_end_ && packed_left_ == 0;
    file_.check(whole, "member {} is damaged: its deflated data do not end where the directory has it", gradus::quoted(member_.name));
  }
  file_.check(crc_ == member_.crc, "member {} is damaged: its bytes have the CRC-32 {:08x}, and once had {:08x}",
              gradus::quoted(member_.name), crc_, member_.crc);
}

}  // namespace gradus::io
