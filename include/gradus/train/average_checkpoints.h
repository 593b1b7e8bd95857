#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gradus/io/checkpoint.h"
#include "gradus/state_dict.h"

namespace gradus::train {

/// The mean of the weights that several checkpoints of one training have in a part, which often does better than the last ones (Vaswani et
/// al. 2017 average the last 5 or 20; fairseq's average_checkpoints):
///
///     model.load_state_dict(train::average_checkpoints(paths));
///
/// Floating-point tensors are added up in float64 and rounded once, to their dtype; of others, as counts of batches, the last file's are
/// taken. Names are those of the first file, in its order. Throws ValueError without files; IoError, naming the file, when one cannot be
/// read, is no checkpoint or was damaged; ValueError that names file and parameter when a file lacks the part, or a tensor of the first
/// file, has one more, or has one in another shape or dtype.
GRADUS_API StateDict average_checkpoints(const std::vector<std::string>& paths, const std::string& part = "model");
/// The same of the `last` newest whole checkpoints in a folder, from old to new. Throws ValueError when `last` is below 1 or there are
/// fewer: CheckpointManagerOptions::keep says how many are kept.
GRADUS_API StateDict average_checkpoints(const io::CheckpointManager& checkpoints, int64_t last, const std::string& part = "model");

}  // namespace gradus::train
