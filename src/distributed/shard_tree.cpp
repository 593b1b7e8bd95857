#include "distributed/shard_tree.h"

namespace gradus::distributed {

std::vector<Block> blocks_of(int64_t first, int64_t end) {
  std::vector<Block> blocks;
  while (first < end) {
    int64_t count = 1;
    while (first % (2 * count) == 0 && first + 2 * count <= end) count *= 2;
    blocks.push_back({first, count});
    first += count;
  }
  return blocks;
}

ShardTree::ShardTree(int64_t shards, int ranks) : shards_(shards), blocks_(static_cast<size_t>(ranks)) {
  for (int rank = 0; rank < ranks; ++rank) blocks_[static_cast<size_t>(rank)] = blocks_of(first(rank), first(rank + 1));
}

}  // namespace gradus::distributed
