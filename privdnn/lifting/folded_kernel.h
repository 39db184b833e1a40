// The layer behind a segment's square, or a linear segment's layer, with the average pool behind it.
#pragma once

#include <cstdint>
#include <vector>

#include "privdnn/partition/partition.h"
#include "privdnn/segment/geometry.h"

namespace privdnn {

// The weights of neuron f in real numbers, [input][kernel.h][kernel.w] of the geometry's first group: r_{f,c,t} of a
// quadratic segment.
std::vector<double> FoldedKernel(const Geometry& geometry, const FoldedLayer& layer, int64_t f);

}  // namespace privdnn
