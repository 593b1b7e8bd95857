#include "gradus/train/summary.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "autograd/tensor_impl.h"
#include "core/check.h"
#include "gradus/autograd.h"
#include "gradus/random.h"
#include "nn/module_state.h"
#include "nn/output_watch.h"
#include "train/columns.h"

namespace gradus::train {
namespace {

using Modules = std::vector<std::pair<std::string, nn::Module>>;
using nn::detail::ModuleState;
using Outputs = std::unordered_map<const ModuleState*, std::vector<Shape>>;

/// While it lives, modules are in evaluation mode; then in that of before, as is the random state.
class Evaluation {
 public:
  explicit Evaluation(const Modules& modules) {
    for (const auto& [path, module] : modules) {
      bool& training = ModuleState::of(module)->training;
      before_.emplace_back(&training, std::exchange(training, false));
    }
  }
  ~Evaluation() {
    for (const auto& [training, before] : before_) *training = before;
    set_rng_state(random_);
  }
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;

 private:
  std::vector<std::pair<bool*, bool>> before_ = {};
  Tensor random_ = get_rng_state();
};

std::vector<Shape> shapes_of(const std::vector<Tensor>& tensors) {
  std::vector<Shape> shapes;
  for (const Tensor& x : tensors)
    if (x.defined()) shapes.push_back(x.shape());
  return shapes;
}

Outputs outputs_of(const nn::Module& model, const Modules& modules, const std::function<std::vector<Tensor>()>& call) {
  Outputs outputs;
  const NoGradGuard no_grad;
  const Evaluation evaluation(modules);
  const nn::OutputWatch watch(
      [&](const ModuleState& module, const std::vector<Tensor>& tensors) { outputs.try_emplace(&module, shapes_of(tensors)); });
  std::vector<Shape> whole = shapes_of(call());
  outputs.try_emplace(ModuleState::of(model), std::move(whole));
  return outputs;
}

int64_t bytes_of(const Tensor& x) { return x.numel() * static_cast<int64_t>(element_size(x.dtype())); }

std::string padded(const std::string& text, int64_t columns, bool is_number) {
  const std::string space(static_cast<size_t>(columns - columns_of(text)), ' ');
  return is_number ? space + text : text + space;
}

std::string name_of(const SummaryRow& row) { return row.path.empty() ? row.type : fmt::format("{} ({})", row.path, row.type); }

std::string shapes_text(const std::vector<Shape>& shapes) {
  std::string text;
  for (const Shape& shape : shapes) text += (text.empty() ? "" : ", ") + shape.str();
  return text.empty() ? "-" : text;
}

std::string count_text(const SummaryRow& row) {
  if (row.parameters == 0) return "-";
  if (row.trainable == row.parameters) return fmt::format("{}", row.parameters);
  return row.trainable == 0 ? fmt::format("({})", row.parameters) : fmt::format("{} + ({})", row.trainable, row.parameters - row.trainable);
}

}  // namespace

namespace detail {

Summary summarize(const nn::Module& model, const std::function<std::vector<Tensor>()>& call) {
  const Modules modules = model.named_modules();
  Outputs outputs = outputs_of(model, modules, call);
  Summary summary;
  std::unordered_set<const void*> counted;
  for (const auto& [path, module] : modules) {
    SummaryRow row{.path = path, .type = module.type_name(), .outputs = std::move(outputs[ModuleState::of(module)])};
    for (const Tensor& parameter : module.parameters(false)) {
      if (!parameter.defined() || !counted.insert(parameter.impl()).second) continue;
      row.parameters += parameter.numel();
      row.trainable += parameter.requires_grad() ? parameter.numel() : 0;
      summary.parameter_bytes += bytes_of(parameter);
    }
    summary.parameters += row.parameters;
    summary.trainable += row.trainable;
    summary.rows.push_back(std::move(row));
  }
  for (const Tensor& buffer : model.buffers())
    if (buffer.defined()) summary.buffer_bytes += bytes_of(buffer);
  return summary;
}

}  // namespace detail

std::string Summary::str() const {
  using Line = std::vector<std::string>;
  std::vector<Line> lines{{"Layer", "Output shape", "Parameters"}};
  for (const SummaryRow& row : rows) lines.push_back({name_of(row), shapes_text(row.outputs), count_text(row)});
  std::vector<int64_t> widths(lines[0].size());
  for (const Line& line : lines)
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], columns_of(line[i]));
  constexpr int64_t gap = 3;
  const std::string rule(static_cast<size_t>(widths[0] + widths[1] + widths[2] + 2 * gap), '-');
  std::string text;
  for (const Line& line : lines) {
    text += padded(line[0], widths[0] + gap, false) + padded(line[1], widths[1] + gap, false) + padded(line[2], widths[2], true) + "\n";
    if (&line == &lines[0]) text += rule + "\n";
  }
  return text + rule +
         fmt::format("\n{} parameters, {} of them trainable; {} bytes, and {} of buffers\n", parameters, trainable, parameter_bytes,
                     buffer_bytes);
}

}  // namespace gradus::train
