#include "nn/nn_test.h"

#include <map>

#include "gradus/ops/reduction.h"

namespace nn_test {

std::vector<std::string> names(const nn::StateDict& entries) {
  std::vector<std::string> found;
  for (const auto& [name, tensor] : entries) found.push_back(name);
  return found;
}

const gradus::io::NamedTensors& golden(const char* file) {
  static std::map<std::string, gradus::io::NamedTensors> files;
  const auto found = files.find(file);
  if (found != files.end()) return found->second;
  return files.emplace(file, gradus::io::load_safetensors(GRADUS_SOURCE_ROOT "/tests/golden/" + std::string(file) + ".safetensors"))
      .first->second;
}

void check_close(const Tensor& ours, const Tensor& theirs, double tolerance) {
  REQUIRE(ours.defined());
  REQUIRE(ours.shape().str() == theirs.shape().str());
  REQUIRE(ours.dtype() == theirs.dtype());
  CHECK(gradus::allclose(ours.detach(), theirs, tolerance, tolerance));
}

void check_same(const Tensor& ours, const Tensor& theirs) { check_close(ours, theirs, 0); }

}  // namespace nn_test
