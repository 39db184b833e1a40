// From a model and a selection to what is encrypted; what `plan`, `encrypt`, `demo` and `bench infer` share.
#pragma once

#include "cli/command.h"
#include "lifting/lift.h"
#include "lifting/planner.h"
#include "nn/partition.h"

namespace privdnn::cli {

struct LiftSettings {
  LiftOptions options;
  uint64_t image_budget = 1'000'000;
  void Add(CLI::App* command);
};

struct LiftedModel {
  nn::Graph graph;
  nn::QuadraticSegment segment;
  nn::Selection selection;
  QuantizedSegment quantized;
  SegmentPlan plan;
};

absl::StatusOr<LiftedModel> LiftModel(const nn::Graph& graph, const nn::Selection& selection,
                                      const LiftSettings& settings);

// The plan's fields, for the JSON of every command that has one.
Json PlanJson(const LiftedModel& model);

}  // namespace privdnn::cli
