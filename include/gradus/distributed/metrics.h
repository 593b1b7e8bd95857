#pragma once

#include "gradus/distributed/session.h"
#include "gradus/text/edit_distance.h"
#include "gradus/train/metrics.h"

namespace gradus::distributed {

/// Where each rank has evaluated a part: afterwards the figure on every rank is that of all parts.
///
///     train::Accuracy accuracy;
///     for (int64_t i = session.rank(); i < batches; i += session.size()) accuracy.update(model(inputs[i]), targets[i]);
///     distributed::all_reduce(session, accuracy);
///
/// What is counted is added up, the sums of a Mean in the order of Session::all_reduce. All ranks must call it, at the same place; throws
/// what Session::all_reduce throws, and then nothing was changed.
GRADUS_API void all_reduce(const Session& session, train::Mean& mean);
GRADUS_API void all_reduce(const Session& session, train::Accuracy& accuracy);
GRADUS_API void all_reduce(const Session& session, text::ErrorRate& errors);

}  // namespace gradus::distributed
