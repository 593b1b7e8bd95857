#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>
#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <thread>
#include <vector>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/io.h"
#include "io/folder.h"
#include "io/raw.h"

namespace {

using files::raw;
using gradus::Tensor;
using gradus::io::load_safetensors;
using gradus::io::save_safetensors;
namespace fs = std::filesystem;

/// A file of the given header and data.
std::string file_of(const std::string& header, const std::string& data) {
  const uint64_t size = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &size, 8);
  return bytes + header + data;
}

/// What load_safetensors says about a file of these bytes; empty when it loads.
std::string complaint(const std::string& path, const std::string& bytes) {
  write_bytes(path, bytes);
  try {
    load_safetensors(path);
  } catch (const gradus::IoError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("safetensors: what is saved comes back, with names in order, shapes, dtypes, elements and metadata") {
  Folder folder;
  const std::string file = folder / "a.safetensors";
  const float inf = std::numeric_limits<float>::infinity();
  save_safetensors(file,
                   {{"zeta", gradus::tensor({{true, false, true}})},
                    {"alpha", gradus::from_vector(std::vector<float>{1.5F, -0.0F, inf, 3e-45F}, {2, 2})},
                    {"größe", gradus::from_vector(std::vector<double>{1.0 / 3}, {})},
                    {"", gradus::tensor({1, -2, 3})},
                    {"empty", gradus::zeros({0, 5})}},
                   {{"format", "pt"}, {"quote", "\"\n"}});
  const auto loaded = load_safetensors(file);
  REQUIRE(loaded.tensors.size() == 5);
  CHECK(loaded.tensors[0].first == "zeta");
  CHECK(loaded.tensors[1].first == "alpha");
  CHECK(loaded.tensors[2].first == "größe");
  CHECK(loaded.tensors[3].first == "");
  CHECK(loaded.at("zeta").dtype() == gradus::boolean);
  CHECK(loaded.at("zeta").shape() == gradus::Shape{1, 3});
  CHECK(loaded.at("zeta").to_vector<int64_t>() == std::vector<int64_t>{1, 0, 1});
  CHECK(loaded.at("alpha").to_vector<float>() == std::vector<float>{1.5F, -0.0F, inf, 3e-45F});
  CHECK(std::signbit(loaded.at("alpha").to_vector<float>()[1]));
  CHECK(loaded.at("größe").dim() == 0);
  CHECK(loaded.at("größe").item<double>() == 1.0 / 3);
  CHECK(loaded.at("").to_vector<int64_t>() == std::vector<int64_t>{1, -2, 3});
  CHECK(loaded.at("empty").shape() == gradus::Shape{0, 5});
  CHECK(loaded.metadata == std::map<std::string, std::string>{{"format", "pt"}, {"quote", "\"\n"}});
  CHECK_FALSE(loaded.at("alpha").requires_grad());
}

TEST_CASE("safetensors: strided tensors and views are saved dense, and gradients do not matter") {
  Folder folder;
  const std::string file = folder / "strided.safetensors";
  const Tensor x = gradus::arange(12).reshape({3, 4});
  const Tensor w = gradus::rand({2, 2}, {.requires_grad = true});
  save_safetensors(file, {{"t", x.t()}, {"slice", x.slice(1, 1, 4, 2)}, {"row", x[2]}, {"wide", x[0].expand({2, 4})}, {"w", w * 2}});
  const auto loaded = load_safetensors(file);
  CHECK(loaded.at("t").shape() == gradus::Shape{4, 3});
  CHECK(loaded.at("t").is_contiguous());
  CHECK(loaded.at("t").equal(x.t()));
  CHECK(loaded.at("slice").equal(x.slice(1, 1, 4, 2)));
  CHECK(loaded.at("row").equal(x[2]));
  CHECK(loaded.at("wide").to_vector<int64_t>() == std::vector<int64_t>{0, 1, 2, 3, 0, 1, 2, 3});
  CHECK(loaded.at("w").equal(w.detach() * 2));
}

TEST_CASE("safetensors: the file is as the format says: aligned data, no holes, a header padded to eight bytes") {
  Folder folder;
  const std::string file = folder / "layout.safetensors";
  save_safetensors(file, {{"b", gradus::tensor({true})}, {"d", gradus::from_vector(std::vector<double>{2}, {1})}});
  const std::string expected_header =
      R"({"b":{"dtype":"BOOL","shape":[1],"data_offsets":[8,9]},"d":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}})";
  std::string header = expected_header;
  header.resize((header.size() + 7) / 8 * 8, ' ');
  CHECK(read_bytes(file) == file_of(header, raw({2.0}) + '\1'));
}

TEST_CASE("safetensors: a file without tensors is saved and loaded") {
  Folder folder;
  const std::string file = folder / "none.safetensors";
  save_safetensors(file, {}, {{"a", "b"}});
  CHECK(load_safetensors(file).tensors.empty());
  CHECK(load_safetensors(file).metadata.at("a") == "b");
}

TEST_CASE("safetensors: narrower dtypes are widened without loss") {
  Folder folder;
  const std::string file = folder / "narrow.safetensors";
  const std::string header =
      R"({"f16":{"dtype":"F16","shape":[5],"data_offsets":[0,10]},"bf16":{"dtype":"BF16","shape":[2],"data_offsets":[10,14]},)"
      R"("i32":{"dtype":"I32","shape":[1],"data_offsets":[14,18]},"i16":{"dtype":"I16","shape":[1],"data_offsets":[18,20]},)"
      R"("i8":{"dtype":"I8","shape":[1],"data_offsets":[20,21]},"u8":{"dtype":"U8","shape":[1],"data_offsets":[21,22]},)"
      R"("u32":{"dtype":"U32","shape":[1],"data_offsets":[22,26]},"u16":{"dtype":"U16","shape":[1],"data_offsets":[26,28]}})";
  write_bytes(file, file_of(header, raw<uint16_t>({0x3C00, 0xC000, 0x0001, 0x7C00, 0x7BFF}) + raw<uint16_t>({0x3F80, 0xC040}) +
                                        raw<int32_t>({-70000}) + raw<int16_t>({-3}) + raw<int8_t>({-4}) + raw<uint8_t>({250}) +
                                        raw<uint32_t>({4000000000U}) + raw<uint16_t>({65535})));
  const auto loaded = load_safetensors(file);
  CHECK(loaded.at("f16").dtype() == gradus::float32);
  CHECK(loaded.at("f16").to_vector<float>() == std::vector<float>{1, -2, 0x1p-24F, std::numeric_limits<float>::infinity(), 65504});
  CHECK(loaded.at("bf16").to_vector<float>() == std::vector<float>{1, -3});
  CHECK(loaded.at("i32").item<int64_t>() == -70000);
  CHECK(loaded.at("i16").item<int64_t>() == -3);
  CHECK(loaded.at("i8").item<int64_t>() == -4);
  CHECK(loaded.at("u8").item<int64_t>() == 250);
  CHECK(loaded.at("u32").item<int64_t>() == 4000000000);
  CHECK(loaded.at("u16").item<int64_t>() == 65535);
}

TEST_CASE("safetensors: at names what is asked for and what there is") {
  Folder folder;
  const std::string file = folder / "names.safetensors";
  save_safetensors(file, {{"weight", gradus::zeros(1)}, {"bias", gradus::zeros(1)}});
  const auto loaded = load_safetensors(file);
  CHECK(loaded.contains("bias"));
  CHECK_FALSE(loaded.contains("bia"));
  CHECK(loaded.find("nothing") == nullptr);
  CHECK_THROWS_WITH_AS(loaded.at("wieght"), "at: no tensor is called \"wieght\"; there are 2: weight, bias", gradus::ValueError);
}

TEST_CASE("safetensors: a damaged file is an IoError that names the file and what is wrong") {
  Folder folder;
  const std::string file = folder / "bad.safetensors";
  const std::string good = R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  const std::string data(8, '\0');
  CHECK(complaint(file, file_of(good, data)) == "");

  struct Case {
    std::string bytes, says;
  };
  const auto header = [&](const std::string& text) { return file_of(text, data); };
  const std::vector<Case> cases = {
      {"", "0 bytes, too few"},
      {"1234567", "7 bytes, too few"},
      {raw<uint64_t>({1000}) + good, "it is cut short"},
      {raw<uint64_t>({200'000'000}) + good, "more than the 100000000 allowed"},
      {raw<uint64_t>({~uint64_t{0}}) + good, "more than the 100000000 allowed"},
      {file_of("", data), "does not begin with {"},
      {header("[]"), "does not begin with {"},
      {header("{"), "not valid JSON"},
      {header("{\"x\xff\":1}"), "not valid JSON"},
      {header(good + "x"), "not valid JSON"},
      {header("{\"x\":1}"), "a number stands where it does not belong"},
      {header("{\"x\":[]}"), "an array stands where it does not belong"},
      {header(R"({"x":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})"), "an array stands where it does not belong"},
      {header(R"({"x":{"dtype":"F32","shape":{"a":2},"data_offsets":[0,8]}})"), "an object stands where it does not belong"},
      {header(R"({"x":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})"), "the number -2 stands where it does not belong"},
      {header(R"({"x":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})"), "the number 2.0 stands"},
      {header(R"({"x":{"dtype":"F32","shape":[1e400],"data_offsets":[0,8]}})"), "not valid JSON"},
      {header(R"({"x":{"dtype":"F32","shape":[null],"data_offsets":[0,8]}})"), "null stands"},
      {header(R"({"x":{"dtype":"F32","shape":[true],"data_offsets":[0,8]}})"), "a boolean stands"},
      {header(R"({"x":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}})"), "a string stands"},
      {header(R"({"x":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}})"), "more than 8 dimensions"},
      {header(R"({"x":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]}})"), "size or offset of 18446744073709551615"},
      {header(R"({"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}})"), "do not fit its shape"},
      {header(R"({"x":{"dtype":"F32","shape":[0,4611686018427387904,4],"data_offsets":[0,0]}})"), "do not fit its shape"},
      {header(R"({"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})"), "do not fit its shape"},
      {header(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})"), "not a begin and an end"},
      {header(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0]}})"), "not a begin and an end"},
      {header(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}})"), "more than 2 data_offsets"},
      {header(R"({"x":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}})"), "ends at byte 12 of the data, but the file has 8"},
      {header(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"), "leave a hole"},
      {header(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})"), "4 bytes at the end belong to no tensor"},
      {header(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"y":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"), "overlap"},
      {header(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})"),
       "the name \"x\" occurs twice"},
      {header(R"({"x":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})"), "repeated entry \"dtype\""},
      {header(R"({"x":{"dtype":"F32","shape":[2],"offsets":[0,8]}})"), "unknown or repeated entry \"offsets\""},
      {header(R"({"x":{"dtype":"F32","shape":[2]}})"), "lacks its data_offsets"},
      {header(R"({"x":{"shape":[2],"data_offsets":[0,8]}})"), "lacks its dtype"},
      {header(R"({"x":{"dtype":"F32","data_offsets":[0,8]}})"), "lacks its shape"},
      {header(R"({"x":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}})"), "dtype \"F8_E4M3\", which has no counterpart"},
      {header(R"({"__metadata__":{"a":1},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})"), "a number stands"},
      {header(R"({"__metadata__":{"a":"1","a":"2"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})"), "\"a\" occurs twice"},
      {file_of(R"({"x":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})", "\1\2"), "holds the byte 2 at element 1"},
      {file_of(R"({"x":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}})", data), "cut short or damaged"},
      {file_of(std::string(100'000, '{'), data), "not valid JSON"},
      {file_of("{\"x\":" + std::string(100'000, '['), data), "an array stands"},
  };
  for (const Case& c : cases) {
    const std::string text = complaint(file, c.bytes);
    CAPTURE(c.bytes.substr(0, 200));
    CAPTURE(c.says);
    CAPTURE(text);
    CHECK(text.starts_with("load_safetensors: " + file + ": "));
    CHECK(text.find(c.says) != std::string::npos);
  }
}

TEST_CASE("safetensors: with any byte changed or the end cut off, a file loads or is an IoError") {
  Folder folder;
  const std::string file = folder / "sweep.safetensors";
  save_safetensors(file, {{"w", gradus::arange(6).to(gradus::float32).reshape({2, 3})}, {"mask", gradus::tensor({true, false})}},
                   {{"k", "v"}});
  const std::string good = read_bytes(file);
  size_t loaded = 0, refused = 0;
  const auto attempt = [&](const std::string& bytes) { ++(complaint(file, bytes).empty() ? loaded : refused); };
  for (size_t i = 0; i < good.size(); ++i) {
    attempt(good.substr(0, i));
    for (const int change : {0x01, 0x20, 0x80, 0xFF}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ change);
      attempt(bad);
    }
    std::string zeroed = good;
    zeroed[i] = '\0';
    attempt(zeroed);
  }
  CHECK(loaded + refused == 6 * good.size());
  CHECK(refused > loaded);
  CHECK(loaded >= 4 * 24);  // a changed float32 is another float32
}

TEST_CASE("safetensors: what is not a readable regular file is an IoError with the reason") {
  Folder folder;
  CHECK_THROWS_WITH_AS(load_safetensors(folder / "missing"),
                       ("load_safetensors: " + (folder / "missing") + ": cannot be opened: No such file or directory").c_str(),
                       gradus::IoError);
  CHECK_THROWS_AS(load_safetensors(folder.path.string()), gradus::IoError);
  CHECK_THROWS_AS(load_safetensors("/dev/zero"), gradus::IoError);
  CHECK_THROWS_AS(load_safetensors(""), gradus::IoError);
  const std::string pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_AS(load_safetensors(pipe), gradus::IoError);
}

TEST_CASE("safetensors: a failed save leaves the old file as it was and nothing beside it") {
  Folder folder;
  const std::string file = folder / "keep.safetensors";
  save_safetensors(file, {{"x", gradus::tensor({1, 2})}});
  const std::string before = read_bytes(file);
  const Tensor x = gradus::tensor({3});
  CHECK_THROWS_AS(save_safetensors(file, {{"x", x}, {"x", x}}), gradus::ValueError);
  CHECK_THROWS_AS(save_safetensors(file, {{"__metadata__", x}}), gradus::ValueError);
  CHECK_THROWS_AS(save_safetensors(file, {{"x\xff", x}}), gradus::ValueError);
  CHECK_THROWS_AS(save_safetensors(file, {{"x", x}}, {{"k", "\xff"}}), gradus::ValueError);
  CHECK_THROWS_AS(save_safetensors(file, {{"x", Tensor()}}), gradus::StateError);
  CHECK(read_bytes(file) == before);
  CHECK(folder.files() == 1);
}

TEST_CASE("safetensors: saving where nothing can be written is an IoError with the reason") {
  Folder folder;
  const Tensor x = gradus::tensor({3});
  CHECK_THROWS_WITH_AS(save_safetensors(folder / "no/such/folder", {{"x", x}}),
                       ("save_safetensors: " + (folder / "no/such/folder") + ": cannot be written: No such file or directory").c_str(),
                       gradus::IoError);
  CHECK_THROWS_AS(save_safetensors(folder.path.string(), {{"x", x}}), gradus::IoError);
  CHECK_THROWS_AS(save_safetensors("/dev/full", {{"x", x}}), gradus::IoError);
  CHECK(folder.files() == 0);
}

TEST_CASE("safetensors: saving through a symbolic link replaces the file behind it and keeps its permissions") {
  Folder folder;
  save_safetensors(folder / "real", {{"x", gradus::tensor({1})}});
  REQUIRE(::chmod((folder / "real").c_str(), 0600) == 0);
  fs::create_symlink("real", folder / "link");
  save_safetensors(folder / "link", {{"x", gradus::tensor({2})}});
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(load_safetensors(folder / "real").at("x").item<int64_t>() == 2);
  CHECK(fs::status(folder / "real").permissions() == fs::perms(0600));
}

TEST_CASE("safetensors: saving through a symbolic link that leads to no file makes the file") {
  Folder folder;
  fs::create_directory(folder.path / "models");
  fs::create_symlink("second", folder / "first");
  fs::create_symlink("models/new", folder / "second");
  save_safetensors(folder / "first", {{"x", gradus::tensor({2})}});
  CHECK(fs::is_symlink(folder / "first"));
  CHECK(fs::is_symlink(folder / "second"));
  CHECK(!fs::is_symlink(folder / "models/new"));
  CHECK(load_safetensors(folder / "models/new").at("x").item<int64_t>() == 2);
  fs::create_symlink("no/such/folder", folder / "nowhere");
  CHECK_THROWS_AS(save_safetensors(folder / "nowhere", {{"x", gradus::tensor({2})}}), gradus::IoError);
  CHECK(fs::is_symlink(folder / "nowhere"));
  fs::create_symlink("loop", folder / "loop");
  CHECK_THROWS_WITH_AS(save_safetensors(folder / "loop", {{"x", gradus::tensor({2})}}),
                       ("save_safetensors: " + (folder / "loop") + ": is a symbolic link that leads round in a circle").c_str(),
                       gradus::IoError);
}

TEST_CASE("safetensors: file names of up to 255 bytes are taken, and a longer one is refused with the reason") {
  Folder folder;
  for (const size_t length : {200, 240, 245, 250, 254, 255}) {
    const std::string file = folder / std::string(length, 'n').c_str();
    CAPTURE(length);
    for (const int64_t value : {1, 2}) {
      save_safetensors(file, {{"x", gradus::tensor({value})}});
      CHECK(load_safetensors(file).at("x").item<int64_t>() == value);
    }
  }
  std::string letters = "x";
  while (letters.size() < 252) letters += "\u00E9";
  save_safetensors(folder / letters.c_str(), {{"x", gradus::tensor({1})}});  // the temporary's name is cut between letters
  CHECK(folder.files() == 7);
  const std::string longer = folder / std::string(256, 'n').c_str();
  CHECK_THROWS_WITH_AS(save_safetensors(longer, {{"x", gradus::tensor({1})}}),
                       ("save_safetensors: " + longer + ": cannot be written: File name too long").c_str(), gradus::IoError);
  CHECK(folder.files() == 7);
}

TEST_CASE("safetensors: a boolean whose byte is neither 0 nor 1 counts as true, and is saved as 1") {
  Folder folder;
  constexpr int64_t count = 50000, at = 43210;
  const Tensor x = gradus::zeros({count}, {.dtype = gradus::boolean});
  const unsigned char odd = 7;
  std::memcpy(x.data<bool>() + at, &odd, 1);
  save_safetensors(folder / "odd", {{"x", x}, {"row", x.reshape({2, count / 2})[1]}});
  const auto loaded = load_safetensors(folder / "odd");
  CHECK(loaded.at("x").sum().item<int64_t>() == 1);
  CHECK(loaded.at("x")[at].item<bool>());
  CHECK(loaded.at("row")[at - count / 2].item<bool>());
}

TEST_CASE("safetensors: a header with a NUL byte is refused, wherever it stands") {
  Folder folder;
  const std::string file = folder / "nul", header = R"({"x":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})", data(1, '\1');
  CHECK(complaint(file, file_of(header + "   ", data)).empty());
  for (const std::string& after : {std::string("\0", 1), std::string("\0garbage", 8), std::string("  \0", 3), std::string(8, '\0')}) {
    const std::string text = complaint(file, file_of(header + after, data));
    CHECK(text.starts_with("load_safetensors: " + file + ": the header has a NUL byte, its byte "));
  }
  std::string inside = header;
  inside[2] = '\0';
  CHECK(!complaint(file, file_of(inside, data)).empty());
}

TEST_CASE("safetensors: the next save removes what a killed one left, and leaves alone what a living one writes") {
  Folder folder;
  const std::string file = folder / "m.st";
  const auto x = gradus::tensor({1});
  // A child that ended: there is no such process any more.
  const pid_t ended = ::fork();
  if (ended == 0) ::_exit(0);
  REQUIRE(::waitpid(ended, nullptr, 0) == ended);
  const auto left_by = [&](pid_t process, const char* number) { return file + "." + std::to_string(process) + "." + number + ".part"; };
  const std::string old = left_by(ended, "3"), own = left_by(::getpid(), "999999"), alive = left_by(::getppid(), "0");
  const std::string other = folder / "n.st.7.0.part", text = file + ".notes.part";
  for (const std::string& name : {old, own, alive, other, text}) write_bytes(name, "half a file");
  // Another container may have the number of a process that is gone here: who holds the lock lives.
  const std::string locked = left_by(ended, "4");
  write_bytes(locked, "half a file");
  const int fd = ::open(locked.c_str(), O_RDONLY);
  REQUIRE(::flock(fd, LOCK_EX) == 0);
  save_safetensors(file, {{"x", x}});
  CHECK(!fs::exists(old));
  CHECK(!fs::exists(own));  // by a process that had our number before us
  for (const std::string& name : {alive, other, text, locked, file}) CHECK(fs::exists(name));
  ::close(fd);
  save_safetensors(file, {{"x", x}});
  CHECK(!fs::exists(locked));
  CHECK(folder.files() == 4);
}

TEST_CASE("safetensors: threads that save to one path at once leave one whole file and nothing beside it") {
  Folder folder;
  const std::string file = folder / "m.st";
  std::vector<std::thread> writers;
  std::atomic<int> failed{0};
  for (int64_t i = 0; i < 4; ++i)
    writers.emplace_back([&, i] {
      try {
        for (int n = 0; n < 20; ++n) save_safetensors(file, {{"x", gradus::full({1000}, i)}});
      } catch (const gradus::Error&) {
        ++failed;
      }
    });
  for (std::thread& writer : writers) writer.join();
  CHECK(failed == 0);
  const Tensor x = load_safetensors(file).at("x");
  CHECK(x.sum().item<int64_t>() == 1000 * x[0].item<int64_t>());
  CHECK(folder.files() == 1);
}
