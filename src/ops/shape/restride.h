#pragma once

#include "core/layout.h"
#include "gradus/tensor.h"

namespace gradus {

/// Puts x, which has `from`'s shape, where `from` says into a storage of zeros, elements that share a place added up, and gives what `to`
/// shows of that storage. Backward is the same with `from` and `to` exchanged.
Tensor restride(const Tensor& x, const Layout& from, const Layout& to);

}  // namespace gradus
