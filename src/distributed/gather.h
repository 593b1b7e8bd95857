#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "distributed/channel.h"

namespace gradus::distributed {

/// The numbers of every rank, by rank, on all of them; rank r gives size_of(r).
std::vector<std::vector<double>> gather_numbers(Channel& channel, Call call, const std::vector<double>& own,
                                                const std::function<size_t(int)>& size_of);

}  // namespace gradus::distributed
