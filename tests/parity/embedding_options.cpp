#include "parity/embedding_options.h"

namespace gradus::parity {
namespace {

using A = Arguments;

std::optional<double> max_norm(const A& a) { return a.has("max_norm") ? std::optional(a.real("max_norm", 0)) : std::nullopt; }

BagMode bag_mode(const std::string& name) {
  if (name == "sum") return BagMode::Sum;
  if (name == "mean") return BagMode::Mean;
  if (name == "max") return BagMode::Max;
  throw NoSuchCall("mode " + name);
}

}  // namespace

EmbeddingOptions embedding_options(const Arguments& a) {
  return {.padding_idx = a.optional_integer("padding_idx"),
          .max_norm = max_norm(a),
          .norm_type = a.real("norm_type", 2),
          .scale_grad_by_freq = a.flag("scale_grad_by_freq", false),
          .sparse = a.flag("sparse", false)};
}

EmbeddingBagOptions bag_options(const Arguments& a) {
  return {.max_norm = max_norm(a),
          .norm_type = a.real("norm_type", 2),
          .scale_grad_by_freq = a.flag("scale_grad_by_freq", false),
          .mode = bag_mode(a.text("mode", "mean")),
          .sparse = a.flag("sparse", false),
          .include_last_offset = a.flag("include_last_offset", false),
          .padding_idx = a.optional_integer("padding_idx")};
}

}  // namespace gradus::parity
