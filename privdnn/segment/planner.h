// Chooses rings and packings for lifted segments and says what they will cost before anything is encrypted.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/rlwe/parameters.h"
#include "privdnn/segment/cost_model.h"
#include "privdnn/segment/encryption_plan.h"
#include "privdnn/segment/extraction.h"
#include "privdnn/segment/geometry.h"
#include "privdnn/segment/key_recovery.h"

namespace privdnn {

// What a plan is to make small. In all of them ties are broken by time.
enum class Objective {
  kLatency,     // time of one image: the user's encrypted part and the owner's
  kThroughput,  // the same an image, in messages of kBatchImages
  kBytes,       // up and down an image, in messages of kBatchImages
};
inline constexpr uint64_t kBatchImages = 8;

struct PlanOptions {
  uint64_t image_budget = 1'000'000;  // images that the package may ever be asked
  Objective objective = Objective::kLatency;
  CostConstants costs = DefaultCosts();
  // Bounds in bytes on all segments together and what is there without them: the package, and the user's largest
  // resident set while it evaluates PlannedImages(objective) images on one thread.
  uint64_t max_package_bytes = UINT64_MAX, fixed_package_bytes = 0;
  uint64_t max_user_memory_bytes = UINT64_MAX, fixed_user_memory_bytes = 0;
};
// Images in the messages that an objective looks at.
constexpr uint64_t PlannedImages(Objective objective) { return objective == Objective::kLatency ? 1 : kBatchImages; }

// What one segment of a package costs. Sizes in bytes; counts an image unless said otherwise, of all primes.
struct SegmentCost {
  uint64_t ciphertext_bytes;       // encrypted kernels in the package
  uint64_t query_bytes_per_image;  // user to owner, message headers apart, in full ciphertexts
  uint64_t reply_bytes_per_image;  // owner to user, likewise
  uint64_t user_memory_bytes;      // kernels as the user holds them in memory
  uint64_t user_forward_ntts;
  uint64_t user_inverse_ntts;
  uint64_t user_macs;  // coefficient multiply-accumulates
};

// The plan of one segment: how to encrypt it, and what that costs and is worth.
struct SegmentPlan {
  EncryptionPlan encryption;
  ParameterSpec parameters;  // DeriveParameters of the above
  SegmentCost cost;
  double statistical_security;  // bits
  ExtractionCount extraction;   // of the first group's kernels
  KeyRecovery key_recovery;     // by chosen ciphertexts

  const Geometry& geometry() const { return encryption.geometry; }
};

struct PlanTask {
  SegmentSpec spec;  // its tiles are the planner's to choose, its images_per_ciphertext if it is 1
  int plain_bits;
};
// The best rings and packings by the objective in which parameters are valid and all bounds are kept, one plan a
// segment; the segments of a package share its statistical security. InvalidArgument, with the numbers and what would
// help, if there is none.
absl::StatusOr<std::vector<SegmentPlan>> PlanSegments(std::span<const PlanTask> tasks, const PlanOptions& options);
// The same for one segment alone, by default for one image's time.
absl::StatusOr<SegmentPlan> PlanSegment(const SegmentSpec& spec, int plain_bits, uint64_t image_budget,
                                        Objective objective = Objective::kLatency);

}  // namespace privdnn
