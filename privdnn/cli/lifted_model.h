// From a model and a selection to what is encrypted; what `plan`, `encrypt`, `demo` and `bench infer` share.
#pragma once

#include "privdnn/cli/command.h"
#include "privdnn/cli/machine_file.h"
#include "privdnn/data/dataset.h"
#include "privdnn/lifting/lift.h"
#include "privdnn/package/package.h"
#include "privdnn/partition/partition.h"
#include "privdnn/segment/planner.h"

namespace privdnn {

struct LiftSettings {
  LiftOptions options;  // its range is the network's input's
  uint64_t image_budget = 1'000'000;
  Objective objective = Objective::kLatency;
  double max_package_mb = 0, max_memory_mb = 0;  // 0: no bound
  void Add(CLI::App* command);
};

struct LiftedSegment {
  Segment segment;
  QuantizedSegment quantized;
  SegmentPlan plan;
};

struct LiftedModel {
  Graph graph;
  Selection selection;
  std::vector<LiftedSegment> segments;
  Bytes rest_model;  // ONNX of PlaintextRest
  Objective objective = Objective::kLatency;
  MachineCosts costs;  // what times are predicted by

  std::vector<EncryptionTask> Tasks() const;
  uint64_t PackageSize() const { return PackageBytes(Tasks(), rest_model.size()); }
  // Bits over all segments.
  double StatisticalSecurity() const;
};

// Segments that don't read the network's input are quantised by the range of what they read, measured on
// `calibration` and widened by kRangeMargin; without images that is an error that says so.
absl::StatusOr<LiftedModel> LiftModel(const Graph& graph, const Selection& selection, const LiftSettings& settings,
                                      const ImageSet& calibration);
inline constexpr double kRangeMargin = 1.25;

// What --images is without being given, where images only serve to measure ranges.
inline constexpr char kCalibrationDefault[] =
    "for the embedded model 1,000 MNIST test images, otherwise none; needed if a layer behind the first is encrypted";

// The plan's fields, for the JSON of every command that has one: "segments", and what holds for all of them.
Json PlanJson(const LiftedModel& model);
std::string PlanText(const LiftedModel& model);

}  // namespace privdnn
