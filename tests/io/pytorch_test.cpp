#include "gradus/io/pytorch.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "files.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/nn/layers.h"
#include "gradus/ops/reduction.h"
#include "pickle_bytes.h"

namespace {

using files::archive;
using files::dict;
using files::global;
using files::number;
using files::numbers;
using files::ordered_dict;
using files::raw;
using files::storage;
using files::tensor;
using files::text;
using files::tuple;
using files::whole;
using gradus::DType;
using gradus::Tensor;
using gradus::io::load_pytorch;
using gradus::io::NamedTensors;

NamedTensors unpickled(const std::string& pickle, const std::vector<std::string>& storages = {}) {
  const files::Folder folder;
  files::write_bytes(folder / "x.pt", archive(whole(pickle), storages));
  return load_pytorch(folder / "x.pt");
}

const std::string four = raw<float>({1, 2, 3, 4});
const std::string four_floats = storage("FloatStorage", "0", 4);

/// A file whose pickle is a dict with one item.
std::string with_item(const std::string& value) { return archive(whole(dict(text("x") + value)), {four}); }

}  // namespace

TEST_CASE("a state dict as torch.save writes it gives tensors by name, in its order") {
  const std::string metadata = "}" + text("_metadata") + files::no_hooks + "sb";
  const NamedTensors file = unpickled(ordered_dict(text("weight") + tensor(four_floats, 0, {2, 2}, {2, 1}) + text("bias") +
                                                   tensor(storage("FloatStorage", "1", 2), 0, {2}, {1})) +
                                          metadata,
                                      {four, raw<float>({5, 6})});
  REQUIRE(file.tensors.size() == 2);
  CHECK(file.tensors[0].first == "weight");
  CHECK(file.tensors[1].first == "bias");
  CHECK(gradus::equal(file.at("weight"), gradus::tensor({{1.0F, 2.0F}, {3.0F, 4.0F}})));
  CHECK(file.metadata.empty());
  gradus::nn::Linear layer(2, 2);
  layer.load_state_dict(file.tensors);
  CHECK(gradus::equal(layer.bias, gradus::tensor({5.0F, 6.0F})));
}

TEST_CASE("dtypes of PyTorch are kept or widened without loss") {
  const auto is = [](const char* type, const std::string& data, const Tensor& expected) {
    CAPTURE(type);
    const NamedTensors file = unpickled(dict(text("x") + tensor(storage(type, "0", 2), 0, {2}, {1})), {data});
    CHECK(file.at("x").dtype() == expected.dtype());
    CHECK(gradus::equal(file.at("x"), expected));
    CHECK(!file.at("x").requires_grad());
  };
  is("FloatStorage", raw<float>({1.5F, -2}), gradus::tensor({1.5F, -2.0F}));
  is("DoubleStorage", raw<double>({1e300, -2}), gradus::tensor({1e300, -2.0}, {.dtype = gradus::float64}));
  is("HalfStorage", raw<uint16_t>({0x3C00, 0xC100}), gradus::tensor({1.0F, -2.5F}));
  is("BFloat16Storage", raw<uint16_t>({0x3F80, 0xC020}), gradus::tensor({1.0F, -2.5F}));
  is("LongStorage", raw<int64_t>({INT64_MIN, 7}), gradus::tensor({INT64_MIN, int64_t{7}}));
  is("IntStorage", raw<int32_t>({-3, 3}), gradus::tensor({-3, 3}));
  is("ShortStorage", raw<int16_t>({-3, 3}), gradus::tensor({-3, 3}));
  is("CharStorage", raw<int8_t>({-3, 3}), gradus::tensor({-3, 3}));
  is("ByteStorage", raw<uint8_t>({255, 3}), gradus::tensor({255, 3}));
  is("BoolStorage", raw<uint8_t>({1, 0}), gradus::tensor({true, false}));
}

TEST_CASE("a dtype that is an argument belongs to a storage of bytes") {
  const std::string bytes = tuple(text("storage") + global("torch.storage", "UntypedStorage") + text("0") + text("cpu") + number(4)) + "Q";
  const auto of = [&](const char* dtype) {
    return dict(text("x") + global("torch._utils", "_rebuild_tensor_v3") +
                tuple(bytes + number(0) + numbers({2}) + numbers({1}) + "\x89" + files::no_hooks + global("torch", dtype) + "}") + "R");
  };
  CHECK(gradus::equal(unpickled(of("uint16"), {raw<uint16_t>({65535, 1})}).at("x"), gradus::tensor({65535, 1})));
  CHECK_COMPLAINT(load_pytorch, archive(whole(of("uint64")), {"1234"}), "storage \"0\" of 4 bytes holds no whole number of uint64");
}

TEST_CASE("tensors that share a storage share it, strided as they were") {
  const NamedTensors file = unpickled(dict(text("a") + tensor(four_floats, 0, {2, 2}, {1, 2}) + text("b") +
                                           tensor(four_floats, 1, {3}, {1}) + text("c") + tensor(four_floats, 3, {}, {}) + text("d") +
                                           tensor(four_floats, 2, {3, 1}, {0, 1}) + text("e") + tensor(four_floats, 0, {0, 3}, {7, 9})),
                                      {four});
  CHECK(gradus::equal(file.at("a"), gradus::tensor({{1.0F, 3.0F}, {2.0F, 4.0F}})));
  CHECK(gradus::equal(file.at("b"), gradus::tensor({2.0F, 3.0F, 4.0F})));
  CHECK(file.at("c").item<float>() == 4);
  CHECK(gradus::equal(file.at("d"), gradus::tensor({3.0F, 3.0F, 3.0F}).reshape({3, 1})));
  CHECK(file.at("e").shape() == gradus::Shape{0, 3});
  CHECK(file.at("a").data<float>() + 1 == file.at("b").data<float>());
}

TEST_CASE("dicts and lists in others give dotted names, and what holds no tensors is metadata") {
  const std::string one = tensor(four_floats, 0, {1}, {1});
  const NamedTensors file = unpickled(
      dict(text("model") + ordered_dict(text("0.weight") + one) + text("optimizer") +
           dict(text("state") + dict(number(0) + dict(text("step") + number(7) + text("exp_avg") + one)) + text("param_groups") + "](" +
                dict(text("lr") + "G\x3f\x50\x62\x4d\xd2\xf1\xa9\xfc" + text("betas") +
                     tuple(std::string("G\x3f\xec\xcc\xcc\xcc\xcc\xcc\xcd", 9) + "N")) +
                "e") +
           text("epoch") + number(3) + text("note") + text("a \"text\"") + text("best") + "G" + std::string("\x7f\xf0\0\0\0\0\0\0", 8) +
           text("amp") + "\x88" + text("shape") + global("torch", "Size") + tuple(numbers({2, 3})) + "R" + text("dtype") +
           global("torch", "float16") + text("seed") + std::string("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\0", 11) + text("list") + "](" +
           one + number(-5) + "e" + text("device") + global("torch", "device") + tuple(text("cuda:0")) + "R"),
      {four});
  std::string names;
  for (const auto& [name, x] : file.tensors) names += name + " ";
  CHECK(names == "model.0.weight optimizer.state.0.exp_avg list.0 ");
  const std::vector<std::pair<std::string, std::string>> expected{{"amp", "true"},
                                                                  {"best", "Infinity"},
                                                                  {"device", "cuda:0"},
                                                                  {"dtype", "torch.float16"},
                                                                  {"epoch", "3"},
                                                                  {"list.1", "-5"},
                                                                  {"note", "a \"text\""},
                                                                  {"optimizer.param_groups", R"([{"lr": 0.001, "betas": [0.9, null]}])"},
                                                                  {"optimizer.state.0.step", "7"},
                                                                  {"seed", "18446744073709551615"},
                                                                  {"shape", "[2, 3]"}};
  CHECK(std::vector<std::pair<std::string, std::string>>(file.metadata.begin(), file.metadata.end()) == expected);
}

TEST_CASE("parameters, tensors with attributes, single tensors and lists are read") {
  const std::string x = tensor(four_floats, 0, {2}, {1});
  const std::string parameter = global("torch._utils", "_rebuild_parameter") + tuple(x + "\x88" + files::no_hooks) + "R";
  CHECK(unpickled(dict(text("w") + parameter), {four}).at("w").numel() == 2);
  const std::string with_attributes = global("torch._tensor", "_rebuild_from_type_v2") +
                                      tuple(global("torch._utils", "_rebuild_parameter") + global("torch.nn.parameter", "Parameter") +
                                            tuple(x + "\x88" + files::no_hooks) + "}") +
                                      "R";
  CHECK(unpickled(dict(text("w") + with_attributes), {four}).at("w").numel() == 2);
  CHECK(unpickled(x, {four}).tensors[0].first == "tensor");
  CHECK(unpickled("](" + x + x + "e", {four}).tensors[1].first == "1");
  CHECK(unpickled("}").tensors.empty());
}

TEST_CASE("the memo and names on the stack are read, as protocols 4 and 5 use them") {
  const auto stack_global = [](const std::string& module, const std::string& name) {
    const auto short_text = [](const std::string& t) { return "\x8c" + std::string(1, static_cast<char>(t.size())) + t + "\x94"; };
    return short_text(module) + short_text(name) + "\x93\x94";
  };
  const std::string pickle = "\x80\x04\x95" + raw<uint64_t>({20}) + "}\x94(" + text("x") +
                             stack_global("torch._utils", "_rebuild_tensor_v2") + "(" + four_floats + number(0) + numbers({2}) + "q\x04" +
                             numbers({1}) + "\x89" + files::no_hooks + "tR" + text("again") + "h\x04u.";
  const files::Folder folder;
  files::write_bytes(folder / "x.pt", archive(pickle, {four}));
  const NamedTensors file = load_pytorch(folder / "x.pt");
  CHECK(file.at("x").numel() == 2);
  CHECK(file.metadata.at("again") == "[2]");
}

TEST_CASE("whatever a state dict does not need is refused by its name, and nothing is run") {
  const std::string system = global("os", "system") + tuple(text("touch /tmp/gradus-was-here")) + "R";
  CHECK_COMPLAINT(
      load_pytorch, archive(whole(system), {}),
      "load_pytorch: FILE: asks for \"os.system\", which a state dict does not need; nothing of the file was run. Save the tensors alone: "
      "torch.save(model.state_dict(), path)");
  for (const auto& [module, name] : std::vector<std::pair<std::string, std::string>>{{"builtins", "eval"},
                                                                                     {"__builtin__", "getattr"},
                                                                                     {"torch", "load"},
                                                                                     {"torch.nn.modules.linear", "Linear"},
                                                                                     {"", ""},
                                                                                     {"collections", "OrderedDict.fromkeys"}})
    CHECK_COMPLAINT(load_pytorch, with_item(global(module, name)),
                    "asks for \"" + module + "." + name + "\", which a state dict does not need");
  CHECK_COMPLAINT(load_pytorch, with_item(global("torch._utils", "_rebuild_sparse_tensor")),
                  "\"torch._utils._rebuild_sparse_tensor\", for a sparse tensor; save its to_dense()");
  CHECK_COMPLAINT(load_pytorch, with_item(global("torch._utils", "_rebuild_qtensor")), "for a quantized tensor; save its dequantize()");
  CHECK_COMPLAINT(load_pytorch, with_item(global("numpy.core.multiarray", "scalar")), "for a number or array of NumPy; save float(x)");
  CHECK_COMPLAINT(load_pytorch, with_item(global("argparse", "Namespace")), "for arguments of a program; save vars(arguments)");
  CHECK_COMPLAINT(load_pytorch, with_item(global("builtins", "set")), "for a set; save a list");
  CHECK_COMPLAINT(load_pytorch, with_item(global("os\x1b[31m", "x")), "asks for \"os\\x1b[31m.x\"");
  CHECK_COMPLAINT(load_pytorch, with_item(global("torch", "ComplexFloatStorage")),
                  "holds a tensor in a \"torch.ComplexFloatStorage\", which has no counterpart");
  CHECK_COMPLAINT(load_pytorch, with_item(global("torch", "Tensor") + ")R"), "the pickle calls torch.Tensor, which a state dict does not");
  CHECK_COMPLAINT(load_pytorch, with_item(global("torch", "FloatStorage") + tuple(number(9)) + "R"), "calls torch.FloatStorage");
  CHECK_COMPLAINT(load_pytorch, with_item(global("torch", "Tensor") + ")\x81"), "the opcode 0x81");
  CHECK_COMPLAINT(load_pytorch, with_item("I1\n"), "the opcode 0x49 at its byte");
  CHECK_COMPLAINT(load_pytorch, with_item("\x8f"), "the opcode 0x8f");
  CHECK_COMPLAINT(load_pytorch, with_item("C\x01z"), "the opcode 0x43");
  CHECK_COMPLAINT(load_pytorch, with_item("\x8a\x0a" + std::string(10, '\x7f')), "an integer of 10 bytes");
  CHECK_COMPLAINT(load_pytorch, with_item(tuple(text("module") + text("x")) + "Q"), "refers to something outside that is no storage");
}

TEST_CASE("a tensor stays within its storage, and a storage within its member") {
  const auto view = [](int64_t offset, std::initializer_list<int64_t> shape, std::initializer_list<int64_t> strides) {
    return with_item(tensor(four_floats, offset, shape, strides));
  };
  CHECK_COMPLAINT(load_pytorch, view(0, {5}, {1}), "shape [5], strides [1] and offset 0 leaves its storage \"0\" of 4 elements");
  CHECK_COMPLAINT(load_pytorch, view(1, {2, 2}, {2, 1}), "leaves its storage");
  CHECK_COMPLAINT(load_pytorch, view(4, {}, {}), "leaves its storage");
  CHECK_COMPLAINT(load_pytorch, view(-1, {1}, {1}), "the pickle is damaged: a tensor of shape [1]");
  CHECK_COMPLAINT(load_pytorch, view(0, {2}, {-1}), "a tensor's strides are no numbers from 0");
  CHECK_COMPLAINT(load_pytorch, view(0, {-2}, {1}), "a tensor's sizes are no numbers from 0");
  CHECK_COMPLAINT(load_pytorch, view(0, {2}, {1, 1}), "has strides [1, 1]");
  CHECK_COMPLAINT(load_pytorch, view(INT64_MAX, {2}, {INT64_MAX}), "leaves its storage");
  CHECK_COMPLAINT(load_pytorch, view(0, {INT64_MAX, 3}, {1, 0}), "the pickle is damaged: a tensor of shape [9223372036854775807, 3]");
  CHECK_COMPLAINT(load_pytorch, view(0, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1}), "a tensor of 9 dimensions, more than 8");
  CHECK_COMPLAINT(load_pytorch, view(0, {1000000, 1000000}, {0, 0}), "tensor \"x\" of shape [1000000, 1000000] repeats the 4 elements");
  CHECK_COMPLAINT(load_pytorch, with_item(tensor(storage("FloatStorage", "0", 5), 0, {1}, {1})),
                  "has 16 bytes, which are not 5 elements of float32");
  CHECK_COMPLAINT(load_pytorch, with_item(tensor(storage("FloatStorage", "0", INT64_MAX), 0, {1}, {1})),
                  "has 16 bytes, which are not 9223372036854775807");
  CHECK_COMPLAINT(load_pytorch, with_item(tensor(storage("FloatStorage", "0", -4), 0, {1}, {1})), "storage \"0\" has -4 elements");
  CHECK_COMPLAINT(load_pytorch, with_item(tensor(storage("FloatStorage", "../9", 4), 0, {1}, {1})), "has no member \"archive/data/../9\"");
  CHECK_COMPLAINT(load_pytorch, with_item(tuple(tensor(four_floats, 0, {1}, {1}) + tensor(storage("IntStorage", "0", 4), 0, {1}, {1}))),
                  "storage \"0\" is used as two types");
  CHECK_COMPLAINT(load_pytorch, with_item(four_floats), "holds a tensor or a storage where none is read");
  CHECK_COMPLAINT(load_pytorch, archive(whole(dict(text("x") + tensor(storage("BoolStorage", "0", 16), 0, {1}, {1}))), {four}),
                  "member \"archive/data/0\" holds the byte 128 at element 2; only 0 and 1 are booleans");
}

TEST_CASE("a damaged pickle is refused") {
  const auto pickle = [](const std::string& bytes) { return archive(bytes, {four}); };
  CHECK_COMPLAINT(load_pytorch, pickle(""), "the pickle is damaged: it is cut short");
  CHECK_COMPLAINT(load_pytorch, pickle("."), "it does not end with one value");
  CHECK_COMPLAINT(load_pytorch, pickle("}}."), "it does not end with one value");
  CHECK_COMPLAINT(load_pytorch, pickle("}(."), "it does not end with one value");
  CHECK_COMPLAINT(load_pytorch, pickle("N."), "holds neither a dict nor a list of tensors");
  CHECK_COMPLAINT(load_pytorch, pickle("\x80\x06}."), "of protocol 6; protocols 2 to 5 are read");
  CHECK_COMPLAINT(load_pytorch, pickle("\x95" + raw<uint64_t>({99}) + "}."), "a frame is longer");
  for (const char* code : {"R",   "b",     "s",        "u",     "e",    "a",   "t",           "\x85", "\x86", "\x87",
                           "Q",   "q\x01", "h\x07",    "\x94",  "\x93", "(u",  "}N\x85q\x09", "}(Nu", "K",    "X\xff\xff\xff\xff",
                           "cos", "G1",    "\x8a\x08", "(\x85", "}Nb",  "N}b", "NNR",         "](Nu", "}(Ne"}) {
    CAPTURE(code);
    CHECK_COMPLAINT(load_pytorch, pickle(std::string(code) + "."), "the pickle is damaged");
  }
  const std::string good = whole(dict(text("x") + tensor(four_floats, 0, {2}, {1}) + text("y") + number(1000)));
  for (size_t n = 0; n < good.size(); ++n) CHECK(!files::complaint(load_pytorch, pickle(good.substr(0, n))).empty());
  for (size_t at = 0; at < good.size(); ++at)
    for (const char* code : {"\0", "}", ")", "(", "R", "h", "Q", "t", "u", "\x94", "\xff"}) {
      std::string changed = good;
      changed[at] = *code;
      files::complaint(load_pytorch, pickle(changed));
    }
}

TEST_CASE("small pickles that stand for much are refused in short time") {
  const auto pickle = [](const std::string& bytes) { return archive(bytes, {four}); };
  // Each list holds the one before twice: 2^60 numbers, or tensors.
  for (const std::string& first : {number(1), tensor(four_floats, 0, {1}, {1})}) {
    std::string twice = "](" + first + "e\x94";
    for (int i = 0; i < 60; ++i)
      twice += "](h" + std::string(1, static_cast<char>(i)) + "h" + std::string(1, static_cast<char>(i)) + "e\x94";
    CHECK_COMPLAINT(load_pytorch, pickle(twice + "."), "the pickle is damaged: it does not end with one value");
    CHECK_COMPLAINT(load_pytorch, pickle("(" + twice + "t."), "holds ");
  }
  const std::string one = tensor(four_floats, 0, {1}, {1});
  CHECK_COMPLAINT(load_pytorch, pickle(std::string("]\x94h\0a.", 6)), "nested");
  CHECK_COMPLAINT(load_pytorch, pickle(std::string("]\x94(h\0", 5) + one + "e."), "nested");
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += ']';
  for (int i = 1; i < 100'000; ++i) deep += 'a';
  CHECK_COMPLAINT(load_pytorch, pickle(deep + "."), "nested more than 100 deep");
  // Shallow where each is looked at first, and deep from the last.
  std::string stairs = "](" + one + "e\x94";
  for (uint32_t i = 0; i < 5000; ++i) stairs += "](j" + raw<uint32_t>({i}) + "e\x94";
  CHECK_COMPLAINT(load_pytorch, pickle("(" + stairs + "t."), "nested more than 100 deep");
  CHECK_COMPLAINT(load_pytorch, pickle("(" + std::string(3'000'000, 'N') + "t."), "more than 1236");
  CHECK_COMPLAINT(load_pytorch, pickle("(" + std::string(1'000'000, ')') + "t."), "more than 2777");
  CHECK_COMPLAINT(load_pytorch, pickle("}r" + raw<uint32_t>({0xFFFFFFFF}) + "."), "remembered out of turn");
}

TEST_CASE("two things of one dotted name are refused") {
  const std::string one = tensor(four_floats, 0, {1}, {1});
  CHECK_COMPLAINT(load_pytorch, archive(whole(dict(text("a") + dict(text("b") + one) + text("a.b") + one)), {four}),
                  "holds two things that would be called \"a.b\"");
}

TEST_CASE("files of PyTorch that are no state dict of today are refused with the remedy") {
  CHECK_COMPLAINT(load_pytorch, std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15),
                  "load_pytorch: FILE: is in the format that PyTorch had before 1.6; load it there and save it again");
  CHECK_COMPLAINT(load_pytorch, "\x93NUMPY", "is no zip archive, as files of PyTorch are");
  CHECK_COMPLAINT(load_pytorch, files::zip({files::stored("x.npy", "")}).bytes, "is a zip archive without data.pkl");
  CHECK_COMPLAINT(load_pytorch, archive(whole("}"), {}, {files::stored("archive/constants.pkl", "")}),
                  "is TorchScript, which holds a program");
  CHECK_COMPLAINT(load_pytorch, archive(whole("}"), {}, {files::stored("archive/byteorder", "big")}), "byte order \"big\"");
  CHECK(files::complaint(load_pytorch, archive(whole("}"), {}, {files::stored("archive/byteorder", "little")})).empty());
}
