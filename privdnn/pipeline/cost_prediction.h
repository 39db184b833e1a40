// Predicts the cost of running a planned model before it is encrypted.
#pragma once

#include "privdnn/pipeline/plan.h"

namespace privdnn {

// Resident memory of each process before it loads any segment: LibTorch, gRPC and TLS, as measured
// (docs/performance.md).
inline constexpr uint64_t kUserBaseBytes = 180'000'000;
inline constexpr uint64_t kOwnerBaseBytes = 177'000'000;

struct Workload {
  uint64_t images = 1;
  uint64_t batch = 64;  // most images per message
  int threads = 1;      // on each side
};

struct CostPrediction {
  Workload workload;
  uint64_t bytes_up = 0, bytes_down = 0;  // all messages, with headers, without TLS and HTTP/2; exact
  double user_ms = 0, owner_ms = 0;       // per image; for the user, the encrypted part
  uint64_t user_memory_bytes = 0;         // largest resident sets of `infer` and of `serve`
  uint64_t owner_memory_bytes = 0;
};
CostPrediction PredictCost(const ModelPlan& plan, const Workload& workload);

// Parts of the user's memory. FixedUserMemory is in use while segments are evaluated and excludes the segments' own
// memory. LoadingUserMemory is the peak before that, while the network's plaintext rest is read.
uint64_t FixedUserMemory(uint64_t rest_model_bytes);
uint64_t LoadingUserMemory(uint64_t rest_model_bytes);

}  // namespace privdnn
