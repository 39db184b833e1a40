// From a trained network to integers: lifts the square out of a segment, quantises.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lifting/geometry.h"
#include "nn/partition.h"

namespace privdnn {

struct LiftOptions {
  uint32_t input_bits = 8;    // 2..15
  uint32_t kernel_bits = 12;  // 2..24, sign included
  // Range of the segment's input, in the model's units; values outside are clamped.
  double input_min = 0, input_max = 1;
};

// Kernels as integers: the owner's secret. With the features phi of Geometry, encrypted output f at position p is
//   y_f[p] = bias_f + sum_{d,t} kernel_f[d,t] phi_d[origin + stride*p + t]      exactly, as an integer,
// and stands for the real number y_f[p] * output_scale_f.
struct QuantizedSegment {
  SegmentSpec spec;
  std::vector<int64_t> neurons;               // which neurons the outputs are: of the layer, then of the shortcut
  std::vector<std::vector<int32_t>> kernels;  // [F][(d*kernel.h + a)*kernel.w + b], kernel of the output's group
  std::vector<int64_t> bias;                  // [F]
  std::vector<double> output_scale;           // [F], > 0
  // max_f (|bias_f| + sum |kernel_f| max|phi|): no admissible input exceeds it.
  int64_t worst_case = 0;
  // Smallest l with worst_case < 2^(l-1).
  int plain_bits() const;
};

// The quantised form of a segment's core neurons; those of a quadratic segment read every neuron before the square.
// InvalidArgument for options out of range or a kernel whose worst case exceeds 2^59.
absl::StatusOr<QuantizedSegment> LiftSegment(const nn::Segment& segment, const LiftOptions& options);

// The z map of one image: [channel][z_map.h][z_map.w] from real values [channel][H][W]. Deterministic. A mean
// that is not a number becomes -z_max.
std::vector<int16_t> QuantizeInput(const Geometry& geometry, std::span<const float> image);

}  // namespace privdnn
