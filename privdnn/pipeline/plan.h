// Plans a network with a selection of core neurons: what to encrypt, and what it will cost, before anything is
// encrypted.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/lifting/range.h"
#include "privdnn/package/encrypt.h"
#include "privdnn/partition/partition.h"
#include "privdnn/pipeline/machine_costs.h"
#include "privdnn/segment/planner.h"

namespace privdnn {

struct ModelPlanOptions {
  LiftOptions lift = {};     // its range is the range of the network's input
  bool range_asked = false;  // the range was asked for: it's an error if no segment's quantisation depends on it
  bool range_known = false;  // images are pixels, in [0, 1]. If neither, only pictures are known to be that
  bool range_open = false;   // inputs are any numbers, each with its own range: all segments' inputs are measured
  bool bits_asked = false;   // the bits were asked for: PlanWithChosenBits chooses no others
  uint64_t image_budget = 1'000'000;
  Objective objective = Objective::kLatency;
  uint64_t max_package_bytes = UINT64_MAX;
  uint64_t max_user_memory_bytes = UINT64_MAX;  // resident set, predicted for one thread
  // The costs used to predict times and choose plans. Default: DocumentedMachineCosts().
  std::optional<MachineCosts> costs = {};
  NoteFn note = {};
};

// One segment: its layers, its integers, and its plan.
struct PlannedSegment {
  Segment segment;
  QuantizedSegment quantized;
  SegmentPlan plan;
};

// Everything that encryption needs, and its predicted cost. Holds the core neurons' weights, so it must stay with the
// owner.
struct ModelPlan {
  Graph graph;
  Selection selection;
  std::vector<PlannedSegment> segments;
  Bytes rest_model;  // ONNX model of PlaintextRest
  Objective objective = Objective::kLatency;
  MachineCosts costs;  // used to predict times

  // Returns tasks that point into this plan.
  std::vector<EncryptionTask> Tasks() const;
  uint64_t PackageSize() const { return PackageBytes(Tasks(), rest_model.size()); }
  // Returns the statistical security in bits, over all segments together.
  double StatisticalSecurity() const;
};

// Measures the range of each of `values` in `separated` (see Separate), which is the network that the authorised user
// evaluates. Returns one range per value, in order.
using MeasureRangesFn = std::function<absl::StatusOr<std::vector<MeasuredRange>>(
    const Graph& separated, const std::vector<std::string>& values)>;

// Plan() has two overloads. This one measures with a function of the caller's and needs no LibTorch; leave `measure`
// out if every segment reads the network's input. The one in pipeline/plan_on_images.h measures on images, with
// LibTorch.
//
// Finds the segments of a selection, quantises them, and chooses rings and packings. A segment that reads the network's
// input, or what FindKnownRange follows from it, is quantised by the range that follows from the input's, unless
// ModelPlanOptions::range_open and not range_asked. The others are quantised by the measured range of their input,
// widened by kRangeMargin. `measure` is called at most once, for all of these. Fails with FailedPrecondition if
// `measure` is needed but empty, or if a segment's range follows from that of a network input other than a picture, (1
// or 3, H, W), with neither ModelPlanOptions::range_asked nor range_known. Fails with InvalidArgument for
// ModelPlanOptions::range_asked if the range of the network's input has no effect. Fails with
// InvalidArgument if the selection can't be encrypted (see FindSegments, LiftSegment), or if no plan stays within the
// bounds; in the last case the error says what would help.
absl::StatusOr<ModelPlan> Plan(const Graph& graph, const Selection& selection, const ModelPlanOptions& options,
                               const MeasureRangesFn& measure = {});

}  // namespace privdnn
