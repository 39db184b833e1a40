// Which points of a dimension a Resize takes, without LibTorch. Internal to torch.
#pragma once

#include <cstdint>
#include <vector>

#include "privdnn/graph/graph.h"

namespace privdnn {

// Output i is the input at low[i] (kNearest), or that plus share[i] of the way to high[i] (kLinear). All empty: the
// dimension stays as it is.
struct Samples {
  std::vector<int64_t> low, high;
  std::vector<float> share;
};
// Of the `dimension`-th of `resize.sizes`, for an input of `side`. Computes in floats, as ONNX Runtime does: nearest
// points depend on it.
Samples SamplesOf(const op::Resize& resize, size_t dimension, int64_t side);

}  // namespace privdnn
