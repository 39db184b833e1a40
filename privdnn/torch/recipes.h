// How each architecture is trained by default.
#pragma once

#include <string>

#include "privdnn/torch/train.h"

namespace privdnn {

struct Recipe {
  std::string data_set;  // as LoadDataSet knows it
  TrainOptions options;
};

// Returns the recipe of an architecture, the one behind the figures in experiments/README.md. Leaves seed, threads,
// checkpoint and callback at their defaults. Fails with NotFound for a name that BuildArchitecture does not know.
absl::StatusOr<Recipe> FindRecipe(const std::string& architecture);

}  // namespace privdnn
