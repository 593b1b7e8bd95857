#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "gradus/creation.h"
#include "gradus/io/checkpoint.h"
#include "gradus/io/npy.h"
#include "gradus/io/safetensors.h"
#include "gradus/nn/layers.h"
#include "gradus/optim/adam.h"
#include "gradus/optim/scheduler.h"
#include "gradus/text/bpe.h"
#include "io/pickle_bytes.h"
#include "io/zip_bytes.h"

/// Writes the inputs from which the fuzz targets start: seeds FOLDER makes FOLDER/TARGET/NAME.
namespace {

using namespace gradus;
namespace fs = std::filesystem;

/// The inputs of one target.
class Seeds {
 public:
  Seeds(const fs::path& folder, const char* target) : folder_(folder / target) { fs::create_directories(folder_); }

  std::string path() { return folder_ / std::to_string(count_++); }
  void add(const std::string& bytes) {
    std::ofstream file(path(), std::ios::binary);
    file.exceptions(std::ios::failbit | std::ios::badbit);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

 private:
  fs::path folder_;
  int count_ = 0;
};

std::vector<Tensor> tensors() {
  return {ones({2, 3}), arange(5), tensor({1.5, -2.0}, {.dtype = float64}), tensor({true, false}), zeros({0, 3}), full({}, 7)};
}

void write_safetensors(Seeds seeds) {
  std::vector<std::pair<std::string, Tensor>> all;
  for (const Tensor& x : tensors()) {
    all.emplace_back("tensor." + std::to_string(all.size()), x);
    io::save_safetensors(seeds.path(), {all.back()});
  }
  io::save_safetensors(seeds.path(), all, {{"name", "value"}, {"text", "\xc3\xa4\n\""}});
  const auto small = [&](const char* dtype, const std::string& bytes) {
    const std::string header =
        std::string(R"({"x":{"dtype":")") + dtype + R"(","shape":[1],"data_offsets":[0,)" + std::to_string(bytes.size()) + "]}}";
    seeds.add(files::raw<uint64_t>({header.size()}) + header + bytes);
  };
  for (const char* dtype : {"F16", "BF16", "I16", "U16"}) small(dtype, "\1\2");
  for (const char* dtype : {"I8", "U8"}) small(dtype, "\1");
  for (const char* dtype : {"I32", "U32"}) small(dtype, "\1\2\3\4");
}

/// Values of every kind.
struct Anything {
  io::StateValues state_dict() const {
    return {{"number", 3},
            {"real", 0.1},
            {"infinite", std::numeric_limits<double>::infinity()},
            {"on", true},
            {"text", "\xc3\xa4\n\""},
            {"mask", tensor({true, false})}};
  }
  void load_state_dict(const io::StateValues&) {}
};

/// The training that the target loads, before and after a step, whole and in parts.
void write_checkpoints(Seeds seeds) {
  nn::Linear model(2, 3);
  optim::Adam optimizer(model.parameters());
  optim::StepLR scheduler(optimizer, 2);
  Anything anything;
  const io::CheckpointParts parts = {{"model", model}, {"optimizer", optimizer}, {"scheduler", scheduler}, {"anything", anything}};
  io::save_checkpoint(seeds.path(), parts, {{"step", 0}});
  model(ones({1, 2})).sum().backward();
  optimizer.step();
  scheduler.step();
  io::save_checkpoint(seeds.path(), parts, {{"step", 1}, {"measure", 0.5}, {"x", ones(3)}});
  for (const io::CheckpointPart& part : parts) io::save_checkpoint(seeds.path(), {part});
}

std::string npy(const std::string& dtype, const std::string& order, const std::string& shape, const std::string& bytes, char version = 1) {
  std::string header = "{'descr': '" + dtype + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
  const size_t length_bytes = version == 1 ? 2 : 4;
  while ((6 + 2 + length_bytes + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  const std::string length = version == 1 ? files::raw<uint16_t>({static_cast<uint16_t>(header.size())})
                                          : files::raw<uint32_t>({static_cast<uint32_t>(header.size())});
  return std::string("\x93NUMPY") + version + '\0' + length + header + bytes;
}

std::vector<std::string> npy_files() {
  std::vector<std::string> all;
  for (char version : {1, 2, 3}) all.push_back(npy("<f4", "False", "(2, 2)", std::string(16, '\1'), version));
  all.push_back(npy("<i8", "True", "(2, 1, 3)", std::string(48, '\1')));
  for (const char* dtype : {"|b1", "|u1", "|i1"}) all.push_back(npy(dtype, "False", "(3,)", std::string(3, '\1')));
  for (const char* dtype : {"<f2", "<i2", "<u2"}) all.push_back(npy(dtype, "True", "(3, 1)", std::string(6, '\1')));
  for (const char* dtype : {"<f8", "<u8"}) all.push_back(npy(dtype, "False", "()", std::string(8, '\1')));
  all.push_back(npy("<i4", "False", "(0, 4)", ""));
  return all;
}

void write_npy(Seeds seeds) {
  for (const Tensor& x : tensors()) io::save_npy(seeds.path(), x);
  for (const std::string& file : npy_files()) seeds.add(file);
}

void write_npz(Seeds seeds) {
  std::vector<files::Member> stored, mixed;
  for (const std::string& file : npy_files()) {
    const std::string name = "array_" + std::to_string(stored.size()) + ".npy";
    stored.push_back(files::stored(name, file));
    mixed.push_back(stored.size() % 2 == 0 ? files::stored(name, file) : files::deflated(name, file));
    mixed.back().zip64 = stored.size() % 3 == 0;
    seeds.add(files::zip({mixed.back()}).bytes);
  }
  seeds.add(files::zip(stored).bytes);
  seeds.add(files::zip(mixed, "a comment", true).bytes);
  files::Member zeros = files::stored("zeros.npy", npy("<f4", "False", "(64,)", std::string(256, '\0')));
  const std::string header = zeros.packed.substr(0, zeros.packed.size() - 256);
  zeros.packed = files::deflated_zeros(1);
  zeros.method = 8;
  seeds.add(files::zip({zeros}).bytes);
}

std::vector<std::string> pickles() {
  const std::string floats = files::storage("FloatStorage", "0", 12), longs = files::storage("LongStorage", "1", 1);
  const std::string state = files::text("weight") + files::tensor(floats, 0, {3, 4}, {4, 1}) + files::text("bias") +
                            files::tensor(floats, 2, {2, 2}, {1, 4}) + files::text("steps") + files::tensor(longs, 0, {}, {});
  const std::string numbers = files::text("lr") + "G" + std::string("\x3f\x50\x62\x4d\xd2\xf1\xa9\xfc") + files::text("epoch") +
                              files::number(3) + files::text("big") + files::number(int64_t{1} << 40) + files::text("on") + "\x88" +
                              files::text("none") + "N" + files::text("list") + "](" + files::number(1) + files::number(2) + "e";
  return {files::whole(files::ordered_dict(state)), files::whole(files::dict(state + numbers)),
          files::whole(files::dict(files::text("model") + files::ordered_dict(state) + files::text("optimizer") + files::dict(numbers))),
          files::whole(files::tensor(longs, 0, {1}, {1})), files::whole("](" + files::tensor(floats, 0, {2}, {5}) + "e"),
          // a memo, and the opcodes of protocol 4
          std::string("\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94(\x8c\x01"
                      "a\x94K\x01\x8c\x01"
                      "bh\x01u.",
                      26)};
}

void write_pytorch(Seeds whole, Seeds bare) {
  const std::vector<std::string> storages{std::string(48, '\1'), std::string(8, '\2')};
  for (const std::string& pickle : pickles()) {
    whole.add(files::archive(pickle, storages));
    bare.add(pickle);
  }
}

void write_texts(Seeds pairs, Seeds tokenizer) {
  const std::string text = "Va !\tVa, Jo!\nGo.\t\xc3\x80 bient\xc3\xb4t\xe2\x80\xaf!\tCC-BY 2.0\r\n\n\xef\xbb\xbf";
  for (const char* first : {"\2", "\3"}) pairs.add(first + text), tokenizer.add(first + text);
  pairs.add("\2\xef\xbb\xbfone\teins\n");
  tokenizer.add("\1\xce\xa3\xce\x91\xce\xa3 \xc4\xb0 \xd0\x96 the the a <unk> \xe1\xba\x9e");
}

void write_tokenizers(Seeds seeds) {
  using text::PreTokenizer;
  for (PreTokenizer kind : {PreTokenizer::None, PreTokenizer::Whitespace, PreTokenizer::WhitespaceSplit, PreTokenizer::Metaspace}) {
    text::BPETrainOptions options{.special_tokens = {"<s>", "?"}, .pre_tokenizer = kind, .unk_token = "?"};
    if (kind == PreTokenizer::Whitespace) options.continuing_subword_prefix = "##";
    if (kind == PreTokenizer::WhitespaceSplit) options.end_of_word_suffix = "</w>";
    seeds.add('\0' + text::BPE::train({"ab ab b"}, options).to_str());
  }
  seeds.add('\0' + text::BPE::train({"ab ab"}, {.vocab_size = 258}).to_str());
  for (char choice = 0; choice < 5; ++choice)
    seeds.add(std::string("\1\x20\0", 3) + choice + "\1\1\1\1 it's 2 \xc3\xa0 l'\xe5\xa5\xbd <s>? ababab\n\n ab");
}

/// Programs are best when they have some length.
void write_choices(Seeds seeds, unsigned seed) {
  for (int i = 0; i < 16; ++i) {
    std::string bytes;
    for (int k = 0; k < 96; ++k) {
      seed = seed * 1664525U + 1013904223U;
      bytes += static_cast<char>(seed >> 24U);
    }
    seeds.add(bytes);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "Usage: seeds FOLDER\n");
    return 2;
  }
  try {
    const fs::path folder = arguments[1];
    write_safetensors({folder, "safetensors"});
    write_checkpoints({folder, "checkpoint"});
    write_npy({folder, "npy"});
    write_npz({folder, "npz"});
    write_pytorch({folder, "pytorch"}, {folder, "pickle"});
    write_texts({folder, "pairs"}, {folder, "tokenizer"});
    write_tokenizers({folder, "bpe"});
    for (const char* target : {"broadcasting", "graph", "indexing", "views"})
      write_choices({folder, target}, static_cast<unsigned>(target[0]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
