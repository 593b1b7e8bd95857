#include "io/zip.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/file.h"
#include "files.h"
#include "io/crc32.h"
#include "io/inflate.h"
#include "zip_bytes.h"

namespace {

using files::deflated;
using files::Member;
using files::raw;
using files::stored;
using files::zip;
using gradus::InputFile;
using gradus::io::Inflater;
using gradus::io::ZipArchive;
using gradus::io::ZipMember;
using gradus::io::ZipReader;

/// All members of an archive, one after the other.
std::string unpack(const std::string& path) {
  const InputFile file("unpack", path);
  const ZipArchive archive(file);
  std::string all;
  for (const ZipMember& m : archive.members()) {
    ZipReader reader(archive, m);
    std::string data(static_cast<size_t>(m.bytes), '\0');
    reader.read(data.data(), data.size() / 2);
    reader.read(data.data() + data.size() / 2, data.size() - data.size() / 2);
    reader.finish();
    all += m.name + "=" + data + ";";
  }
  return all;
}

std::string unpacked(const std::string& bytes) {
  const files::Folder folder;
  files::write_bytes(folder / "file", bytes);
  return unpack(folder / "file");
}

std::string patched(std::string bytes, size_t at, const std::string& by) { return bytes.replace(at, by.size(), by); }

}  // namespace

TEST_CASE("crc32 is that of zip files, in one piece and in two") {
  const std::string text = "123456789";
  CHECK(gradus::io::crc32(0, text.data(), 9) == 0xCBF43926);
  CHECK(gradus::io::crc32(gradus::io::crc32(0, text.data(), 4), text.data() + 4, 5) == 0xCBF43926);
  CHECK(gradus::io::crc32(0, text.data(), 0) == 0);
  const std::string many(1000, 'x');
  uint32_t by_ones = 0;
  for (char c : many) by_ones = gradus::io::crc32(by_ones, &c, 1);
  CHECK(gradus::io::crc32(0, many.data(), many.size()) == by_ones);
}

TEST_CASE("a zip archive's members are read in the directory's order") {
  CHECK(unpacked(zip({}).bytes).empty());
  CHECK(unpacked(zip({stored("b", "first"), stored("a/c", ""), stored("a", "xyz")}).bytes) == "b=first;a/c=;a=xyz;");
  CHECK(unpacked(zip({stored("a", "xyz")}, "a comment, PK\x05\x06 in it").bytes) == "a=xyz;");
}

TEST_CASE("a zip archive may have 64-bit sizes, padding and gaps between members") {
  Member wide = stored("a", "xyz");
  wide.zip64 = true;
  wide.local_extra = std::string("FB\x04\0abcd", 8);
  CHECK(unpacked(zip({wide, stored("b", "1")}, "", true).bytes) == "a=xyz;b=1;");
  Member described = stored("a", "xyz");
  described.flags = 8;  // sizes and sum follow the data; those in the directory count
  CHECK(unpacked(zip({described}).bytes) == "a=xyz;");
}

TEST_CASE("deflated members are inflated where there is zlib, and refused with the remedy where there is none") {
  const std::string bytes = zip({stored("a", "1"), deflated("b", "some data")}).bytes;
  if (Inflater::is_available()) {
    CHECK(unpacked(bytes) == "a=1;b=some data;");
    const std::string zeros(1 + 258 * 1000, '\0');
    Member m{.name = "z", .packed = files::deflated_zeros(1000), .bytes = zeros.size(), .method = 8};
    m.crc = gradus::io::crc32(0, zeros.data(), zeros.size());
    CHECK(unpacked(zip({m}).bytes) == "z=" + zeros + ";");
  } else {
    CHECK_COMPLAINT(unpack, bytes, "unpack: FILE: member \"b\" is deflated, and gradus was built without zlib; install zlib1g-dev");
  }
}

TEST_CASE("a deflated member that is damaged, or of another size than the directory has, is refused") {
  if (!Inflater::is_available()) return;
  const std::string data = "some data";
  const auto changed = [&](auto change) {
    Member m = deflated("b", data);
    change(m);
    return zip({m, stored("next", "n")}).bytes;
  };
  CHECK_COMPLAINT(unpack, changed([](Member& m) { m.bytes += 1; }), "unpacks to fewer bytes than the 10");
  CHECK_COMPLAINT(unpack, changed([](Member& m) { m.bytes -= 1; }), "do not end where the directory has it");
  CHECK_COMPLAINT(unpack, changed([](Member& m) { m.packed += "x"; }), "do not end where the directory has it");
  CHECK_COMPLAINT(unpack, changed([](Member& m) { m.packed.pop_back(); }), "unpacks to fewer bytes");
  CHECK_COMPLAINT(unpack, changed([](Member& m) { m.packed[0] = '\x07'; }), "is no deflated data");
  CHECK_COMPLAINT(unpack, changed([](Member& m) { m.packed.clear(); }), "unpacks to fewer bytes");
  CHECK_COMPLAINT(unpack, changed([](Member& m) { m.packed[6] = 'X'; }), "once had");
}

TEST_CASE("a flipped byte in a stored member is found by its checksum") {
  files::ZipBytes good = zip({stored("a", "some data"), stored("b", "1")});
  good.bytes[good.bytes.find("data")] = 'D';
  CHECK_COMPLAINT(unpack, good.bytes, "unpack: FILE: member \"a\" is damaged: its bytes have the CRC-32");
}

TEST_CASE("a zip archive that is cut short anywhere is refused") {
  const std::string bytes = zip({stored("a", "some data"), deflated("b", "1")}).bytes;
  for (size_t n = 0; n < bytes.size(); ++n) {
    CAPTURE(n);
    CHECK(!files::complaint(unpack, bytes.substr(0, n)).empty());
  }
}

TEST_CASE("any byte of a zip archive may be anything: it loads as it was, or is refused") {
  Member wide = stored("a", "some data");
  wide.zip64 = true;
  for (const std::string& bytes : {zip({stored("a", "data"), deflated("b", "1")}).bytes, zip({wide}, "", true).bytes})
    for (size_t at = 0; at < bytes.size(); ++at)
      for (int value : {0, 1, 0x7F, 0x80, 0xFF}) {
        std::string changed = bytes;
        changed[at] = static_cast<char>(value);
        files::complaint(unpack, changed);
      }
}

TEST_CASE("members that overlap are refused, so that a small archive cannot unpack to a large one") {
  files::ZipBytes twice = zip({stored("a", "some data"), stored("b", "some data")});
  const size_t second = twice.directory + 46 + 1;
  // The second entry leads to the first member.
  CHECK_COMPLAINT(unpack, patched(twice.bytes, second + 42, raw<uint32_t>({0})), "has no room between byte 0 and byte 0");
  CHECK_COMPLAINT(unpack, patched(twice.bytes, second + 42, raw<uint32_t>({10})), "has no room");
  // The first one is said to be longer than it is.
  CHECK_COMPLAINT(unpack, patched(twice.bytes, twice.directory + 20, raw<uint32_t>({40, 40})), "member \"a\" of 40 bytes has no room");
  CHECK_COMPLAINT(unpack, patched(twice.bytes, second + 42, raw<uint32_t>({0x7FFFFFFF})), "has no room");
}

TEST_CASE("what a zip directory claims is compared with the file") {
  const files::ZipBytes good = zip({stored("a", "some data")});
  const auto end = [&](size_t at, const std::string& by) { return patched(good.bytes, good.end + at, by); };
  CHECK_COMPLAINT(unpack, end(12, raw<uint32_t>({0x7FFFFFFF})), "the zip directory is said to have 1 members in 2147483647 bytes");
  CHECK_COMPLAINT(unpack, end(16, raw<uint32_t>({0x7FFFFFFF})), "the zip directory is said");
  CHECK_COMPLAINT(unpack, end(10, raw<uint16_t>({60000})), "said to have 60000 members");
  CHECK_COMPLAINT(unpack, end(4, raw<uint16_t>({1})), "is one part of a zip archive of several files");
  CHECK_COMPLAINT(unpack, patched(good.bytes, good.directory, "XX"), "entry 0 of the zip directory is damaged");
  CHECK_COMPLAINT(unpack, patched(good.bytes, good.directory + 28, raw<uint16_t>({9999})), "entry 0 of the zip directory is damaged");
  CHECK_COMPLAINT(unpack, patched(good.bytes, good.directory + 24, raw<uint32_t>({3})),
                  "is stored, but has 9 bytes in the archive and 3 outside");
  CHECK_COMPLAINT(unpack, patched(good.bytes, 0, "XX"), "the header of member \"a\" is damaged");
  CHECK_COMPLAINT(unpack, patched(good.bytes, 30, "b"), "member \"a\" calls itself \"b\"");
  CHECK_COMPLAINT(unpack, patched(good.bytes, 28, raw<uint16_t>({5})), "the header of member \"a\" is damaged");

  const files::ZipBytes wide = zip({stored("a", "some data")}, "", true);
  CHECK_COMPLAINT(unpack, patched(wide.bytes, wide.end, "XX"), "the end of the zip64 directory is damaged");
  CHECK_COMPLAINT(unpack, patched(wide.bytes, wide.end + 56 + 8, raw<uint64_t>({~uint64_t{0}})), "what leads to the zip64 directory");
  CHECK_COMPLAINT(unpack, patched(wide.bytes, wide.end + 40, raw<uint64_t>({~uint64_t{0}})), "the zip directory is said");
  CHECK_COMPLAINT(unpack, patched(wide.bytes, wide.end + 32, raw<uint64_t>({~uint64_t{0}})), "the zip directory is said");
}

TEST_CASE("encrypted members, other ways of packing and two members of one name are refused by name") {
  Member secret = stored("a", "1");
  secret.flags = 1;
  CHECK_COMPLAINT(unpack, zip({secret}).bytes, "member \"a\" is encrypted");
  Member packed = stored("a", "1");
  packed.method = 14;
  CHECK_COMPLAINT(unpack, zip({packed}).bytes, "member \"a\" is packed by LZMA");
  CHECK_COMPLAINT(unpack, zip({stored("a", "1"), stored("b", ""), stored("a", "2")}).bytes, "two members called \"a\"");
  CHECK_COMPLAINT(unpack, zip({stored("a\n\x1b[31m", "1"), stored("a\n\x1b[31m", "2")}).bytes, "two members called \"a\\x0a\\x1b[31m\"");
  CHECK_COMPLAINT(unpack, "PK", "has 2 bytes, too few for a zip archive");
  CHECK_COMPLAINT(unpack, std::string(100, 'x'), "has no zip directory at its end");
}
