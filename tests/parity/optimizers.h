#pragma once

#include <memory>
#include <vector>

#include "parity/cases.h"

namespace gradus::parity {

/// The optimizer that a case names, with its options; with "group1" the second parameter is a group with options of its own.
std::unique_ptr<optim::Optimizer> make_optimizer(const json& test, const std::vector<Tensor>& params);

/// A case in which a small network is trained.
Verdict trained_net(Folder& folder, const json& test);

}  // namespace gradus::parity
