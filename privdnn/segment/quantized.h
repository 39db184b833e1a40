// A segment in integers: what lifting makes of a trained network, and what is planned, encrypted and computed with.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/base/secret.h"
#include "privdnn/segment/geometry.h"

namespace privdnn {

// Kernels as integers: the owner's secret, movable only. With the features phi of Geometry, encrypted output f at
// position p is
//   y_f[p] = bias_f + sum_{d,t} kernel_f[d,t] phi_d[origin + stride*p + t]      exactly, as an integer,
// and stands for the real number y_f[p] * output_scale_f.
struct QuantizedSegment {
  SegmentSpec spec;
  std::vector<int64_t> neurons;          // which neurons the outputs are: of the layer, then of the shortcut
  std::vector<Secret<int32_t>> kernels;  // [F][(d*kernel.h + a)*kernel.w + b], kernel of the output's group
  Secret<int64_t> bias;                  // [F]
  std::vector<double> output_scale;      // [F], > 0
  // max_f (|bias_f| + sum |kernel_f| max|phi|): no admissible input exceeds it.
  int64_t worst_case = 0;
  // Smallest l with worst_case < 2^(l-1).
  int plain_bits() const;
};

// The z map of one image: [channel][z_map.h][z_map.w] from real values [channel][H][W]. Deterministic. A mean
// that is not a number becomes -z_max.
std::vector<int16_t> QuantizeInput(const Geometry& geometry, std::span<const float> image);

// How far inputs lay outside the range that they are quantised by: results from clamped values are not the network's.
struct Clamping {
  uint64_t values = 0;          // quantised
  uint64_t clamped = 0;         // of these, beyond the range
  uint64_t images_clamped = 0;  // images with such a value
  double share() const { return values == 0 ? 0 : static_cast<double>(clamped) / static_cast<double>(values); }
  Clamping& operator+=(const Clamping& other);
  bool operator==(const Clamping&) const = default;
};
// The same, and adds the image to `clamping`.
std::vector<int16_t> QuantizeInput(const Geometry& geometry, std::span<const float> image, Clamping& clamping);

}  // namespace privdnn
