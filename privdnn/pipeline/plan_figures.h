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
  double worst_case_output_bits = 0;  // log2 of the largest output, as an integer
  double user_ms = 0, owner_ms = 0;   // for one image on one thread; for the user, the encrypted part
  Exposure exposure;                  // counts the images that reveal this segment's kernels
};

// Figures of a whole plan.
struct PlanFigures {
  std::vector<SegmentFigures> segments;  // as ModelPlan::segments
  uint64_t image_budget = 0;             // images that the owner answers, ever, for the package
  double statistical_security = 0;       // bits
  uint64_t package_bytes = 0, rest_model_bytes = 0;
  // Sums over segments, per image; memory is not per image.
  uint64_t query_bytes_per_image = 0, reply_bytes_per_image = 0;
  uint64_t user_kernel_memory_bytes = 0;
  uint64_t user_forward_ntts = 0, user_inverse_ntts = 0, user_macs = 0;

  // What follows counts images that one user asks about, over the life of the package, in the segment that gives in
  // first: each is the minimum over segments. Compare them with image_budget. UINT64_MAX stands for "no segment yet"
  // and never comes out of ComputeFigures.
  //
  // Images whose replies determine, by linear algebra, all kernels of a segment (Exposure::kernels.images), or the
  // first ones (inner_images).
  uint64_t images_to_reconstruct = UINT64_MAX, images_to_reconstruct_first = UINT64_MAX;
  // Images that give as many equations as an output has unknown weights (Exposure). Nobody is known to solve them from
  // so few, but nothing rules it out.
  uint64_t images_by_parameter_count = UINT64_MAX;
  // Images of chosen ciphertexts, which a malicious user sends, that reveal secret keys (KeyRecovery): without lattice
  // reduction (images_by_packing), and with feasible lattice reduction (images_by_lattice).
  uint64_t images_to_recover_keys = UINT64_MAX, images_to_recover_keys_by_lattice = UINT64_MAX;
  // The most images of chosen ciphertexts that leave every key at kSafeBits or more (KeyRecovery::safe_images). May be
  // 0.
  uint64_t images_that_keep_keys_safe = UINT64_MAX;

  // For messages of one image and of kBatchImages images, on one thread.
  std::array<CostPrediction, 2> predicted;

  // Returns the number of images from which the user may begin to recover encrypted kernels, the least over all
  // methods: images_to_reconstruct_first, images_to_recover_keys_by_lattice or images_by_parameter_count. A smaller
  // budget is below every one of them.
  uint64_t ImagesThatRiskKernels() const;
};
PlanFigures ComputeFigures(const ModelPlan& plan);

// Deviations of output noise, in the units of the encrypted layers' outputs.
struct OutputNoiseRange {
  double min = 0, max = 0;
};
// Returns which deviations an owner of the plan's package accepts as `output_noise` (see Owner::Create). 0, which adds
// no noise, is accepted too. Below `min`, an output's noise would be lost in rounding to integers; above `max`, it
// could reach a quarter of the plaintext modulus. The range fits all outputs of all segments. It is empty, min > max,
// if these differ too much in scale.
OutputNoiseRange AllowedOutputNoise(const ModelPlan& plan);

}  // namespace privdnn
