#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gradus/export.h"
#include "gradus/nn/module.h"
#include "gradus/shape.h"

namespace gradus::train {

/// One module of a Summary.
struct SummaryRow {
  std::string path = {};            ///< as its parents name it, "encoder.rnn"; empty: the model itself
  std::string type = {};            ///< "GRU"
  std::vector<Shape> outputs = {};  ///< of what it gave at its first call; empty where that was not seen
  int64_t parameters = 0;           ///< elements of its own parameters; those that a row before has are counted there
  int64_t trainable = 0;            ///< how many of them require a gradient
};

/// What a model is made of.
struct GRADUS_API Summary {
  std::vector<SummaryRow> rows = {};  ///< the model and all modules inside, in the order of registration
  int64_t parameters = 0;             ///< elements of all parameters, those that are shared counted once
  int64_t trainable = 0;              ///< how many of them require a gradient
  int64_t parameter_bytes = 0;        ///< their memory
  int64_t buffer_bytes = 0;           ///< that of the tensors that are not learned

  /// The table, one row a module.
  std::string str() const;
};

namespace detail {

/// Runs `call`, which gives the tensors that the model gives, and tells what the modules of the model gave.
GRADUS_API Summary summarize(const nn::Module& model, const std::function<std::vector<Tensor>()>& call);

}  // namespace detail

/// Calls the model with example inputs and tells its modules, what they gave and their parameters, as torchinfo does:
///
///     std::puts(train::summary(model, source, target).str().c_str());
///
///     Layer                   Output shape   Parameters
///     -------------------------------------------------
///     Encoder                 [7, 4, 8]               -
///     embedding (Embedding)   [7, 4, 6]              60
///     rnn (GRU)               [7, 4, 8]             384
///     -------------------------------------------------
///     444 parameters, 444 of them trainable; 1776 bytes, and 0 of buffers
///
/// The output is seen of the library's layers, of what nn::call calls, and of modules that return `here.gives(…)`
/// (nn::ForwardScope); of a struct of tensors its `output` or `h`. The call records no graph, in evaluation mode; each module's mode and
/// the random state are then as before, also when it throws. Throws what the model throws.
template <std::derived_from<nn::Module> M, class... Inputs>
requires std::invocable<const M&, const Inputs&...> Summary summary(const M& model, const Inputs&... inputs) {
  return detail::summarize(model, [&] { return nn::detail::tensors_of(model(inputs...)); });
}

}  // namespace gradus::train
