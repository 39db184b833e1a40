// What running a planned model will take, before it is encrypted.
#pragma once

#include "privdnn/pipeline/plan.h"

namespace privdnn {

// Resident memory of the processes before any segment: LibTorch, gRPC and TLS, as measured (docs/performance.md).
inline constexpr uint64_t kUserBaseBytes = 180'000'000;
inline constexpr uint64_t kOwnerBaseBytes = 177'000'000;

struct Workload {
  uint64_t images = 1;
  uint64_t batch = 64;  // images a message, at most
  int threads = 1;      // of each side
};

struct CostPrediction {
  Workload workload;
  uint64_t bytes_up = 0, bytes_down = 0;  // of all messages, headers included, TLS and HTTP/2 not; exact
  double user_ms = 0, owner_ms = 0;       // an image; the user's encrypted part
  uint64_t user_memory_bytes = 0;         // largest resident set of `infer`, and of `serve`
  uint64_t owner_memory_bytes = 0;
};
CostPrediction PredictCost(const ModelPlan& plan, const Workload& workload);

// Of the user's memory: what is there while segments are evaluated, apart from what they take, and the most that is
// there before, while the network's plaintext rest is read.
uint64_t FixedUserMemory(uint64_t rest_model_bytes);
uint64_t LoadingUserMemory(uint64_t rest_model_bytes);

}  // namespace privdnn
