// One Evaluate call, on the user's side.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "privdnn/service/client.h"
#include "privdnn/service/privdnn.grpc.pb.h"

namespace privdnn {

// The calling thread makes and sends queries and handles replies. A second thread only receives, so that replies are
// read even while the calling thread sends or computes. The window bounds the number of waiting replies. Use each
// object once.
class Exchange {
 public:
  struct Settings {
    std::string address;     // for messages
    std::string package_id;  // sent with the first message
    int window;
    std::chrono::milliseconds deadline;  // for the whole call
    uint64_t max_query_bytes;            // the owner's limit
  };

  Exchange(v1::Owner::Stub& stub, Settings settings);
  // Returns the owner's Busy as it is; other errors name the owner.
  absl::Status Run(const NextQueryFn& next_query, const OnReplyFn& on_reply);

 private:
  using Clock = std::chrono::steady_clock;
  struct Received {
    uint64_t sequence;
    Bytes reply;
    ReplyInfo info;
  };

  absl::Status Converse(const NextQueryFn& next_query, const OnReplyFn& on_reply);
  // Asks for the next query and sends it, or waits for a reply, or tells the owner that no more queries follow.
  absl::Status Send(const NextQueryFn& next_query);
  absl::Status Handle(Received received, const OnReplyFn& on_reply);
  // Returns the oldest reply; std::nullopt if there is none and either `wait` is false or the stream has ended.
  std::optional<Received> Take(bool wait);
  bool Ended();
  void Receive();
  // Returns false, and sets violation_, if the owner answers a query that was not asked.
  bool Accept(v1::EvaluateReply& message);
  absl::Status Outcome(const grpc::Status& remote) const;

  const Settings settings_;
  const Clock::time_point start_ = Clock::now();
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::EvaluateRequest, v1::EvaluateReply>> stream_;

  // Used by the calling thread only.
  bool all_sent_ = false;
  bool waiting_ = false;  // the next query depends on a reply
  uint64_t sent_ = 0;
  uint64_t handled_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Clock::time_point> sent_at_;  // times of the unanswered queries
  std::deque<Received> replies_;
  uint64_t received_ = 0;
  bool ended_ = false;
  std::string violation_;
};

}  // namespace privdnn
