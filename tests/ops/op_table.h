#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gradus/gradus.h"

/// The one table of all operations: each row calls an operation as PyTorch's arguments say. The cases in tests/golden/ops.safetensors
/// give every row its inputs; the table drives gradcheck, gradgradcheck and the comparison with PyTorch's values.
namespace gradus::test {

using Arguments = nlohmann::json;  ///< keyword arguments, in PyTorch's names
using Inputs = std::vector<Tensor>;
using Outputs = std::vector<Tensor>;

struct Op {
  std::string name;
  std::function<Outputs(const Inputs&, const Arguments&)> call;
};

const std::vector<Op>& op_table();

/// Declared operations that the table leaves out, each with the reason.
const std::vector<std::pair<std::string, std::string>>& ops_without_a_row();

}  // namespace gradus::test
