#include "parity/table.h"

#include <array>
#include <string>

namespace gradus::parity {

const std::vector<Row>& table() {
  static const std::vector<Row> rows = [] {
    std::vector<Row> all;
    for (const auto& part : {pointwise_rows(), reduction_rows(), rearranging_rows(), indexing_rows(), function_rows(),
                             layer_function_rows(), activation_rows(), criterion_rows()})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return rows;
}

const Row* find_row(std::string_view op) {
  constexpr std::array<std::string_view, 14> variants{".no_rounding_mode",
                                                      ".floor_rounding",
                                                      ".trunc_rounding",
                                                      ".with_dtype",
                                                      ".dtype",
                                                      ".binary",
                                                      ".reduction_no_dim",
                                                      ".reduction_with_dim",
                                                      ".list_args",
                                                      ".fro",
                                                      ".inf",
                                                      ".decomposed",
                                                      ".constant",
                                                      ".nuc"};
  for (std::string_view variant : variants)
    if (op.ends_with(variant)) op.remove_suffix(variant.size());
  for (const Row& row : table())
    if (row.name == op) return &row;
  return nullptr;
}

std::string_view Row::function_name() const {
  if (function) return function;
  std::string_view plain = name;
  constexpr std::string_view module = "nn.functional.";
  if (plain.starts_with(module)) plain.remove_prefix(module.size());
  return plain;
}

}  // namespace gradus::parity
