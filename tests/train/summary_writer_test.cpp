#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "gradus/error.h"
#include "gradus/train.h"
#include "io/folder.h"
#include "train/event.h"

using namespace gradus;
using namespace std::string_literals;
using train::SummaryWriter;

namespace {

/// Those that RFC 3720 gives, in its appendix B.4.
void check_sums_of_the_standard() {
  CHECK(train::crc32c("") == 0);
  CHECK(train::crc32c("123456789") == 0xE3069283);
  CHECK(train::crc32c(std::string(32, '\0')) == 0x8A9136AA);
  CHECK(train::crc32c(std::string(32, '\xFF')) == 0x62A8AB43);
}

}  // namespace

TEST_CASE("events are framed and encoded as TensorBoard has them") {
  check_sums_of_the_standard();
  CHECK(train::scalar_event(1.5, 300, "loss", 0.25F) ==
        "\x09\0\0\0\0\0\0\xF8\x3F"
        "\x10\xAC\x02"
        "\x2A\x0D\x0A\x0B\x0A\x04loss\x15\0\0\x80\x3E"s);
  CHECK(train::version_event(0, 0) == "\x09\0\0\0\0\0\0\0\0\x10\0\x1A\x0D"s + "brain.Event:2");
  CHECK(train::start_event(0, 7) == "\x09\0\0\0\0\0\0\0\0\x10\x07\x3A\x02\x08\x01"s);
  const std::string record = train::record_of("123456789");
  CHECK(record.size() == 8 + 4 + 9 + 4);
  CHECK(record.substr(0, 8) == "\x09\0\0\0\0\0\0\0"s);
  // 0xE3069283 turned right by 15 bits is 0x2507C60D; with 0xA282EAD8 added, 0xC78AB0E5.
  CHECK(record.substr(12) == "123456789\xE5\xB0\x8A\xC7");
}

TEST_CASE("a summary writer begins a file of its own, and writes at once") {
  const Folder folder;
  const std::string log_dir = (folder.path / "run" / "board").string();
  SummaryWriter first(log_dir), second(log_dir, 3);
  CHECK(first.path() != second.path());
  const std::string name = std::filesystem::path(first.path()).filename().string();
  CHECK(name.starts_with("events.out.tfevents."));
  CHECK(std::filesystem::file_size(first.path()) == 16 + train::version_event(0, 0).size());
  CHECK(std::filesystem::file_size(second.path()) == 32 + train::version_event(0, 3).size() + train::start_event(0, 3).size());
  const auto before = std::filesystem::file_size(first.path());
  first.add_scalar("loss", 0.5, 1);
  CHECK(std::filesystem::file_size(first.path()) == before + 16 + train::scalar_event(0, 1, "loss", 0.5F).size());
}

TEST_CASE("a summary writer refuses tags and steps that TensorBoard would not show") {
  const Folder folder;
  SummaryWriter writer(folder.path.string());
  const std::string before = read_bytes(writer.path());
  CHECK_THROWS_WITH_AS(writer.add_scalar("", 1, 1), "SummaryWriter: the tag of a figure must be UTF-8, and not empty", ValueError);
  CHECK_THROWS_AS(writer.add_scalar("\xFF", 1, 1), ValueError);
  CHECK_THROWS_WITH_AS(writer.add_scalar("loss", 1, -1), "SummaryWriter: step -1 of \"loss\" must not be negative", ValueError);
  CHECK(read_bytes(writer.path()) == before);
  CHECK_THROWS_AS(SummaryWriter(folder.path.string(), -1), ValueError);
  write_bytes(folder / "file", "");
  CHECK_THROWS_AS(SummaryWriter(folder / "file"), IoError);
}
