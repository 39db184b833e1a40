// Two ends of a channel in memory, each for a thread of its own, and a hand in the middle.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "privdnn/ot/channel.h"

namespace privdnn {

// What both ends share.
class MemoryPipe {
 public:
  // May change a message on its way; `to` is 0 or 1.
  std::function<void(int to, std::string_view step, Bytes& message)> tamper;

  void Send(int to, std::string_view step, Bytes message) {
    if (tamper) tamper(to, step, message);
    const std::lock_guard lock(mutex_);
    sent_[to] += message.size();
    queues_[to].push_back(std::move(message));
    changed_.notify_all();
  }
  absl::StatusOr<Bytes> Receive(int to, std::string_view step, uint64_t size) {
    std::unique_lock lock(mutex_);
    const bool came =
        changed_.wait_for(lock, std::chrono::seconds(60), [&] { return closed_ || !queues_[to].empty(); });
    if (!came || queues_[to].empty()) return absl::CancelledError(std::string(step) + ": the peer is gone");
    Bytes message = std::move(queues_[to].front());
    queues_[to].pop_front();
    if (message.size() != size) {
      return InvalidArgument("{}: a message of {} bytes, expected {}", step, message.size(), size);
    }
    return message;
  }
  void Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  uint64_t bytes_to(int end) const { return sent_[end]; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Bytes> queues_[2];
  uint64_t sent_[2] = {};
  bool closed_ = false;
};

class MemoryChannel final : public Channel {
 public:
  MemoryChannel(MemoryPipe& pipe, int own) : pipe_(pipe), own_(own) {}
  absl::StatusOr<Bytes> Exchange(std::string_view step, std::span<const uint8_t> message, uint64_t size) override {
    ++flows;
    if (!message.empty()) pipe_.Send(1 - own_, step, {message.begin(), message.end()});
    if (size == 0) return Bytes();
    return pipe_.Receive(own_, step, size);
  }
  uint64_t flows = 0;

 private:
  MemoryPipe& pipe_;
  const int own_;
};

// Runs both parties to their ends. A party that fails closes the pipe, so that the other does not wait.
template <typename First, typename Second>
auto RunBoth(MemoryPipe& pipe, First first, Second second) {
  using A = decltype(first(std::declval<Channel&>()));
  using B = decltype(second(std::declval<Channel&>()));
  std::optional<A> a;
  std::optional<B> b;
  std::thread other([&] {
    MemoryChannel channel(pipe, 1);
    b.emplace(second(channel));
    if (!b->ok()) pipe.Close();
  });
  MemoryChannel channel(pipe, 0);
  a.emplace(first(channel));
  if (!a->ok()) pipe.Close();
  other.join();
  return std::pair<A, B>(std::move(*a), std::move(*b));
}

}  // namespace privdnn
