#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "distributed/channel.h"
#include "distributed/shard_tree.h"
#include "gradus/tensor.h"

namespace gradus::distributed {

/// The gradients that travel together: so many parameters of one dtype that a message is worth its while. Large gradients are sent from
/// where they lie, small ones are copied side by side.
class Bucket {
 public:
  virtual ~Bucket() = default;

  /// Takes a parameter in; its gradients' place in the bucket is given back.
  virtual size_t add(const Tensor& parameter) = 0;
  virtual int64_t bytes() const noexcept = 0;
  /// Before a step: nothing has come.
  virtual void clear() = 0;
  /// This rank's sums of one parameter's gradients, by block, which nobody else holds: they are written to. Undefined ones are 0. When all
  /// places are filled the exchange begins.
  virtual void fill(size_t place, std::vector<Tensor> sums) = 0;
  virtual bool is_filled(size_t place) const = 0;
  /// Goes as far as it can without waiting: to the other ranks' parts without the factor that sums are to be multiplied by, to the end with
  /// it. True when the sum over all shards is there.
  virtual bool advance(std::optional<double> factor) = 0;
  virtual std::vector<int> missing() = 0;
  /// The sum of one parameter's gradients, times the factor.
  virtual Tensor take(size_t place) = 0;
};

/// x times a factor, in its own memory where that is contiguous, as by scale_array.
Tensor scaled(const Tensor& x, double factor);

/// A bucket for float32 or float64, whose messages have the tags `tag` and `tag + 1`.
std::unique_ptr<Bucket> make_bucket(DType dtype, Channel& channel, const ShardTree& tree, int tag);

}  // namespace gradus::distributed
