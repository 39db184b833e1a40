#include "privdnn/pipeline/cost_prediction.h"

#include <algorithm>

#include "privdnn/party/wire.h"

namespace privdnn {

// Held as tensors.
uint64_t FixedUserMemory(uint64_t rest_model_bytes) { return kUserBaseBytes + rest_model_bytes; }
// The file's pages, its messages and the graph; then the graph's stages, one of them folded, and the tensors.
uint64_t LoadingUserMemory(uint64_t rest_model_bytes) { return kUserBaseBytes + 3 * rest_model_bytes; }

CostPrediction PredictCost(const ModelPlan& plan, const Workload& workload) {
  CostPrediction p{.workload = workload};
  uint64_t user_working = 0, owner_working = 0;
  p.user_memory_bytes = FixedUserMemory(plan.rest_model.size());
  p.owner_memory_bytes = kOwnerBaseBytes;
  for (const PlannedSegment& s : plan.segments) {
    const ParameterSpec& parameters = s.plan.parameters;
    const Geometry& g = s.plan.geometry();
    const auto message = [&](uint64_t images, uint64_t times) {
      if (images == 0 || times == 0) return;
      const MessageBytes bytes = BodyBytes(g, parameters, images);
      p.bytes_up += times * (bytes.query + MessageLayout::overhead());
      p.bytes_down += times * (bytes.reply + MessageLayout::overhead());
      p.user_ms += static_cast<double>(times) * UserMs(g, parameters, plan.costs.costs, images, workload.threads);
      p.owner_ms += static_cast<double>(times) * OwnerMs(g, parameters, plan.costs.costs, images, workload.threads);
      user_working = std::max(user_working, UserWorkingBytes(g, parameters, images, workload.threads));
      owner_working = std::max(owner_working, OwnerWorkingBytes(g, parameters, images));
    };
    message(workload.batch, workload.images / workload.batch);
    message(workload.images % workload.batch, 1);
    p.user_memory_bytes += UserKernelBytes(parameters, g.spec().outputs());
    p.owner_memory_bytes += OwnerKeyBytes(parameters, g.spec().outputs());
  }
  p.user_ms /= static_cast<double>(workload.images);
  p.owner_ms /= static_cast<double>(workload.images);
  p.user_memory_bytes = std::max(p.user_memory_bytes + user_working, LoadingUserMemory(plan.rest_model.size()));
  p.owner_memory_bytes += owner_working;
  return p;
}

}  // namespace privdnn
