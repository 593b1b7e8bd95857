#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "gradus/gradus.h"

/// Brings tensors from one kind of file to another, for the test that compares with the readers and writers of others.
///
///     convert FROM.{npy,npz,pt,safetensors} TO.{npy,safetensors}
namespace {

using gradus::io::SafeTensors;

SafeTensors load(const std::string& path) {
  const std::string_view name = path;
  if (name.ends_with(".npz")) return gradus::io::load_npz(path);
  if (name.ends_with(".pt")) return gradus::io::load_pytorch(path);
  if (name.ends_with(".safetensors")) return gradus::io::load_safetensors(path);
  SafeTensors file;
  file.tensors.emplace_back("array", gradus::io::load_npy(path));
  return file;
}

}  // namespace

int main(int count, char** values) {
  if (count != 3) return 2;
  try {
    const SafeTensors file = load(values[1]);
    const std::string to = values[2];
    if (std::string_view(to).ends_with(".npy")) gradus::io::save_npy(to, file.tensors.at(0).second);
    else gradus::io::save_safetensors(to, file.tensors, file.metadata);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
