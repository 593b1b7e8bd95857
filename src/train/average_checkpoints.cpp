#include "gradus/train/average_checkpoints.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/check.h"
#include "core/quoted.h"
#include "gradus/autograd.h"
#include "io/checkpoint_file.h"

namespace gradus::train {
namespace {

constexpr const char* kAverageCheckpoints = "average_checkpoints";

/// The weights of a part.
StateDict read_weights(const std::string& path, const std::string& part) {
  io::CheckpointContent content = io::read_checkpoint(kAverageCheckpoints, path);
  const auto found = content.parts.find(part);
  if (found == content.parts.end()) {
    std::string names;
    for (const auto& [name, state] : content.parts) names += (names.empty() ? "" : ", ") + printable(name, 100);
    fail<ValueError>("{}: {}: has no part \"{}\"; it has: {}", kAverageCheckpoints, path, part, names);
  }
  StateDict weights;
  for (const auto& [name, value] : found->second) {
    check<ValueError>(value.is<Tensor>(), "{}: {}: {} of part \"{}\" is no tensor, and has no mean; name the part of a model",
                      kAverageCheckpoints, path, gradus::quoted(name), part);
    weights.emplace_back(name, value.get<Tensor>());
  }
  return weights;
}

/// A running sum of weights, and the file that said how they look.
class Sum {
 public:
  Sum(StateDict first, std::string path) : path_(std::move(path)) {
    for (auto& [name, weight] : first) {
      dtypes_.push_back(weight.dtype());
      sums_.emplace_back(std::move(name), is_floating_point(weight.dtype()) ? weight.to(DType::Float64) : weight);
    }
  }

  void add(const StateDict& weights, const std::string& path) {
    for (const auto& [name, weight] : weights)
      check<ValueError>(find(sums_, name), "{}: {}: has {}, which {} has not", kAverageCheckpoints, path, gradus::quoted(name), path_);
    for (size_t i = 0; i < sums_.size(); ++i) {
      auto& [name, sum] = sums_[i];
      const Tensor* const weight = find(weights, name);
      check<ValueError>(weight, "{}: {}: lacks {}, which {} has", kAverageCheckpoints, path, gradus::quoted(name), path_);
      check<ValueError>(weight->shape() == sum.shape(), "{}: {}: {} has shape {}, but {} in {}", kAverageCheckpoints, path,
                        gradus::quoted(name), weight->shape(), sum.shape(), path_);
      check<ValueError>(weight->dtype() == dtypes_[i], "{}: {}: {} is {}, but {} in {}", kAverageCheckpoints, path, gradus::quoted(name),
                        gradus::name(weight->dtype()), gradus::name(dtypes_[i]), path_);
      sum = is_floating_point(dtypes_[i]) ? sum + weight->to(DType::Float64) : *weight;
    }
  }

  StateDict mean(size_t count) const {
    StateDict result;
    for (size_t i = 0; i < sums_.size(); ++i) {
      const auto& [name, sum] = sums_[i];
      result.emplace_back(name, is_floating_point(dtypes_[i]) ? (sum / static_cast<double>(count)).to(dtypes_[i]) : sum);
    }
    return result;
  }

 private:
  static const Tensor* find(const StateDict& weights, const std::string& name) {
    const auto found = std::find_if(weights.begin(), weights.end(), [&](const auto& entry) { return entry.first == name; });
    return found == weights.end() ? nullptr : &found->second;
  }

  std::string path_;
  StateDict sums_ = {};
  std::vector<DType> dtypes_ = {};
};

}  // namespace

StateDict average_checkpoints(const std::vector<std::string>& paths, const std::string& part) {
  check<ValueError>(!paths.empty(), "{}: no files; give at least one", kAverageCheckpoints);
  const NoGradGuard no_grad;
  Sum sum(read_weights(paths[0], part), paths[0]);
  for (size_t i = 1; i < paths.size(); ++i) sum.add(read_weights(paths[i], part), paths[i]);
  return sum.mean(paths.size());
}

StateDict average_checkpoints(const io::CheckpointManager& checkpoints, int64_t last, const std::string& part) {
  check<ValueError>(last >= 1, "{}: the last {} checkpoints; at least 1 is needed", kAverageCheckpoints, last);
  std::vector<std::string> paths;
  for (const io::Checkpoint& checkpoint : checkpoints.newest(last)) paths.push_back(checkpoint.path);
  check<ValueError>(std::ssize(paths) == last, "{}: the last {} checkpoints are asked for, and there are {} whole ones; keep more",
                    kAverageCheckpoints, last, paths.size());
  std::reverse(paths.begin(), paths.end());
  return average_checkpoints(paths, part);
}

}  // namespace gradus::train
