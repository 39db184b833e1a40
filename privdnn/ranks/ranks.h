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

// Makes one piece of work: maps the request's bytes to the reply's. Called on a separate thread, one piece at a time.
// Must return Cancelled soon after `go_on` returns false. Any thread may call `go_on`.
using PieceFn = std::function<absl::StatusOr<Bytes>(std::span<const uint8_t> request, const GoOnFn& go_on)>;
// Returns the next piece, at most 2^30 bytes; nullopt after the last.
using NextPieceFn = std::function<std::optional<Bytes>()>;
// Handles the reply to piece number `piece` (from 0, in the order of NextPieceFn), made by `rank`. Called in the order
// in which replies arrive.
using OnPieceFn = std::function<absl::Status(uint64_t piece, int rank, Bytes reply)>;
// Called with the reason why a rank no longer serves, and its name.
using DepartureFn = std::function<void(const absl::Status& why)>;

// Writes a status in a reply, to say how its piece ended. Truncates a message that is too long.
void WriteStatus(const absl::Status& status, ByteWriter& w);
// Reads a written status into `status`; fails if it can't be read.
absl::Status ReadStatus(ByteReader& r, absl::Status& status);

// This process as one of those that mpirun started. Only the thread that called Join may call its functions. If a rank
// fails or can't be reached, the error names it: "rank 2 (node7): ...". If a process dies, mpirun ends all others with
// SIGTERM.
class Ranks {
 public:
  // Returns whether OpenMPI started this process together with others.
  static bool Started();
  // Call it once per process, and only if Started(). Fails with FailedPrecondition if the program is built without MPI.
  static absl::StatusOr<Ranks> Join();
  Ranks(Ranks&&) noexcept;
  Ranks& operator=(Ranks&&) = delete;
  // Calls Leave, as a rank that couldn't serve.
  ~Ranks();

  // Sets the function that rank 0 calls, in Spread, for each rank that leaves while there is work.
  void OnDeparture(DepartureFn tell);

  int rank() const;  // 0 leads
  int size() const;  // at least 2
  // Returns the machine of a rank that Meet has found.
  const std::string& Host(int rank) const;

  // Rank 0: waits until every rank serves. `identity` is a line that says what results depend on ("model 5f3a, images
  // 77c1"). Fails with FailedPrecondition, giving both lines, if a rank has a different one, and with the rank's own
  // error if a rank left instead.
  absl::Status Meet(const std::string& identity, const GoOnFn& go_on);
  // Rank 0, after Meet: has all pieces made and passes on the replies. After an error of any rank or of `on_piece`, or
  // when `go_on` cancels, it hands out no more pieces, tells the ranks to stop those in progress, and drops their
  // replies. A rank that doesn't stop gets no piece of the next Spread until it has stopped. A rank that leaves is no
  // error: rank 0 makes its piece. Calls `go_on` on this thread, every few milliseconds.
  absl::Status Spread(const NextPieceFn& next, const PieceFn& piece, const OnPieceFn& on_piece, const GoOnFn& go_on);
  // The other ranks: makes pieces until rank 0 leaves. If `go_on` returns false, the piece in progress and all later
  // ones end with Cancelled, which rank 0 then sees. Fails if a piece throws, a reply is longer than 2^30 - 64 bytes,
  // or rank 0 can't be reached; pass the error to Leave.
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
