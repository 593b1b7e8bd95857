#pragma once

#include "gradus/ops/indexing.h"
#include "parity/arguments.h"

namespace gradus::parity {

/// The options of embedding and embedding_bag, as functions and as modules.
EmbeddingOptions embedding_options(const Arguments& a);
EmbeddingBagOptions bag_options(const Arguments& a);

}  // namespace gradus::parity
