#pragma once

#include <map>
#include <string>
#include <vector>

#include "parity/arguments.h"
#include "parity/compare.h"

/// A folder of cases that PyTorch made: manifest.json and data/*.safetensors.
namespace gradus::parity {

class Folder {
 public:
  /// Throws IoError when the folder has no readable manifest.
  explicit Folder(const std::string& path);
  const json& manifest() const { return manifest_; }
  const json& cases() const { return manifest_.at("cases"); }

  /// A tensor of a data file, as it is stored.
  Tensor stored(const std::string& file, const std::string& name);
  /// The input tensors of a case, each with the strides, offset and requires_grad that PyTorch's had.
  std::vector<Tensor> inputs(const json& test);
  Expected expected_output(const json& test, size_t i);
  /// Undefined where PyTorch has none.
  Expected expected_gradient(const json& test, size_t i);

 private:
  Expected with_truth(const json& test, const char* which, const char* error, size_t i, const std::string& name);

  std::string path_;
  json manifest_;
  std::string open_file_;
  std::map<std::string, Tensor> tensors_;  // of the file that was opened last
};

/// What became of a case.
struct Verdict {
  enum Kind { Passed, Failed, Skipped } kind = Passed;
  std::string reason = {};
};

/// Makes the call of an op case and compares.
Verdict run_op_case(Folder& folder, const json& test);

/// Why PyTorch's result is not followed here: one of the documented differences. Empty when it is.
std::string documented_difference(const json& test);

/// Gradients of `outputs`, weighted by the case's cotangents, for `inputs` that require one; undefined where there is none.
std::vector<Tensor> gradients(Folder& folder, const json& test, const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs);

}  // namespace gradus::parity
