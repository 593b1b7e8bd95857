#include "gradus/io/npy.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "files.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/ops/reduction.h"
#include "io/crc32.h"
#include "io/inflate.h"
#include "zip_bytes.h"

namespace {

using files::deflated;
using files::raw;
using files::stored;
using gradus::Tensor;
using gradus::io::load_npy;
using gradus::io::load_npz;
using gradus::io::save_npy;

std::string npy(const std::string& header, const std::string& data, char version = 1) {
  std::string bytes("\x93NUMPY", 6);
  bytes += version;
  bytes += '\0';
  if (version == 1) bytes += raw<uint16_t>({static_cast<uint16_t>(header.size())});
  else bytes += raw<uint32_t>({static_cast<uint32_t>(header.size())});
  return bytes + header + data;
}

std::string array(const std::string& descr, const std::string& shape, const std::string& data, const std::string& fortran = "False") {
  return npy("{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n", data);
}

Tensor loaded(const std::string& bytes) {
  const files::Folder folder;
  files::write_bytes(folder / "x.npy", bytes);
  return load_npy(folder / "x.npy");
}

auto npz = [](const std::string& path) { return load_npz(path); };

}  // namespace

TEST_CASE("an .npy file's dtypes are kept or widened without loss") {
  using gradus::DType;
  const auto is = [](const std::string& descr, const std::string& data, const Tensor& expected) {
    CAPTURE(descr);
    const Tensor x = loaded(array(descr, "(2,)", data));
    CHECK(x.dtype() == expected.dtype());
    CHECK(gradus::equal(x, expected));
    CHECK(!x.requires_grad());
  };
  is("<f4", raw<float>({1.5F, -2}), gradus::tensor({1.5F, -2.0F}));
  is("<f8", raw<double>({1e300, -2}), gradus::tensor({1e300, -2.0}, {.dtype = gradus::float64}));
  is("<i8", raw<int64_t>({INT64_MIN, 7}), gradus::tensor({INT64_MIN, int64_t{7}}));
  is("|b1", raw<uint8_t>({1, 0}), gradus::tensor({true, false}));
  is("<f2", raw<uint16_t>({0x3C00, 0xC100}), gradus::tensor({1.0F, -2.5F}));
  is("<i4", raw<int32_t>({INT32_MIN, 3}), gradus::tensor({int64_t{INT32_MIN}, int64_t{3}}));
  is("<i2", raw<int16_t>({-3, 3}), gradus::tensor({int64_t{-3}, int64_t{3}}));
  is("|i1", raw<int8_t>({-3, 3}), gradus::tensor({int64_t{-3}, int64_t{3}}));
  is("<u8", raw<uint64_t>({INT64_MAX, 3}), gradus::tensor({INT64_MAX, int64_t{3}}));
  is("<u4", raw<uint32_t>({UINT32_MAX, 3}), gradus::tensor({int64_t{UINT32_MAX}, int64_t{3}}));
  is("<u2", raw<uint16_t>({65535, 3}), gradus::tensor({int64_t{65535}, int64_t{3}}));
  is("|u1", raw<uint8_t>({255, 3}), gradus::tensor({int64_t{255}, int64_t{3}}));
  is(">i1", raw<int8_t>({-3, 3}), gradus::tensor({int64_t{-3}, int64_t{3}}));  // one byte has no order
}

TEST_CASE("an .npy file in Fortran's order gives the same elements at the same places") {
  const Tensor x = loaded(array("<i8", "(2, 3)", raw<int64_t>({1, 4, 2, 5, 3, 6}), "True"));
  CHECK(gradus::equal(x, gradus::tensor({{1, 2, 3}, {4, 5, 6}})));
  CHECK(x.is_contiguous());
  const Tensor cube = loaded(array("|u1", "(2, 1, 2)", raw<uint8_t>({1, 3, 2, 4}), "True"));
  CHECK(gradus::equal(cube, gradus::tensor({1, 2, 3, 4}).reshape({2, 1, 2})));
  CHECK(gradus::equal(loaded(array("<i8", "(2,)", raw<int64_t>({1, 4}), "True")), gradus::tensor({1, 4})));
}

TEST_CASE("an .npy file may hold a scalar, or nothing") {
  const Tensor scalar = loaded(array("<f8", "()", raw<double>({2.5})));
  CHECK(scalar.dim() == 0);
  CHECK(scalar.item<double>() == 2.5);
  CHECK(loaded(array("<f4", "(0,)", "")).shape() == gradus::Shape{0});
  CHECK(loaded(array("<f4", "(3, 0, 2)", "")).shape() == gradus::Shape{3, 0, 2});
  CHECK(loaded(array("<f4", "(0, 3)", "", "True")).shape() == gradus::Shape{0, 3});
}

TEST_CASE("an .npy header is read in all versions, orders and spacings") {
  const std::string data = raw<float>({1, 2});
  for (char version : {1, 2, 3})
    CHECK(loaded(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }    \n", data, version)).numel() == 2);
  CHECK(loaded(npy("{\"shape\":(1,2),\"fortran_order\":False,\"descr\":\"<f4\"}", data)).shape() == gradus::Shape{1, 2});
  CHECK(loaded(npy("  { 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 2L , ) }", data)).shape() == gradus::Shape{2});
}

TEST_CASE("a damaged .npy header is refused and says where") {
  const std::string data = raw<float>({1, 2});
  const auto header = [&](const std::string& text) { return npy(text, data); };
  CHECK_COMPLAINT(load_npy, header(""), "load_npy: FILE: the header has no dict");
  CHECK_COMPLAINT(load_npy, header("{"), "no text as a key");
  CHECK_COMPLAINT(load_npy, header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)"), "no comma after an entry");
  CHECK_COMPLAINT(load_npy, header("{'descr': '<f4', 'fortran_order': False}"), "the header lacks 'shape'");
  CHECK_COMPLAINT(load_npy, header("{'descr': '<f4', 'shape': (2,)}"), "the header lacks 'fortran_order'");
  CHECK_COMPLAINT(load_npy, header("{'shape': (2,), 'fortran_order': False}"), "the header lacks 'descr'");
  CHECK_COMPLAINT(load_npy, header("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}"), "neither True nor False");
  CHECK_COMPLAINT(load_npy, header("{'descr': '<f4', 'fortran_order': False, 'shape': 2}"), "no tuple of sizes");
  CHECK_COMPLAINT(load_npy, header("{'descr': '<f4', 'fortran_order': False, 'shape': (2)}"), "no tuple but a number between brackets");
  CHECK_COMPLAINT(load_npy, header("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}"), "no size");
  CHECK_COMPLAINT(load_npy, header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}"), "no size");
  CHECK_COMPLAINT(load_npy, header("{'descr': '<f4', 'fortran_order': False, 'shape': (__import__('os'),)}"), "no size");
  CHECK_COMPLAINT(load_npy, header("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}"),
                  "unknown or repeated entry \"descr\"");
  CHECK_COMPLAINT(load_npy, header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}"), "unknown or repeated entry \"x\"");
  CHECK_COMPLAINT(load_npy, header("{'descr': '<f\\x34', 'fortran_order': False, 'shape': (2,)}"), "has a backslash");
  CHECK_COMPLAINT(load_npy, header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} + x"), "something after the dict");
  CHECK_COMPLAINT(load_npy, header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}"), "more than 8 dimensions");
}

TEST_CASE("the sizes in an .npy file are compared with the file before anything is allocated") {
  const std::string data = raw<float>({1, 2});
  CHECK_COMPLAINT(load_npy, array("<f4", "(3,)", data), "has 8 bytes of elements, and the shape [3] of f4 needs 12; it is cut short");
  CHECK_COMPLAINT(load_npy, array("<f4", "(1,)", data), "damaged, or several arrays were saved in it one after the other");
  CHECK_COMPLAINT(load_npy, array("<f4", "(4611686018427387904, 4)", data), "more than 64 bits count");
  CHECK_COMPLAINT(load_npy, array("<f4", "(1000000000000,)", data), "needs 4000000000000");
  CHECK_COMPLAINT(load_npy, array("<f4", "(9223372036854775807, 0)", data), "needs");
  CHECK_COMPLAINT(load_npy, std::string("\x93NUMPY\x01\0\xff\xff", 10), "claims a header of 65535 bytes, but only 0 follow");
  CHECK_COMPLAINT(load_npy, std::string("\x93NUMPY\x02\0\xff\xff\xff\xff", 12), "claims a header of 4294967295 bytes");
  CHECK_COMPLAINT(load_npy, npy(std::string(2 << 20, ' '), "", 2), "more than the 1048576 that the description of numbers takes");
  CHECK_COMPLAINT(load_npy, std::string("\x93NUMPY\x04\0\x01\0 ", 11), "is of version 4.0; versions 1.0, 2.0 and 3.0 are read");
  CHECK_COMPLAINT(load_npy, "\x93NUM", "too few for an .npy file");
  CHECK_COMPLAINT(load_npy, "a text, no array", "does not begin as an .npy file does");
  const std::string whole = array("<f4", "(2,)", data);
  for (size_t n = 0; n < whole.size(); ++n) CHECK(!files::complaint(load_npy, whole.substr(0, n)).empty());
}

TEST_CASE("elements that have no counterpart are refused by name, with the remedy") {
  const auto of = [](const std::string& descr) { return array(descr, "(1,)", std::string(8, '\0')); };
  CHECK_COMPLAINT(load_npy, of(">f8"), "the elements are \">f8\", big-endian; save x.astype('<f8')");
  CHECK_COMPLAINT(load_npy, of("|O"), "Python objects, which cannot be read without running code; save numbers");
  CHECK_COMPLAINT(load_npy, of("<c8"), "complex numbers; save x.real and x.imag");
  CHECK_COMPLAINT(load_npy, of("<U2"), "texts");
  CHECK_COMPLAINT(load_npy, of("|S8"), "texts");
  CHECK_COMPLAINT(load_npy, of("<M8[ns]"), "dates or times; save x.astype(numpy.int64)");
  CHECK_COMPLAINT(load_npy, of("|V8"), "structures or raw bytes");
  CHECK_COMPLAINT(load_npy, of("<f16"), "floating-point numbers of that size");
  CHECK_COMPLAINT(load_npy, of("f8"), "does not say that they are little-endian");
  CHECK_COMPLAINT(load_npy, of(""), "no counterpart");
  CHECK_COMPLAINT(load_npy, npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "1234"), "structures");
  CHECK_COMPLAINT(load_npy, array("<u8", "(2,)", raw<uint64_t>({1, uint64_t{1} << 63})),
                  "the array holds 9223372036854775808 at element 1, which is more than an int64 holds");
  CHECK_COMPLAINT(load_npy, array("|b1", "(3,)", raw<uint8_t>({1, 0, 2})),
                  "the array holds the byte 2 at element 2; only 0 and 1 are booleans");
}

TEST_CASE("save_npy writes version 1 with aligned elements, and load_npy gives the same tensor back") {
  const files::Folder folder;
  const std::string path = folder / "x.npy";
  save_npy(path, gradus::tensor({{1.0F, 2.0F, 3.0F}, {4.0F, 5.0F, 6.0F}}));
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  header.resize(117, ' ');
  CHECK(files::read_bytes(path) == npy(header + "\n", raw<float>({1, 2, 3, 4, 5, 6})));
  CHECK(folder.files() == 1);

  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Tensor& x :
       {gradus::tensor(2.5, {.dtype = gradus::float64}), gradus::tensor({1, 2}), gradus::tensor({true, false, true}), gradus::zeros({0, 4}),
        gradus::ones({1, 2, 1, 2, 1, 2, 1, 1}), gradus::arange(6).reshape({2, 3}).t(), gradus::arange(10).slice(0, 1, 9, 3)}) {
    save_npy(path, x);
    const Tensor y = load_npy(path);
    CHECK(y.dtype() == x.dtype());
    CHECK(gradus::equal(x, y));
  }
  save_npy(path, gradus::tensor({nan}));
  CHECK(std::isnan(load_npy(path).item<float>()));
  const Tensor weight = gradus::ones({2}, {.requires_grad = true});
  save_npy(path, weight * 2);
  CHECK(gradus::equal(load_npy(path), gradus::tensor({2.0F, 2.0F})));
}

TEST_CASE("save_npy that fails leaves the old file") {
  const files::Folder folder;
  const std::string path = folder / "x.npy";
  save_npy(path, gradus::ones({2}));
  CHECK_THROWS_AS(save_npy(path, Tensor()), gradus::StateError);
  CHECK(load_npy(path).numel() == 2);
  CHECK(folder.files() == 1);
  CHECK_THROWS_AS(save_npy(folder / "none/x.npy", gradus::ones({2})), gradus::IoError);
}

TEST_CASE("an .npz file gives arrays by name, in the file's order") {
  const files::Folder folder;
  const std::string path = folder / "x.npz";
  const std::string b = array("<f4", "(2,)", raw<float>({1, 2})), a = array("<i8", "()", raw<int64_t>({7}));
  files::write_bytes(path, files::zip({stored("b.npy", b), stored("layer/a.npy", a)}).bytes);
  const gradus::io::NamedTensors file = load_npz(path);
  REQUIRE(file.tensors.size() == 2);
  CHECK(file.tensors[0].first == "b");
  CHECK(file.tensors[1].first == "layer/a");
  CHECK(gradus::equal(file.at("b"), gradus::tensor({1.0F, 2.0F})));
  CHECK(file.at("layer/a").item<int64_t>() == 7);
  files::write_bytes(path, files::zip({}).bytes);
  CHECK(load_npz(path).tensors.empty());
  if (!gradus::io::Inflater::is_available()) return;
  files::write_bytes(path, files::zip({deflated("b.npy", b)}).bytes);
  CHECK(gradus::equal(load_npz(path).at("b"), gradus::tensor({1.0F, 2.0F})));
}

TEST_CASE("an .npz file whose members are no arrays, or damaged, is refused by the member's name") {
  const std::string good = array("<f4", "(2,)", raw<float>({1, 2}));
  CHECK_COMPLAINT(npz, files::zip({stored("a.npy", good), stored("notes.txt", "")}).bytes,
                  "load_npz: FILE: member \"notes.txt\" is no .npy file");
  CHECK_COMPLAINT(npz, files::zip({stored("a.npy", good + "x")}).bytes,
                  "member \"a.npy\": has 9 bytes of elements, and the shape [2] of f4 needs 8");
  CHECK_COMPLAINT(npz, files::zip({stored("a.npy", "")}).bytes, "member \"a.npy\": has 0 bytes, too few");
  CHECK_COMPLAINT(npz, files::zip({stored("a.npy", array("|O", "(1,)", "12345678"))}).bytes,
                  "member \"a.npy\": the elements are \"|O\": Python");
  files::ZipBytes flipped = files::zip({stored("a.npy", good)});
  flipped.bytes[30 + 5 + good.size() - 1] ^= 1;
  CHECK_COMPLAINT(npz, flipped.bytes, "member \"a.npy\" is damaged: its bytes have the CRC-32");
}

TEST_CASE("a zip bomb is refused before it unpacks, unless the caller allows as much") {
  if (!gradus::io::Inflater::is_available()) return;
  const int repeats = 35'000;  // 9 MB out of 57 kB, and 72 as int64
  const uint64_t bytes = 1 + uint64_t{258} * repeats;
  const std::string header = array("|u1", "(" + std::to_string(bytes) + ",)", "");
  // A block with the header, which does not end the stream, then the zeros.
  std::string packed = std::string(1, '\0') + raw<uint16_t>({static_cast<uint16_t>(header.size()), static_cast<uint16_t>(~header.size())}) +
                       header + files::deflated_zeros(repeats);
  files::Member bomb{.name = "a.npy", .packed = packed, .bytes = header.size() + bytes, .method = 8};
  CHECK_COMPLAINT(npz, files::zip({bomb}).bytes, "member \"a.npy\": unpacks to 72240008 bytes, which is more than the");

  const files::Folder folder;
  files::write_bytes(folder / "x.npz", files::zip({bomb}).bytes);
  CHECK_THROWS_WITH_AS(load_npz(folder / "x.npz", 10), doctest::Contains("load_npz(path, max_bytes) allows more"), gradus::IoError);
  CHECK_THROWS_WITH_AS(load_npz(folder / "x.npz", uint64_t{1} << 30), doctest::Contains("CRC-32"),
                       gradus::IoError);  // it was read, and has none
}
