#include "parity/table.h"

#include <array>
#include <string>

namespace gradus::parity {

const std::vector<Family>& families() {
  static const std::vector<Family> all{{"creation", creation_rows},
                                       {"elementwise", elementwise_rows},
                                       {"activation", activation_rows},
                                       {"shape", shape_rows},
                                       {"indexing", indexing_rows},
                                       {"reduction", reduction_rows},
                                       {"product", product_rows},
                                       {"convolution", convolution_rows},
                                       {"normalization", normalization_rows},
                                       {"attention", attention_rows},
                                       {"loss", loss_rows},
                                       {"recurrent", recurrent_rows}};
  return all;
}

const std::vector<Row>& table() {
  static const std::vector<Row> rows = [] {
    std::vector<Row> all;
    for (const Family& family : families())
      for (Row row : family.rows()) {
        row.family = family.name;
        all.push_back(row);
      }
    return all;
  }();
  return rows;
}

const Row* find_row(std::string_view op) {
  constexpr std::array<std::string_view, 17> variants{".no_rounding_mode",
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
                                                      ".reflect",
                                                      ".replicate",
                                                      ".circular",
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
