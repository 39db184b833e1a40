// A plan in numbers, for each segment and in total.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "privdnn/lifting/exposure.h"
#include "privdnn/pipeline/cost_prediction.h"
#include "privdnn/pipeline/plan.h"

namespace privdnn {

// Figures of a segment that PlannedSegment doesn't hold.
struct SegmentFigures {
  double log_q = 0;                   // bits of the ciphertext modulus
  double worst_case_output_bits = 0;  // size of the largest output, as an integer
  double user_ms = 0, owner_ms = 0;   // for one image on one thread; for the user, the encrypted part
  Exposure exposure;
};

struct PlanFigures {
  std::vector<SegmentFigures> segments;
  uint64_t image_budget = 0;
  double statistical_security = 0;  // bits
  uint64_t package_bytes = 0, rest_model_bytes = 0;
  // Sums over segments, per image; memory is not per image.
  uint64_t query_bytes_per_image = 0, reply_bytes_per_image = 0;
  uint64_t user_kernel_memory_bytes = 0;
  uint64_t user_forward_ntts = 0, user_inverse_ntts = 0, user_macs = 0;
  // Minima over segments; see Exposure and SegmentPlan.
  uint64_t images_to_reconstruct = UINT64_MAX, images_to_reconstruct_first = UINT64_MAX;
  uint64_t images_to_recover_keys = UINT64_MAX, images_by_parameter_count = UINT64_MAX;
  uint64_t images_to_recover_keys_by_lattice = UINT64_MAX, images_that_keep_keys_safe = UINT64_MAX;
  // For messages of one image and of kBatchImages images, on one thread.
  std::array<CostPrediction, 2> predicted;

  // Returns the number of images from which the user may begin to recover the encrypted kernels: the least over all
  // methods.
  uint64_t ImagesAtRisk() const;
};
PlanFigures ComputeFigures(const ModelPlan& plan);

}  // namespace privdnn
