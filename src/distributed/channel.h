#pragma once

#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/function_ref.h"
#include "gradus/distributed/session.h"
#include "gradus/shape.h"

namespace gradus::distributed {

/// What ranks do together.
enum class Call : int32_t { AllReduce, Broadcast, AllGather, Barrier, DataParallel, Backward, End };
/// As an error names it.
const char* name(Call call) noexcept;

/// What a rank says of a call before it takes part in it: bytes on the wire, of which each must be equal on all ranks.
struct Header {
  Call call;
  int32_t detail = 0;  // the ReduceOp, the root
  int32_t dtype = -1;  // none: no tensor
  int32_t dims = 0;
  std::array<int64_t, Shape::max_rank> sizes{};
  uint64_t number = 0;  // of the call; set by Channel
};

/// The messages between this rank and the others. A call begins with `agree`; then data goes between pairs of ranks, so that a rank that
/// doesn't come is known by its number.
class Channel {
 public:
  explicit Channel(std::chrono::duration<double> timeout);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }
  MPI_Comm data() const noexcept { return data_; }

  /// Returns when every rank is here with an equal header; otherwise all throw what Session says. Rank 0 compares.
  void agree(Header header);

  /// Calls `done` until it is true. When the time is up, or a rank has left, it throws RankError; `missing` lists who is waited for.
  void wait(Call call, FunctionRef<bool()> done, FunctionRef<std::vector<int>()> missing);
  /// The same for messages, the i-th of which comes from, or goes to, peers[i].
  void wait(Call call, std::vector<MPI_Request>& requests, const std::vector<int>& peers);

  /// Tells the other ranks that this one leaves, or has found another one missing. From then on every call throws.
  void leave(const std::string& text, int missing) noexcept;
  bool is_broken() const noexcept { return broken_.has_value(); }
  /// Gives the others, who have been told, a moment to find that out before mpirun ends them; and where the error is another rank's, that
  /// one a moment to say what it was.
  void linger() noexcept;
  /// Waits for all ranks, however long, and ends MPI.
  void finish();

 private:
  struct Note {
    int32_t missing = 0;
    std::array<char, 500> text{};
  };
  struct Verdict {
    enum class Kind : int32_t { Agreed, OtherCall, OtherDType, OtherShape, OtherValue } kind = Kind::Agreed;
    std::array<char, 500> text{};
  };

  void share_processors() const;
  void check_open(Call call) const;
  [[noreturn]] void give_up(Call call, const std::vector<int>& missing);
  void receive_notes();
  void tell_all() noexcept;
  Verdict compare(const std::vector<Header>& headers) const;

  int rank_ = 0;
  int size_ = 1;
  bool is_patient_ = false;  // at the end: no limit
  bool owns_mpi_ = false;
  std::chrono::duration<double> timeout_;
  uint64_t calls_ = 0;
  MPI_Comm control_ = MPI_COMM_NULL;
  MPI_Comm data_ = MPI_COMM_NULL;
  Note note_;
  MPI_Request note_request_ = MPI_REQUEST_NULL;
  int notes_ = 0;
  struct Broken {
    int missing;
    std::string text;
  };
  std::optional<Broken> broken_;
  bool has_told_ = false;
};

/// The peers of requests that are still open, each once.
std::vector<int> unfinished(std::vector<MPI_Request>& requests, const std::vector<int>& peers);

/// Throws StateError, with MPI's text, unless `code` is success.
void check_mpi(const char* call, int code);

}  // namespace gradus::distributed
