#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "gradus/io/checkpoint.h"
#include "gradus/nn/module.h"
#include "gradus/tensor.h"

/// A training as several processes: `mpirun -n 4 translate …`.
namespace recipe {

/// The processes that mpirun started, of which this is one; without mpirun, this one alone. What the others than the first print goes
/// nowhere, but for the error that ends them. main_of makes one.
class Ranks {
 public:
  /// Throws ValueError when mpirun started several, and the program was built without MPI.
  Ranks();
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;
  /// The program's.
  static Ranks& all() noexcept;

  int size() const noexcept;
  /// Whether this is the one that writes files.
  bool is_first() const noexcept;
  /// Of x, which has one shape on all ranks, the sum over them.
  gradus::Tensor sum(const gradus::Tensor& x) const;
  /// The largest value of all ranks'.
  int64_t largest(int64_t value) const;
  /// Returns when every rank has called it.
  void meet() const;

 private:
  friend class Backward;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The backward pass of a training step, of one process or of all ranks together.
class Backward {
 public:
  /// Of a batch's rows begin … end - 1 the mean loss, and of how much it is a mean.
  using Part = std::function<std::pair<gradus::Tensor, double>(int64_t begin, int64_t end)>;

  /// `shards`: a batch is cut into so many parts, and runs with the same number have the same bits on any number of ranks. 0: on one rank
  /// the batch stays whole, on more there are 4 parts, or as many as ranks. Throws ValueError when there are more ranks than shards, or
  /// shards in a program that was built without MPI.
  Backward(const gradus::nn::Module& model, int64_t shards);
  ~Backward();
  /// Leaves the gradient of the mean loss over all rows in every parameter, and returns that mean.
  double operator()(int64_t rows, const Part& loss) const;
  /// The parts of a checkpoint, and with shards, their state.
  gradus::io::CheckpointParts with_state(gradus::io::CheckpointParts parts) const;

 private:
  struct Sharded;
  std::unique_ptr<Sharded> sharded_;  // none: one process, and the batch whole
};

}  // namespace recipe
