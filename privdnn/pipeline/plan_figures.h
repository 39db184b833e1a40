// A plan in numbers: what its segments take and give, each and together.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "privdnn/lifting/exposure.h"
#include "privdnn/pipeline/cost_prediction.h"
#include "privdnn/pipeline/plan.h"

namespace privdnn {

// Of a segment, what PlannedSegment doesn't hold.
struct SegmentFigures {
  double log_q = 0;                   // bits of the ciphertext modulus
  double worst_case_output_bits = 0;  // of the largest output, as an integer
  double user_ms = 0, owner_ms = 0;   // of one image on one thread; the user's encrypted part
  Exposure exposure;
};

struct PlanFigures {
  std::vector<SegmentFigures> segments;
  uint64_t image_budget = 0;
  double statistical_security = 0;  // bits
  uint64_t package_bytes = 0, rest_model_bytes = 0;
  // Sums over segments; an image, but for the memory.
  uint64_t query_bytes_per_image = 0, reply_bytes_per_image = 0;
  uint64_t user_kernel_memory_bytes = 0;
  uint64_t user_forward_ntts = 0, user_inverse_ntts = 0, user_macs = 0;
  // The least over segments; see Exposure and SegmentPlan.
  uint64_t images_to_reconstruct = UINT64_MAX, images_to_reconstruct_first = UINT64_MAX;
  uint64_t images_to_recover_keys = UINT64_MAX, images_by_parameter_count = UINT64_MAX;
  uint64_t images_to_recover_keys_by_lattice = UINT64_MAX, images_that_keep_keys_safe = UINT64_MAX;
  // For one image, and for kBatchImages in a message; one thread each.
  std::array<CostPrediction, 2> predicted;

  // From how many images on the encrypted kernels begin to be at risk from their user: the fewest by any of the ways.
  uint64_t ImagesAtRisk() const;
};
PlanFigures ComputeFigures(const ModelPlan& plan);

}  // namespace privdnn
