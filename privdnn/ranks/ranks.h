// Runs one command as several processes, on one machine or many, started by OpenMPI's mpirun. No other module knows
// MPI.
//
// Rank 0 leads: it cuts the work into pieces and hands each to a free rank, itself included, so that a slow rank gets
// fewer. The others serve until they are told to stop. If a rank can't serve any more, rank 0 does its remaining work.
// A process that mpirun didn't start never touches MPI. A program that is built without MPI (PRIVDNN_WITH_MPI) has
// no_ranks.cc in place of ranks.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "privdnn/base/bytes.h"
#include "privdnn/base/reporting.h"
#include "privdnn/base/status.h"

namespace privdnn {

// One piece of work: the request's bytes to the reply's. Called on a separate thread, one piece at a time. Must return
// Cancelled soon after `go_on` returns false. Any thread may call `go_on`.
using PieceFn = std::function<absl::StatusOr<Bytes>(std::span<const uint8_t> request, const GoOnFn& go_on)>;
// The next piece, at most 2^30 bytes; nullopt behind the last.
using NextPieceFn = std::function<std::optional<Bytes>()>;
// The reply to the piece that was the `piece`th to be taken (from 0), and who made it; in the order of their arrival.
using OnPieceFn = std::function<absl::Status(uint64_t piece, int rank, Bytes reply)>;
// Called with the reason why a rank no longer serves, and its name.
using DepartureFn = std::function<void(const absl::Status& why)>;

// A status among bytes, for a reply that says how its piece ended; its message is cut where it is too long.
void WriteStatus(const absl::Status& status, ByteWriter& w);
// The status that was written, into `status`; an error if it can't be read.
absl::Status ReadStatus(ByteReader& r, absl::Status& status);

// This process among those that mpirun started. All functions belong to the thread that called Join. Errors of a rank
// or of reaching it name it: "rank 2 (node7): ...". If a process dies, mpirun ends all others with SIGTERM.
class Ranks {
 public:
  // Whether OpenMPI started this process together with others.
  static bool Started();
  // Once a process, and only if Started(). FailedPrecondition if the program is built without MPI.
  static absl::StatusOr<Ranks> Join();
  Ranks(Ranks&&) noexcept;
  Ranks& operator=(Ranks&&) = delete;
  // Leaves like Leave, as a rank that couldn't serve.
  ~Ranks();

  // Sets the function that rank 0 calls, in Spread, for each rank that leaves while there is work.
  void OnDeparture(DepartureFn tell);

  int rank() const;  // 0 leads
  int size() const;  // at least 2
  // Returns the machine of a rank that Meet has found.
  const std::string& Host(int rank) const;

  // Rank 0: waits until every rank serves. `identity` is a line that says what results depend on ("model 5f3a, images
  // 77c1"); FailedPrecondition, with both lines, for a rank that has another one. The error of a rank that left
  // instead.
  absl::Status Meet(const std::string& identity, const GoOnFn& go_on);
  // Rank 0, after Meet: has all pieces made and hands on the replies. After an error of any rank, of `on_piece`, or
  // Cancelled by `go_on`, no piece is handed out any more, those in progress are told to stop, and their replies are
  // dropped; a rank that doesn't stop gets no piece of the next Spread until it has. A rank that leaves is no error:
  // its piece is made here. `go_on` is called here, every few milliseconds.
  absl::Status Spread(const NextPieceFn& next, const PieceFn& piece, const OnPieceFn& on_piece, const GoOnFn& go_on);
  // The other ranks: makes pieces until rank 0 leaves. `go_on` false makes the piece in progress and any later one
  // Cancelled, which rank 0 then sees. An error, to be handed to Leave, if a piece throws, a reply is longer than
  // 2^30 - 64 bytes, or rank 0 can't be reached.
  absl::Status Serve(const std::string& identity, const PieceFn& piece, const GoOnFn& go_on);

  // Ends every rank's part; no call may follow. Rank 0 tells the others to stop and waits at most ten seconds; mpirun
  // then ends the remaining ones with an error. A rank that wasn't told to stop sends rank 0 the reason, `status`, and
  // waits for the others. Returns true if all went well. Rank 0 then speaks for this rank, whose exit code should be 0,
  // since mpirun ends all ranks after any other exit code.
  bool Leave(const absl::Status& status);

 private:
  struct Impl;
  explicit Ranks(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace privdnn
