// Plans that measure on images, with LibTorch, what inner segments read.
#pragma once

#include "privdnn/data/dataset.h"
#include "privdnn/pipeline/plan.h"

namespace privdnn {

// Plan() with ranges measured on `calibration`: of the kind of images that the network is made for, and that nobody but
// the owner need have. May be without images if every segment reads the network's input; otherwise that is an
// InvalidArgument that says so.
absl::StatusOr<ModelPlan> Plan(const Graph& graph, const Selection& selection, const ModelPlanOptions& options,
                               const ImageSet& calibration);

}  // namespace privdnn
