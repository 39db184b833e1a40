// How each architecture is trained unless one says otherwise.
#pragma once

#include <string>

#include "privdnn/torch/train.h"

namespace privdnn {

struct Recipe {
  std::string data_set;  // as LoadDataSet knows it
  TrainOptions options;
};

// The recipe of an architecture: what experiments/README.md reports figures of. Seed, threads, checkpoint and callback
// are left at their defaults. NotFound for a name that BuildArchitecture does not know.
absl::StatusOr<Recipe> FindRecipe(const std::string& architecture);

}  // namespace privdnn
