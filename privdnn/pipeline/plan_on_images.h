// Plans a network and measures the inputs of inner segments on images, with LibTorch.
#pragma once

#include "privdnn/data/dataset.h"
#include "privdnn/pipeline/plan.h"

namespace privdnn {

// For callers that have images: calls the Plan() of pipeline/plan.h with ranges measured on `calibration`. These images
// should be of the kind that the network is made for; only the owner needs them. The set may be empty if every segment
// reads the network's input; otherwise an empty set is an InvalidArgument error. If they are floats, every segment's
// range is measured, the input's too, unless ModelPlanOptions::range_asked.
absl::StatusOr<ModelPlan> Plan(const Graph& graph, const Selection& selection, const ModelPlanOptions& options,
                               const ImageSet& calibration);

}  // namespace privdnn
