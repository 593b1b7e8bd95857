// The program of docs/guides/files.md.

// [start:includes]
#include <gradus/gradus.h>

#include <filesystem>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace io = gradus::io;
namespace nn = gradus::nn;
using gradus::Tensor;
// [end:includes]

#include "region.h"

// [start:pytorch]
/// Weights of a model, and how many epochs they were trained.
int load_trained(nn::Module& model, const std::string& path) {
  const io::NamedTensors file = io::load_pytorch(path);
  std::vector<std::pair<std::string, Tensor>> weights;
  const std::string part = "model.";
  for (const auto& [name, x] : file.tensors)
    if (name.starts_with(part)) weights.emplace_back(name.substr(part.size()), x);
  model.load_state_dict(weights);
  return std::stoi(file.metadata.at("epoch"));
}
// [end:pytorch]

int main() {
  gradus::manual_seed(0);
  // [start:save]
  const std::string folder = std::filesystem::temp_directory_path() / "gradus_files";
  std::filesystem::create_directories(folder);
  nn::Sequential model(nn::Linear(2, 3), nn::ReLU(), nn::Linear(3, 1));
  io::save_safetensors(folder + "/model.safetensors", model.state_dict(), {{"epoch", "3"}});
  // [end:save]

  region("load");
  // [start:load]
  const io::NamedTensors file = io::load_safetensors(folder + "/model.safetensors");
  for (const auto& [name, x] : file.tensors) std::cout << name << ' ' << x.shape() << '\n';
  std::cout << "trained for " << file.metadata.at("epoch") << " epochs\n";
  model.load_state_dict(file.tensors);
  // [end:load]

  region("npy");
  // [start:npy]
  io::save_npy(folder + "/weight.npy", file.at("0.weight"));
  const Tensor weight = io::load_npy(folder + "/weight.npy");
  std::cout << weight.shape() << ' ' << weight.dtype() << '\n';
  // [end:npy]

  region("error");
  // [start:error]
  try {
    load_trained(model, folder + "/weight.npy");
  } catch (const gradus::IoError& error) {
    const std::string text = error.what();
    std::cout << text.substr(text.find("weight.npy")) << '\n';
  }
  // [end:error]
  std::filesystem::remove_all(folder);
}
