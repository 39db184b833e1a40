// One Evaluate call on the owner's side, and the set of open calls.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>
#include <spdlog/logger.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "privdnn/service/package_host.h"
#include "privdnn/service/privdnn.pb.h"
#include "privdnn/service/worker_pool.h"

namespace privdnn {

class StreamRegistry;

// Objects that streams use but do not own. All of them must outlive the streams.
struct StreamEnvironment {
  PackageHost& host;
  WorkerPool& workers;
  StreamRegistry& registry;
  spdlog::logger& logger;
};

// Reads a query, has a worker answer it, writes the reply, and only then reads on: one message in flight, in order.
// gRPC calls the On...() functions; Drain(), EndIfIdle() and CutOff() may come from any thread at any time. The state
// is `phase_`, guarded by `mutex_`. Whoever moves the phase to kEnded calls Finish(), exactly once.
class EvaluateStream final : public grpc::ServerBidiReactor<v1::EvaluateRequest, v1::EvaluateReply>,
                             public std::enable_shared_from_this<EvaluateStream> {
 public:
  using Clock = std::chrono::steady_clock;

  // Begins a stream that lives until gRPC is done with it. Refuses the stream, with the error's status, if the
  // registry's limits are exceeded or `user` is an error.
  static std::shared_ptr<EvaluateStream> Begin(const StreamEnvironment& environment, absl::StatusOr<std::string> user,
                                               grpc::CallbackServerContext* context);
  EvaluateStream(const StreamEnvironment& environment, absl::StatusOr<std::string> user,
                 grpc::CallbackServerContext* context);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override { cancelled_ = true; }
  void OnDone() override;

  // Ends the stream with UNAVAILABLE: now if it is waiting for the user's next message, otherwise after the current
  // one.
  void Drain();
  void EndIfIdle(Clock::time_point now, Clock::duration timeout);
  // Ends the stream without a status if it has not ended yet. Waits for a running answer.
  void CutOff();

  const std::string& user() const { return user_; }

 private:
  enum class Phase { kReading, kAnswering, kWriting, kEnded };

  void Answer();
  absl::Status AnswerRequest();
  absl::Status CheckRequest();
  // Moves to kEnded, releases the lock and calls Finish(). Must be the last statement of a function.
  void End(std::unique_lock<std::mutex>& lock, absl::Status status);
  void Audit() const;

  const StreamEnvironment environment_;
  const std::string user_;                      // empty if not authenticated
  grpc::CallbackServerContext* const context_;  // alive until Finish() is called
  const std::string peer_;
  const Clock::time_point start_ = Clock::now();
  std::shared_ptr<EvaluateStream> self_;  // until OnDone()
  std::atomic<bool> cancelled_ = false;

  std::mutex mutex_;
  Phase phase_ = Phase::kReading;
  Clock::time_point phase_start_ = start_;
  bool draining_ = false;
  absl::Status outcome_;

  // Used by one thread at a time: gRPC's thread or the worker whose turn it is.
  v1::EvaluateRequest request_;
  v1::EvaluateReply reply_;
  std::unique_ptr<HostedSession> session_;  // until the end
  const PackageInfo* package_ = nullptr;
  uint64_t messages_ = 0;
  std::vector<uint64_t> images_;  // of each segment of the package
  uint64_t query_bytes_ = 0;
  uint64_t reply_bytes_ = 0;
  uint64_t compute_ns_ = 0;
};

// The open streams. Bounds their number and ends those that are idle for too long.
class StreamRegistry {
 public:
  StreamRegistry(int max_streams, int max_streams_per_user, std::chrono::milliseconds idle_timeout);
  StreamRegistry(const StreamRegistry&) = delete;
  StreamRegistry& operator=(const StreamRegistry&) = delete;
  ~StreamRegistry();

  // Adds a stream. Fails with Busy over the limits, and with Unavailable while draining.
  absl::Status Add(const std::shared_ptr<EvaluateStream>& stream);
  // Stops counting a stream that has ended. WaitUntilEmpty still waits until it is removed.
  void GiveBack(const EvaluateStream* stream);
  void Remove(const EvaluateStream* stream);
  // Refuses new streams and asks the open ones to end.
  void Drain();
  bool WaitUntilEmpty(std::chrono::milliseconds patience);
  void CutOffAll();

 private:
  std::vector<std::shared_ptr<EvaluateStream>> Snapshot();
  void WatchForIdleStreams();

  const int max_streams_;
  const int max_streams_per_user_;
  const std::chrono::milliseconds idle_timeout_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<const EvaluateStream*, std::shared_ptr<EvaluateStream>> streams_;
  std::set<const EvaluateStream*> open_;  // streams that count towards the limits
  bool draining_ = false;
  bool stopping_ = false;
  std::thread watcher_;
};

}  // namespace privdnn
