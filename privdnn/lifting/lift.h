// From a trained network to integers: lifts the square out of a segment, quantises.
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

// The quantised form of a segment's core neurons; those of a quadratic segment read every neuron before the square.
// InvalidArgument for options out of range or a kernel whose worst case exceeds 2^59.
absl::StatusOr<QuantizedSegment> LiftSegment(const Segment& segment, const LiftOptions& options);

}  // namespace privdnn
