// The layer behind a segment's square, or a linear segment's layer, together with its average pool.
#pragma once

#include <cstdint>
#include <vector>

#include "privdnn/partition/partition.h"
#include "privdnn/segment/geometry.h"

namespace privdnn {

// Returns the weights of neuron f in real numbers, [input][kernel.h][kernel.w] of the geometry's first group. In a
// quadratic segment these are r_{f,c,t}.
std::vector<double> FoldedKernel(const Geometry& geometry, const FoldedLayer& layer, int64_t f);

}  // namespace privdnn
