#pragma once

#include <map>
#include <string>
#include <vector>

#include "gradus/tensor.h"
#include "parity/arguments.h"
#include "parity/compare.h"
#include "parity/table.h"

/// A folder of cases that PyTorch made: manifest.json and data/*.safetensors. A manifest may leave out what goes without saying: `input` of
/// a call that has all its arguments in `args`; empty `args`, `kwargs` and `tensors`; a tensor's `dtype` and `shape` (as stored), `strides`
/// and `offset` (contiguous) and `requires_grad` (whether `grads` has a gradient for it).
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

/// Two tensors that are not alike.
struct Mismatch {
  Tensor ours;
  Tensor theirs;
};

/// What became of a case.
struct Verdict {
  enum Kind { Passed, Failed, Skipped } kind = Passed;
  std::string reason = {};                ///< of the first mismatch, or what was thrown
  std::vector<Mismatch> mismatches = {};  ///< every one
};

/// Fails the verdict, with the first such reason, where `text` says how `ours` differs.
void add(Verdict& verdict, const std::string& what, const std::string& text, const Tensor& ours, const Tensor& theirs);

/// The call of an op case, with its arguments bound to `tensors`.
Outputs call(const Row& row, const json& test, const std::vector<Tensor>& tensors);

/// Makes the call of an op case and compares.
Verdict run_op_case(Folder& folder, const json& test);

/// Why a case (of any kind) may fail with this verdict: one of the documented differences from PyTorch. Empty when it may not.
std::string documented_difference(const json& test, const Verdict& failed);

/// Gradients of `outputs`, weighted by the case's cotangents, for `inputs` that require one; undefined where there is none.
std::vector<Tensor> gradients(Folder& folder, const json& test, const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs);

}  // namespace gradus::parity
