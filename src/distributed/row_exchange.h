#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "distributed/channel.h"
#include "gradus/tensor.h"

namespace gradus::distributed {

/// Gives the row-sparse gradients of one parameter from every rank to every other one: the numbers of the rows, then what is in them.
class RowExchange {
 public:
  RowExchange(Channel& channel, const Tensor& parameter) : channel_(channel), parameter_(parameter), mail_(std::make_unique<Mail>()) {}

  /// The next gradient of `rank`, with `count` rows; this rank's own must be given. Every rank adds all of them in the same order.
  void add(int rank, int64_t count, const Tensor& own);
  /// Those that were added, in their order; undefined where there are no rows.
  std::vector<Tensor> finish();

 private:
  struct Rows {
    Tensor indices;
    Tensor values;
  };
  using Mail = std::vector<Rows>;
  void send(const Rows& rows, int peer);
  void receive(const Rows& rows, int peer);
  int bytes(const Tensor& x) const;

  Channel& channel_;
  const Tensor parameter_;
  std::unique_ptr<Mail> mail_;  // what messages are written to
  std::vector<MPI_Request> requests_;
  std::vector<int> peers_;
};

}  // namespace gradus::distributed
