// Turns a trained network into integers: lifts the square out of a segment and quantises.
#pragma once

#include <cstdint>

#include "privdnn/partition/partition.h"
#include "privdnn/segment/quantized.h"

namespace privdnn {

struct LiftOptions {
  uint32_t input_bits = 8;    // 2..15
  uint32_t kernel_bits = 12;  // 2..24, sign included
  // Range of the segment's input, in the model's units; values outside are clamped.
  double input_min = 0, input_max = 1;
};

// Returns the quantised form of a segment's core neurons. In a quadratic segment they read every neuron before the
// square. Fails with InvalidArgument for options out of range, or for a kernel whose worst case exceeds 2^59.
absl::StatusOr<QuantizedSegment> LiftSegment(const Segment& segment, const LiftOptions& options);

}  // namespace privdnn
