#include "privdnn/pipeline/plan_figures.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "privdnn/party/owner.h"

namespace privdnn {
namespace {

SegmentFigures OfSegment(const PlannedSegment& s, const CostConstants& costs) {
  const SegmentPlan& p = s.plan;
  return {.log_q = LogQ(p.parameters.primes),
          .worst_case_output_bits = std::log2(static_cast<double>(s.quantized.worst_case)),
          .user_ms = UserMs(p.geometry(), p.parameters, costs, 1),
          .owner_ms = OwnerMs(p.geometry(), p.parameters, costs, 1),
          .exposure = CountExposure(s.segment, p)};
}

}  // namespace

uint64_t PlanFigures::ImagesThatRiskKernels() const {
  return std::min({images_to_reconstruct_first, images_to_recover_keys_by_lattice, images_by_parameter_count});
}

PlanFigures ComputeFigures(const ModelPlan& plan) {
  PlanFigures f;
  for (const PlannedSegment& s : plan.segments) {
    const SegmentPlan& p = s.plan;
    f.segments.push_back(OfSegment(s, plan.costs.costs));
    f.query_bytes_per_image += p.cost.query_bytes_per_image;
    f.reply_bytes_per_image += p.cost.reply_bytes_per_image;
    f.user_kernel_memory_bytes += p.cost.user_memory_bytes;
    f.user_forward_ntts += p.cost.user_forward_ntts;
    f.user_inverse_ntts += p.cost.user_inverse_ntts;
    f.user_macs += p.cost.user_macs;
    const Exposure& e = f.segments.back().exposure;
    f.images_to_reconstruct = std::min(f.images_to_reconstruct, e.kernels.images);
    f.images_to_reconstruct_first = std::min(f.images_to_reconstruct_first, e.kernels.inner_images);
    const KeyRecovery& keys = p.key_recovery;
    f.images_to_recover_keys = std::min(f.images_to_recover_keys, keys.images_by_packing);
    f.images_to_recover_keys_by_lattice = std::min(f.images_to_recover_keys_by_lattice, keys.images_by_lattice);
    f.images_that_keep_keys_safe = std::min(f.images_that_keep_keys_safe, keys.safe_images);
    f.images_by_parameter_count = std::min(f.images_by_parameter_count, e.images_by_parameter_count);
  }
  f.image_budget = plan.segments[0].plan.encryption.image_budget;
  f.statistical_security = plan.StatisticalSecurity();
  f.package_bytes = plan.PackageSize();
  f.rest_model_bytes = plan.rest_model.size();
  f.predicted = {PredictCost(plan, {.images = 1, .batch = kBatchImages}),
                 PredictCost(plan, {.images = kBatchImages, .batch = kBatchImages})};
  return f;
}

OutputNoiseRange AllowedOutputNoise(const ModelPlan& plan) {
  OutputNoiseRange range{0, std::numeric_limits<double>::infinity()};
  for (const PlannedSegment& s : plan.segments) {
    const double most = MaxOutputNoise(s.plan.parameters.plain_bits);  // as an integer
    for (const double scale : s.quantized.output_scale) {
      range.min = std::max(range.min, scale);
      double max = most * scale;
      if (max / scale > most) max = std::nextafter(max, 0);  // the product was rounded up
      range.max = std::min(range.max, max);
    }
  }
  return range;
}

}  // namespace privdnn
