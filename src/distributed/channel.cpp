#include "distributed/channel.h"

#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include "distributed/message.h"
#include "gradus/dtype.h"
#include "gradus/parallel.h"
#include "gradus/shape.h"

namespace gradus::distributed {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kHeaderTag = 1, kVerdictTag = 2, kNoteTag = 3;

/// Fills a text of fixed size, cut where it is too long, with a 0 at its end.
template <size_t n>
void put(std::array<char, n>& to, const std::string& text) noexcept {
  const size_t length = std::min(text.size(), n - 1);
  std::memcpy(to.data(), text.data(), length);
  to[length] = 0;
}

/// "rank 2", "ranks 1, 2 and 5".
std::string names_of(const std::vector<int>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (i > 0) text += i + 1 == ranks.size() ? " and " : ", ";
    text += std::to_string(ranks[i]);
  }
  return text;
}

/// "all_reduce of float32 [2, 3]", or with another argument's number behind it.
std::string describe(const Header& header) {
  std::string text = name(header.call);
  if (header.call == Call::AllReduce) text += std::array{" (sum)", " (max)", " (min)"}.at(static_cast<size_t>(header.detail));
  else if (header.call == Call::Broadcast) text += fmt::format(" from {}", header.detail);
  else if (header.call == Call::DataParallel)
    text += fmt::format(" of {} parameters with {} elements (names and shapes: {:016x}), {} shards", header.sizes[0], header.sizes[1],
                        static_cast<uint64_t>(header.sizes[3]), header.sizes[2]);
  else if (header.call == Call::Backward) text += fmt::format(" of step {} with {} examples", header.sizes[0], header.sizes[1]);
  if (header.dtype < 0) return text;
  Shape shape;
  for (int i = 0; i < header.dims; ++i) shape.push_back(header.sizes[static_cast<size_t>(i)]);
  return text + fmt::format(" of {} {}", gradus::name(static_cast<DType>(header.dtype)), shape.str());
}

}  // namespace

RankError::~RankError() = default;

const char* name(Call call) noexcept {
  switch (call) {
    case Call::AllReduce: return "all_reduce";
    case Call::Broadcast: return "broadcast";
    case Call::AllGather: return "all_gather";
    case Call::Barrier: return "barrier";
    case Call::DataParallel: return "DataParallel";
    case Call::Backward: return "DataParallel::backward";
    case Call::End: return "the end of the Session";
  }
  return "?";
}

void check_mpi(const char* call, int code) {
  if (code == MPI_SUCCESS) [[likely]]
    return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  fail<StateError>("{}: MPI says: {}", call, std::string(text.data(), static_cast<size_t>(length)));
}

std::vector<int> unfinished(std::vector<MPI_Request>& requests, const std::vector<int>& peers) {
  std::vector<int> ranks;
  for (size_t i = 0; i < requests.size(); ++i) {
    // MPI_Testall leaves all as they are until the last one is through.
    int is_done = 0;
    if (requests[i] != MPI_REQUEST_NULL) MPI_Test(&requests[i], &is_done, MPI_STATUS_IGNORE);
    if (requests[i] != MPI_REQUEST_NULL && std::find(ranks.begin(), ranks.end(), peers[i]) == ranks.end()) ranks.push_back(peers[i]);
  }
  return ranks;
}

Channel::Channel(std::chrono::duration<double> timeout) : timeout_(timeout) {
  int is_begun = 0, is_over = 0;
  MPI_Initialized(&is_begun);
  MPI_Finalized(&is_over);
  check<StateError>(is_over == 0,
                    "Session: MPI has ended in this process and cannot be started again; make one Session, which lives as long "
                    "as main");
  if (is_begun == 0) {
    int level = 0;
    check_mpi("Session", MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level));
    owns_mpi_ = true;
  }
  check_mpi("Session", MPI_Comm_dup(MPI_COMM_WORLD, &control_));
  check_mpi("Session", MPI_Comm_dup(MPI_COMM_WORLD, &data_));
  MPI_Comm_set_errhandler(control_, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(data_, MPI_ERRORS_RETURN);
  MPI_Comm_rank(control_, &rank_);
  MPI_Comm_size(control_, &size_);
  receive_notes();
  share_processors();
}

Channel::~Channel() = default;

void Channel::share_processors() const {
  if (size_ == 1 || std::getenv("GRADUS_NUM_THREADS") != nullptr) return;
  // mpirun may have given each rank processors of its own; those that have the same ones share them.
  cpu_set_t own;
  if (sched_getaffinity(0, sizeof own, &own) != 0) return;
  MPI_Comm machine = MPI_COMM_NULL;
  check_mpi("Session", MPI_Comm_split_type(control_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &machine));
  int ranks = 0;
  MPI_Comm_size(machine, &ranks);
  std::vector<cpu_set_t> all(static_cast<size_t>(ranks));
  MPI_Allgather(&own, sizeof own, MPI_BYTE, all.data(), sizeof own, MPI_BYTE, machine);
  MPI_Comm_free(&machine);
  const auto sharing = std::count_if(all.begin(), all.end(), [&](const cpu_set_t& set) { return CPU_EQUAL(&set, &own) != 0; });
  set_num_threads(std::max(1, CPU_COUNT(&own) / static_cast<int>(sharing)));
}

void Channel::receive_notes() {
  check_mpi("Session", MPI_Irecv(&note_, sizeof note_, MPI_BYTE, MPI_ANY_SOURCE, kNoteTag, control_, &note_request_));
}

void Channel::check_open(Call call) const {
  if (broken_) throw RankError(fmt::format("{}: {}", name(call), broken_->text), broken_->missing);
}

void Channel::give_up(Call call, const std::vector<int>& missing) {
  const std::string text = fmt::format(
      "{} did not come within {} s: stopped, or busy with something that the others don't do; where it was only busy, give the "
      "Session a longer timeout",
      names_of(missing), timeout_.count());
  leave(text, missing.front());
  check_open(call);
  std::abort();  // not reached: leave has broken the channel
}

void Channel::wait(Call call, FunctionRef<bool()> done, FunctionRef<std::vector<int>()> missing) {
  const auto begin = Clock::now();
  for (int64_t rounds = 0; !done(); ++rounds) {
    int has_note = 0;
    MPI_Test(&note_request_, &has_note, MPI_STATUS_IGNORE);
    if (has_note != 0) {
      ++notes_;
      if (!broken_) broken_ = Broken{note_.missing, note_.text.data()};
      receive_notes();
    }
    check_open(call);
    if (!is_patient_ && Clock::now() - begin > timeout_) give_up(call, missing());
    // Others may need the processor to get here.
    if (rounds < 1000) std::this_thread::yield();
    else std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

void Channel::wait(Call call, std::vector<MPI_Request>& requests, const std::vector<int>& peers) {
  const auto done = [&] {
    int all = 0;
    check_mpi(name(call), MPI_Testall(static_cast<int>(requests.size()), requests.data(), &all, MPI_STATUSES_IGNORE));
    return all != 0;
  };
  wait(call, done, [&] { return unfinished(requests, peers); });
}

Channel::Verdict Channel::compare(const std::vector<Header>& headers) const {
  using Kind = Verdict::Kind;
  const Header& first = headers[0];
  const auto differs = [&](const Header& other) {
    if (other.call != first.call || other.number != first.number) return Kind::OtherCall;
    if (first.call == Call::Backward && other.sizes[0] != first.sizes[0]) return Kind::OtherCall;
    if (other.dtype != first.dtype) return Kind::OtherDType;
    if (other.dims != first.dims || other.sizes != first.sizes) return Kind::OtherShape;
    return other.detail != first.detail ? Kind::OtherValue : Kind::Agreed;
  };
  Verdict verdict;
  for (size_t i = 1; i < headers.size() && verdict.kind == Kind::Agreed; ++i) {
    verdict.kind = differs(headers[i]);
    if (verdict.kind == Kind::Agreed) continue;
    put(verdict.text,
        fmt::format("the ranks' calls differ: rank 0 makes {}, rank {} {} (call {}); all ranks must make the same calls in the "
                    "same order, with the same shapes and dtypes",
                    describe(first), i, describe(headers[i]), first.number));
  }
  return verdict;
}

void Channel::agree(Header header) {
  check_open(header.call);
  header.number = calls_++;
  if (size_ == 1) return;
  // Requests must outlive the call where it ends by an exception: what a message is written to, or read from, stays where it is.
  struct Mail {
    std::vector<Header> headers;
    Verdict verdict;
  };
  auto mail = std::make_unique<Mail>();
  std::vector<MPI_Request> requests;
  std::vector<int> peers;
  mail->headers.assign(rank_ == 0 ? static_cast<size_t>(size_) : 1, header);
  try {
    if (rank_ == 0) {
      for (int peer = 1; peer < size_; ++peer) {
        peers.push_back(peer);
        MPI_Irecv(&mail->headers[static_cast<size_t>(peer)], sizeof(Header), MPI_BYTE, peer, kHeaderTag, control_,
                  &requests.emplace_back());
      }
      wait(header.call, requests, peers);
      mail->verdict = compare(mail->headers);
      for (size_t i = 0; i < peers.size(); ++i)
        MPI_Isend(&mail->verdict, sizeof(Verdict), MPI_BYTE, peers[i], kVerdictTag, control_, &requests[i]);
    } else {
      peers = {0, 0};
      requests.resize(2);
      MPI_Isend(mail->headers.data(), sizeof(Header), MPI_BYTE, 0, kHeaderTag, control_, requests.data());
      MPI_Irecv(&mail->verdict, sizeof(Verdict), MPI_BYTE, 0, kVerdictTag, control_, &requests[1]);
      // Rank 0 may be waiting for another one, and is the one to say so.
      const auto own = timeout_;
      timeout_ += std::chrono::seconds(2);
      try {
        wait(header.call, requests, peers);
      } catch (...) {
        timeout_ = own;
        throw;
      }
      timeout_ = own;
    }
    if (rank_ == 0) wait(header.call, requests, peers);
  } catch (...) {
    static_cast<void>(mail.release());
    throw;
  }
  using Kind = Verdict::Kind;
  const char* text = mail->verdict.text.data();
  switch (mail->verdict.kind) {
    case Kind::Agreed: return;
    case Kind::OtherCall: fail<StateError>("{}: {}", name(header.call), text);
    case Kind::OtherDType: fail<DTypeError>("{}: {}", name(header.call), text);
    case Kind::OtherShape: fail<ShapeError>("{}: {}", name(header.call), text);
    case Kind::OtherValue: fail<ValueError>("{}: {}", name(header.call), text);
  }
}

void Channel::leave(const std::string& text, int missing) noexcept {
  if (broken_) return;
  broken_ = Broken{missing, text};
  tell_all();
}

void Channel::tell_all() noexcept {
  has_told_ = true;
  // Never freed: the process is about to end, and the messages may be on their way until then.
  auto* note = new Note;
  note->missing = broken_->missing;
  put(note->text, broken_->text);
  for (int peer = 0; peer < size_; ++peer) {
    MPI_Request request = MPI_REQUEST_NULL;
    if (peer != rank_) MPI_Isend(note, sizeof *note, MPI_BYTE, peer, kNoteTag, control_, &request);
  }
}

void Channel::linger() noexcept {
  constexpr std::chrono::seconds longest{5};  // on a machine with more to do than it has cores, 2 were not always enough
  if (!has_told_) tell_all();                 // that this one knows: nobody needs to wait for it
  const auto end = Clock::now() + longest;
  while (notes_ < size_ - 1 && Clock::now() < end) {
    int has_note = 0;
    MPI_Test(&note_request_, &has_note, MPI_STATUS_IGNORE);
    if (has_note != 0) {
      ++notes_;
      MPI_Irecv(&note_, sizeof note_, MPI_BYTE, MPI_ANY_SOURCE, kNoteTag, control_, &note_request_);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (broken_->missing != rank_) std::this_thread::sleep_for(std::chrono::milliseconds(500));
}

void Channel::finish() {
  is_patient_ = true;
  agree({.call = Call::End});
  MPI_Cancel(&note_request_);
  MPI_Wait(&note_request_, MPI_STATUS_IGNORE);
  MPI_Comm_free(&data_);
  MPI_Comm_free(&control_);
  if (owns_mpi_) MPI_Finalize();
}

}  // namespace gradus::distributed
