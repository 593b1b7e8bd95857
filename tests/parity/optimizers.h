#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gradus/optim/optimizer.h"
#include "gradus/tensor.h"
#include "parity/cases.h"

namespace gradus::parity {

/// An option that is a type in C++, so that a wrong one does not compile.
struct RefusedByCompiler : NoSuchCall {
  using NoSuchCall::NoSuchCall;
};

/// The optimizer that a case names, with its options; with "group1" the second parameter is a group with options of its own.
std::unique_ptr<optim::Optimizer> make_optimizer(const json& test, const std::vector<Tensor>& params);

/// Makes a scheduler by PyTorch's name over an optimizer with these learning rates, one group each, for what its constructor refuses.
void make_scheduler(const std::string& name, const json& options, const std::vector<double>& lrs, const std::string& optimizer = "SGD");

/// A case in which a small network is trained.
Verdict trained_net(Folder& folder, const json& test);

}  // namespace gradus::parity
