// From a network and a selection of core neurons to what is encrypted, and what that takes, before anything is.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/lifting/range.h"
#include "privdnn/package/package.h"
#include "privdnn/partition/partition.h"
#include "privdnn/pipeline/machine_costs.h"
#include "privdnn/segment/planner.h"

namespace privdnn {

struct ModelPlanOptions {
  LiftOptions lift = {};  // its range is that of the network's input
  uint64_t image_budget = 1'000'000;
  Objective objective = Objective::kLatency;
  uint64_t max_package_bytes = UINT64_MAX;
  uint64_t max_user_memory_bytes = UINT64_MAX;  // resident, as predicted for one thread
  // What times are predicted by, and plans chosen by; DocumentedMachineCosts() if it isn't given.
  std::optional<MachineCosts> costs = {};
  NoteFn note = {};
};

// One segment: as layers, as integers, and how it is encrypted.
struct PlannedSegment {
  Segment segment;
  QuantizedSegment quantized;
  SegmentPlan plan;
};

// All that encrypting needs, and what it will take. Core neurons' weights are in it: it is the owner's.
struct ModelPlan {
  Graph graph;
  Selection selection;
  std::vector<PlannedSegment> segments;
  Bytes rest_model;  // ONNX of PlaintextRest
  Objective objective = Objective::kLatency;
  MachineCosts costs;  // what times are predicted by

  // They point into this plan.
  std::vector<EncryptionTask> Tasks() const;
  uint64_t PackageSize() const { return PackageBytes(Tasks(), rest_model.size()); }
  // Bits over all segments.
  double StatisticalSecurity() const;
};

// What each of `values` ranges over in `separated` (see Separate): the network as its authorised user evaluates it. One
// range a value, in order.
using MeasureRangesFn = std::function<absl::StatusOr<std::vector<MeasuredRange>>(
    const Graph& separated, const std::vector<std::string>& values)>;

// Finds the segments of a selection, quantises them and chooses rings and packings. Segments that don't read the
// network's input are quantised by the range of what they read, as `measure` says, widened by kRangeMargin; it is
// called once for all of them, or not at all. InvalidArgument if it is needed and empty, if the selection can't be
// encrypted (see FindSegments, LiftSegment), or if no plan keeps the bounds, with what would help.
//
// pipeline/plan_on_images.h measures with LibTorch.
absl::StatusOr<ModelPlan> Plan(const Graph& graph, const Selection& selection, const ModelPlanOptions& options,
                               const MeasureRangesFn& measure = {});

}  // namespace privdnn
