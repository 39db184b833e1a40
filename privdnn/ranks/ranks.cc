#include "privdnn/ranks/ranks.h"

// Before the header: none of the C++ bindings that MPI has given up.
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <exception>
#include <future>
#include <thread>
#include <vector>

namespace privdnn {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kMaxMessage = uint64_t{1} << 30;
constexpr uint64_t kMaxReply = kMaxMessage - 64;  // with the piece's number and an empty status before it
constexpr uint32_t kMaxText = 1 << 16;
constexpr std::chrono::seconds kLeavePatience{10};

// Tags. To rank 0: kReady (host, identity), kLeft (host, status) of a rank that doesn't serve, or not any more, kDone
// (piece's number, status, reply), kStopped. From rank 0: kWork (number, request), kCancel, kStop.
enum Tag : int { kReady = 1, kLeft, kDone, kStopped, kWork, kCancel, kStop };

struct Received {
  int from = 0;
  int tag = 0;
  Bytes bytes;
};

// MPI's own waiting takes a whole core. This sleeps between looks, the longer the less happens.
class Pause {
 public:
  void Reset() { sleep_ = std::chrono::microseconds(20); }
  void operator()() {
    std::this_thread::sleep_for(sleep_);
    sleep_ = std::min(2 * sleep_, std::chrono::microseconds(2000));
  }

 private:
  std::chrono::microseconds sleep_{20};
};

std::string HostName() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown host";
}

// A piece in progress on a thread of its own. The destructor tells it to stop and waits.
class Running {
 public:
  // `piece` must outlive this.
  Running(const PieceFn& piece, Bytes request) : request_(std::move(request)) {
    result_ =
        std::async(std::launch::async, [&piece, this] { return piece(request_, [this] { return !cancelled_; }); });
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() { cancelled_ = true; }

  void Cancel() { cancelled_ = true; }
  bool ready() const { return result_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  // Internal, and threw(), if the piece threw: out of memory, or a library that does.
  absl::StatusOr<Bytes> Result() {
    try {
      return result_.get();
    } catch (const std::exception& e) {
      threw_ = true;
      return absl::InternalError(e.what());
    }
  }
  bool threw() const { return threw_; }

 private:
  const Bytes request_;
  std::atomic<bool> cancelled_ = false;
  bool threw_ = false;
  std::future<absl::StatusOr<Bytes>> result_;  // last: it goes first, and waits
};

}  // namespace

struct Ranks::Impl {
  int rank = 0, size = 1;
  bool stopped = false, left = false;  // stopped: by rank 0
  uint64_t number = 0;                 // of the next piece, over all Spreads
  struct Peer {
    std::string host = "not met yet";
    bool left = false;
    std::optional<uint64_t> piece;  // in progress
    Bytes request;                  // of that piece
  };
  std::vector<Peer> peers;  // by rank
  DepartureFn on_departure;

  std::string Name(int r) const { return fmt::format("rank {} ({})", r, peers[static_cast<size_t>(r)].host); }
  // What rank 0 calls the others, and they it.
  absl::Status Check(int code, int peer, const char* what) const {
    if (code == MPI_SUCCESS) return absl::OkStatus();
    char text[MPI_MAX_ERROR_STRING] = {};
    int length = 0;
    MPI_Error_string(code, text, &length);
    return Unavailable("{}: {}: {}", Name(peer), what, text);
  }
  absl::Status Send(int to, Tag tag, std::span<const uint8_t> bytes) const {
    if (bytes.size() > kMaxMessage) {
      return ResourceExhausted("a message of {} bytes for {}; at most {}", bytes.size(), Name(to), kMaxMessage);
    }
    return Check(MPI_Send(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, to, tag, MPI_COMM_WORLD), to, "send");
  }
  absl::StatusOr<std::optional<Received>> Receive() const;
  absl::Status OnReady(const Received& received, const std::string& identity);
  absl::StatusOr<absl::Status> ReadLeft(const Received& received);
  absl::Status Cancel() const;
};

absl::StatusOr<std::optional<Received>> Ranks::Impl::Receive() const {
  MPI_Status status{};
  int there = 0, size_ = 0;
  PRIVDNN_RETURN_IF_ERROR(
      Check(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &there, &status), rank, "look for messages"));
  if (!there) return std::optional<Received>();
  Received received{status.MPI_SOURCE, status.MPI_TAG, {}};
  PRIVDNN_RETURN_IF_ERROR(Check(MPI_Get_count(&status, MPI_BYTE, &size_), received.from, "size of a message"));
  received.bytes.resize(static_cast<size_t>(size_));
  PRIVDNN_RETURN_IF_ERROR(Check(
      MPI_Recv(received.bytes.data(), size_, MPI_BYTE, received.from, received.tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
      received.from, "receive"));
  return std::optional<Received>(std::move(received));
}

absl::StatusOr<Ranks> Ranks::Join() {
  // Containers often forbid what OpenMPI's shared memory tries first, reading another process's memory; it then prints
  // errors. Messages here are small: copying them twice costs nothing.
  ::setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
  int provided = 0;
  auto impl = std::make_unique<Impl>();
  impl->peers.resize(1);
  PRIVDNN_RETURN_IF_ERROR(
      impl->Check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), 0, "MPI_Init"));
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &impl->rank);
  MPI_Comm_size(MPI_COMM_WORLD, &impl->size);
  impl->peers.resize(static_cast<size_t>(impl->size));
  impl->peers[static_cast<size_t>(impl->rank)].host = HostName();
  Ranks ranks(std::move(impl));
  if (provided < MPI_THREAD_FUNNELED) return FailedPrecondition("this MPI doesn't work beside threads");
  return ranks;
}

Ranks::Ranks(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Ranks::Ranks(Ranks&&) noexcept = default;
Ranks::~Ranks() {
  if (impl_) Leave(absl::AbortedError("ended early"));
}

void Ranks::OnDeparture(DepartureFn tell) { impl_->on_departure = std::move(tell); }

int Ranks::rank() const { return impl_->rank; }
int Ranks::size() const { return impl_->size; }
const std::string& Ranks::Host(int rank) const { return impl_->peers.at(static_cast<size_t>(rank)).host; }

// Why a rank left, with its name; never OK. An error if the message can't be read.
absl::StatusOr<absl::Status> Ranks::Impl::ReadLeft(const Received& received) {
  Peer& peer = peers[static_cast<size_t>(received.from)];
  ByteReader r(received.bytes, "message of " + Name(received.from));
  PRIVDNN_ASSIGN_OR_RETURN(peer.host, r.String(kMaxText, "host"));
  absl::Status status;
  PRIVDNN_RETURN_IF_ERROR(ReadStatus(r, status));
  PRIVDNN_RETURN_IF_ERROR(r.Finish());
  if (status.ok()) status = FailedPrecondition("ended before it was told to");
  return Annotate(status, Name(received.from));
}

absl::Status Ranks::Impl::OnReady(const Received& received, const std::string& identity) {
  if (received.tag == kLeft) {
    PRIVDNN_ASSIGN_OR_RETURN(const absl::Status why, ReadLeft(received));
    return why;
  }
  ByteReader r(received.bytes, "message of " + Name(received.from));
  PRIVDNN_ASSIGN_OR_RETURN(peers[static_cast<size_t>(received.from)].host, r.String(kMaxText, "host"));
  PRIVDNN_ASSIGN_OR_RETURN(const std::string theirs, r.String(kMaxText, "identity"));
  PRIVDNN_RETURN_IF_ERROR(r.Finish());
  if (theirs == identity) return absl::OkStatus();
  return FailedPrecondition("{}: works on other data than rank 0: {}; rank 0: {}", Name(received.from), theirs,
                            identity);
}

absl::Status Ranks::Meet(const std::string& identity, const GoOnFn& go_on) {
  Pause pause;
  for (int met = 1; met < impl_->size;) {
    if (!go_on()) return absl::CancelledError("interrupted");
    PRIVDNN_ASSIGN_OR_RETURN(const auto received, impl_->Receive());
    if (!received) {
      pause();
      continue;
    }
    PRIVDNN_RETURN_IF_ERROR(impl_->OnReady(*received, identity));
    ++met;
  }
  return absl::OkStatus();
}

// Tells whoever has a piece to stop.
absl::Status Ranks::Impl::Cancel() const {
  for (int r = 1; r < size; ++r) {
    if (peers[static_cast<size_t>(r)].piece) PRIVDNN_RETURN_IF_ERROR(Send(r, kCancel, {}));
  }
  return absl::OkStatus();
}

absl::Status Ranks::Spread(const NextPieceFn& next, const PieceFn& piece, const OnPieceFn& on_piece,
                           const GoOnFn& go_on) {
  Impl& m = *impl_;
  const uint64_t first = m.number;
  uint64_t outstanding = 0, own = 0;
  bool more = true;
  std::deque<std::pair<uint64_t, Bytes>> orphans;  // number and request of pieces whose rank has left
  std::optional<Running> running;                  // this rank's own
  const auto done = [&](uint64_t number, int rank, absl::StatusOr<Bytes> reply) -> absl::Status {
    if (number < first) return absl::OkStatus();  // of an earlier Spread, which was stopped
    --outstanding;
    if (!reply.ok()) return Annotate(reply.status(), m.Name(rank));
    return on_piece(number - first, rank, *std::move(reply));
  };
  const auto on_left = [&](const Received& received) -> absl::Status {
    PRIVDNN_ASSIGN_OR_RETURN(const absl::Status why, m.ReadLeft(received));
    Impl::Peer& peer = m.peers[static_cast<size_t>(received.from)];
    peer.left = true;
    if (peer.piece && *peer.piece >= first) orphans.emplace_back(*peer.piece, std::move(peer.request));
    peer.piece.reset();
    if (m.on_departure) m.on_departure(why);
    return absl::OkStatus();
  };
  const auto on_message = [&](const Received& received) -> absl::Status {
    if (received.tag == kLeft) return on_left(received);
    ByteReader r(received.bytes, "message of " + m.Name(received.from));
    if (received.tag != kDone) return r.Error("tag", fmt::format("{} was not expected", received.tag));
    absl::Status status;
    PRIVDNN_ASSIGN_OR_RETURN(const uint64_t number, r.U64("piece"));
    PRIVDNN_RETURN_IF_ERROR(ReadStatus(r, status));
    auto& in_progress = m.peers[static_cast<size_t>(received.from)].piece;
    if (in_progress != number) return r.Error("piece", fmt::format("{} was not asked for", number));
    in_progress.reset();
    if (!status.ok()) return done(number, received.from, status);
    PRIVDNN_ASSIGN_OR_RETURN(const auto reply, r.Take(r.remaining(), "reply"));
    return done(number, received.from, Bytes(reply.begin(), reply.end()));
  };
  const auto make_here = [&](uint64_t number, Bytes request) {
    own = number;
    running.emplace(piece, std::move(request));
  };
  // Hands pieces to whoever is free.
  const auto hand_out = [&]() -> absl::Status {
    // Here, where no reply is too long to be sent: a piece may be why its rank left.
    if (!running && !orphans.empty()) {
      make_here(orphans.front().first, std::move(orphans.front().second));
      orphans.pop_front();
    }
    // This rank last: reaching the others takes longer.
    for (int k = 1; more && k <= m.size; ++k) {
      const int rank = k % m.size;
      Impl::Peer& peer = m.peers[static_cast<size_t>(rank)];
      if (peer.left || peer.piece || (rank == 0 && running)) continue;
      std::optional<Bytes> request = next();
      if (!request) {
        more = false;
        break;
      }
      const uint64_t number = m.number++;
      ++outstanding;
      if (rank == 0) {
        make_here(number, *std::move(request));
        continue;
      }
      ByteWriter w;
      w.U64(number);
      w.Raw(*request);
      PRIVDNN_RETURN_IF_ERROR(m.Send(rank, kWork, w.view()));
      peer.piece = number;
      peer.request = *std::move(request);
    }
    return absl::OkStatus();
  };
  const auto run = [&]() -> absl::Status {
    Pause pause;
    while (more || outstanding > 0) {
      if (!go_on()) return absl::CancelledError("interrupted");
      bool idle = true;
      if (running && running->ready()) {
        idle = false;
        absl::StatusOr<Bytes> reply = running->Result();
        running.reset();
        PRIVDNN_RETURN_IF_ERROR(done(own, 0, std::move(reply)));
      }
      PRIVDNN_ASSIGN_OR_RETURN(const auto received, m.Receive());
      if (received) {
        idle = false;
        PRIVDNN_RETURN_IF_ERROR(on_message(*received));
      }
      PRIVDNN_RETURN_IF_ERROR(hand_out());
      if (idle) {
        pause();
      } else {
        pause.Reset();
      }
    }
    return absl::OkStatus();
  };
  absl::Status status = run();
  if (!status.ok()) status.Update(m.Cancel());
  return status;
}

absl::Status Ranks::Serve(const std::string& identity, const PieceFn& piece, const GoOnFn& go_on) {
  Impl& m = *impl_;
  ByteWriter ready;
  ready.String(HostName());
  ready.String(identity);
  PRIVDNN_RETURN_IF_ERROR(m.Send(0, kReady, ready.view()));
  std::optional<Running> running;
  uint64_t number = 0;
  Pause pause;
  while (!m.stopped || running) {
    bool idle = true;
    if (running && running->ready()) {
      idle = false;
      const absl::StatusOr<Bytes> reply = running->Result();
      if (running->threw()) return Annotate(reply.status(), fmt::format("piece {}", number));
      running.reset();
      if (reply.ok() && reply->size() > kMaxReply) {
        return ResourceExhausted("piece {}: a reply of {} bytes; at most {}", number, reply->size(), kMaxReply);
      }
      ByteWriter w;
      w.U64(number);
      WriteStatus(reply.status(), w);
      if (reply.ok()) w.Raw(*reply);
      PRIVDNN_RETURN_IF_ERROR(m.Send(0, kDone, w.view()));
    }
    PRIVDNN_ASSIGN_OR_RETURN(const auto received, m.Receive());
    if (received) {
      idle = false;
      m.stopped = m.stopped || received->tag == kStop;
      if (received->tag == kWork) {
        ByteReader r(received->bytes, "message of rank 0");
        PRIVDNN_ASSIGN_OR_RETURN(number, r.U64("piece"));
        PRIVDNN_ASSIGN_OR_RETURN(const auto request, r.Take(r.remaining(), "request"));
        running.emplace(piece, Bytes(request.begin(), request.end()));
      } else if (running) {
        running->Cancel();
      }
    }
    if (running && !go_on()) running->Cancel();
    if (idle) {
      pause();
    } else {
      pause.Reset();
    }
  }
  return absl::OkStatus();
}

bool Ranks::Leave(const absl::Status& status) {
  Impl& m = *impl_;
  if (m.left) return false;
  m.left = true;
  // Whatever can't be sent any more: mpirun knows it already, and ends the others.
  Pause pause;
  if (m.rank > 0) {
    if (!m.stopped) {
      ByteWriter w;
      w.String(HostName());
      WriteStatus(status, w);
      if (!m.Send(0, kLeft, w.view()).ok()) return false;
    }
    // The end of one process is the end of all: it waits, and drops what rank 0 sent before it had read that.
    while (!m.stopped) {
      const auto received = m.Receive();
      if (!received.ok()) return false;
      m.stopped = *received && (*received)->tag == kStop;
      if (!*received) pause();
    }
    if (!m.Send(0, kStopped, {}).ok()) return false;
    MPI_Finalize();
    return true;
  }
  for (int r = 1; r < m.size; ++r) {
    if (!m.Send(r, kStop, {}).ok()) return false;
  }
  const auto deadline = Clock::now() + kLeavePatience;
  for (int stopped = 1; stopped < m.size;) {
    if (Clock::now() > deadline) return false;
    const auto received = m.Receive();
    if (!received.ok()) return false;
    if (!*received) {
      pause();
    } else if ((*received)->tag == kStopped) {
      ++stopped;
    }
  }
  MPI_Finalize();
  return true;
}

}  // namespace privdnn
