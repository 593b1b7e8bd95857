#include "distributed/shard_tree.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using gradus::distributed::Block;
using gradus::distributed::blocks_of;
using gradus::distributed::ShardTree;
using gradus::distributed::TreeSum;

namespace {

const auto add = [](std::string& a, const std::string& b) { a = "(" + a + b + ")"; };

/// How the shards are added up where `ranks` have them.
std::string sum(int64_t shards, int ranks) {
  const ShardTree tree(shards, ranks);
  TreeSum<std::string> whole;
  for (int rank = 0; rank < ranks; ++rank) {
    TreeSum<std::string> own;
    for (int64_t shard = tree.first(rank); shard < tree.first(rank + 1); ++shard) own.push({shard, 1}, std::to_string(shard), add);
    REQUIRE(own.parts().size() == tree.blocks(rank).size());
    for (size_t i = 0; i < own.parts().size(); ++i) {
      CHECK(own.parts()[i].first.first == tree.blocks(rank)[i].first);
      CHECK(own.parts()[i].first.count == tree.blocks(rank)[i].count);
      whole.push(own.parts()[i].first, own.parts()[i].second, add);
    }
  }
  return whole.finish(add);
}

}  // namespace

TEST_CASE("shards are added up as a binary tree") {
  CHECK(sum(1, 1) == "0");
  CHECK(sum(4, 1) == "((01)(23))");
  CHECK(sum(7, 1) == "(((01)(23))((45)6))");
}

TEST_CASE("the order of the sum does not depend on the number of ranks") {
  for (int64_t shards = 1; shards <= 16; ++shards)
    for (int ranks = 1; ranks <= shards; ++ranks) CHECK(sum(shards, ranks) == sum(shards, 1));
}

TEST_CASE("a run of shards is as few nodes of the tree as can be") {
  const auto blocks = blocks_of(3, 12);
  REQUIRE(blocks.size() == 3);
  CHECK((blocks[0].first == 3 && blocks[0].count == 1));
  CHECK((blocks[1].first == 4 && blocks[1].count == 4));
  CHECK((blocks[2].first == 8 && blocks[2].count == 4));
  CHECK(blocks_of(2, 2).empty());
}
