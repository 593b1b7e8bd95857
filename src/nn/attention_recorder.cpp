#include "nn/attention_recorder.h"

#include <algorithm>

#include "core/check.h"
#include "gradus/nn/attention_recorder.h"
#include "nn/module_state.h"

namespace gradus::nn {

namespace {

/// Read at every call of attention; see `innermost` in forward_scope.cpp.
__attribute__((tls_model("initial-exec"))) thread_local constinit AttentionRecorder* innermost_recorder = nullptr;

}  // namespace

AttentionRecorder::AttentionRecorder(const Module& model) : modules_(model.named_modules()), outer_(innermost_recorder) {
  innermost_recorder = this;
}

AttentionRecorder::~AttentionRecorder() {
  AttentionRecorder** place = &innermost_recorder;
  while (*place && *place != this) place = &(*place)->outer_;
  if (*place) *place = outer_;
}

std::vector<Tensor> AttentionRecorder::of(std::string_view name) const {
  check<ValueError>(std::any_of(modules_.begin(), modules_.end(), [&](const auto& entry) { return entry.first == name; }),
                    "AttentionRecorder: the model has no module \"{}\"; named_modules() lists them", name);
  std::vector<Tensor> weights;
  for (const Record& record : records_)
    if (record.name == name) weights.push_back(record.weights);
  return weights;
}

bool attention_is_recorded() noexcept { return innermost_recorder != nullptr; }

void record_attention(const Module& layer, const Tensor& weights) {
  for (AttentionRecorder* recorder = innermost_recorder; recorder; recorder = recorder->outer_)
    for (const auto& [name, module] : recorder->modules_)
      if (detail::ModuleState::of(module) == detail::ModuleState::of(layer)) {
        recorder->records_.push_back({name, weights.detach()});
        break;
      }
}

}  // namespace gradus::nn
