#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "gradus/io.h"

/// Brings tensors from one kind of file to another, for the tests that have other programs on either side.
///
///     convert FROM.{npy,npz,pt,safetensors} TO.{npy,safetensors,checkpoint}
namespace {

using gradus::io::NamedTensors;

NamedTensors load(const std::string& path) {
  const std::string_view name = path;
  if (name.ends_with(".npz")) return gradus::io::load_npz(path);
  if (name.ends_with(".pt")) return gradus::io::load_pytorch(path);
  if (name.ends_with(".safetensors")) return gradus::io::load_safetensors(path);
  NamedTensors file;
  file.tensors.emplace_back("array", gradus::io::load_npy(path));
  return file;
}

/// The tensors as a part of a checkpoint.
struct Weights {
  gradus::StateDict tensors;
  gradus::StateDict state_dict() const { return tensors; }
  void load_state_dict(const gradus::StateDict& state) { tensors = state; }
};

/// A checkpoint with the tensors as its part "weights", and with the metadata and a number as its values.
void save_checkpoint(const std::string& path, const NamedTensors& file) {
  Weights weights{file.tensors};
  gradus::io::StateValues values{{"step", 3}};
  for (const auto& [name, text] : file.metadata) values.insert(name, text);
  gradus::io::save_checkpoint(path, {{"weights", weights}}, values);
}

}  // namespace

int main(int count, char** values) {
  if (count != 3) return 2;
  try {
    const NamedTensors file = load(values[1]);
    const std::string to = values[2];
    const std::string_view kind = std::string_view(to).substr(to.find_last_of('.') + 1);
    if (kind == "npy") gradus::io::save_npy(to, file.tensors.at(0).second);
    else if (kind == "checkpoint") save_checkpoint(to, file);
    else gradus::io::save_safetensors(to, file.tensors, file.metadata);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
