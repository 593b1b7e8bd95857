#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "gradus/creation.h"
#include "gradus/tensor.h"
#include "gradus/values_indices.h"
#include "parity/arguments.h"

/// The one table of all operations, one row each: PyTorch's name and signature, and the call. It drives the replay of cases that PyTorch
/// made, gradcheck and gradgradcheck.
namespace gradus::parity {

/// What a call gives, whatever its C++ type.
struct Outputs : std::vector<Tensor> {
  Outputs(const Tensor& y) : std::vector<Tensor>{y} {}
  Outputs(std::vector<Tensor> ys) : std::vector<Tensor>(std::move(ys)) {}
  Outputs(const ValuesIndices& y) : std::vector<Tensor>{y.values, y.indices} {}
  Outputs(const std::pair<Tensor, Tensor>& y) : std::vector<Tensor>{y.first, y.second} {}
  explicit Outputs(bool y) : std::vector<Tensor>{full({}, y, {.dtype = DType::Bool})} {}
};

struct Row {
  const char* name;
  const char* signature;
  Outputs (*call)(const Arguments&);
  /// The function of gradus that it calls, where that has another name than PyTorch's.
  const char* function = nullptr;
  /// The second output tells where the first was found, and PyTorch promises no order among equal elements: any of their places will do.
  bool any_of_equals = false;
  /// Filled in by table().
  const char* family = nullptr;

  /// The name of the C++ function.
  std::string_view function_name() const;
};

/// The row of an operation, variants of PyTorch's test names ("div.floor_rounding") included; null when there is none.
const Row* find_row(std::string_view op);
const std::vector<Row>& table();

/// The families in the order that every list of them has; their names are those of headers, folders, rows, cases and sections.
struct Family {
  const char* name;
  std::vector<Row> (*rows)();
};
const std::vector<Family>& families();

std::vector<Row> creation_rows();
std::vector<Row> elementwise_rows();
std::vector<Row> activation_rows();
std::vector<Row> shape_rows();
std::vector<Row> indexing_rows();
std::vector<Row> reduction_rows();
std::vector<Row> product_rows();
std::vector<Row> convolution_rows();
std::vector<Row> normalization_rows();
std::vector<Row> attention_rows();
std::vector<Row> loss_rows();
std::vector<Row> recurrent_rows();

}  // namespace gradus::parity
