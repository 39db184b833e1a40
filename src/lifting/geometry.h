// The public shape of a lifted quadratic segment: what is convolved with what, and how it is packed into polynomials.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace privdnn {

struct Size2 {
  uint32_t h = 1, w = 1;
  bool operator==(const Size2&) const = default;
};
struct Pads {
  uint32_t top = 0, left = 0, bottom = 0, right = 0;
  bool operator==(const Pads&) const = default;
};

// What defines a quadratic segment: conv1 [pool1] square conv2 [pool2] on a C x H x W input. Plain data; Geometry
// checks it. It is part of the package and of the owner's key file.
struct SegmentSpec {
  uint32_t channels = 1;
  Size2 input;                                  // H, W
  Size2 kernel1, stride1, pool1, pool1_stride;  // no pooling: 1x1 with stride 1
  Pads pads1;
  Size2 kernel2, stride2, pool2, pool2_stride;
  Pads pads2;
  uint32_t outputs = 1;  // F: encrypted outputs
  // Quantisation of the pooled input: z = clamp(round(x / input_scale) + zero_point, -z_max, z_max),
  // z_max = 2^(input_bits-1) - 1.
  uint32_t input_bits = 8;  // 2..15
  double input_scale = 1;   // > 0
  int32_t zero_point = 0;   // |zero_point| <= z_max
  bool operator==(const SegmentSpec&) const = default;
};

void WriteSpec(const SegmentSpec& spec, ByteWriter& writer);
// Bounds every field; whether they fit together is for Geometry to say.
absl::StatusOr<SegmentSpec> ReadSpec(ByteReader& reader);

// The lifted form of a SegmentSpec in a ring of degree n. Average pooling before the square folds into the input: layer
// 1 reads the z map, the quantised box average of the padded input,
//   z[c, r] = quantise( mean_{i < pool1} x[c, r + stride1*i - pad1] ),
// through windows of kernel1 at stride stride1*pool1_stride. Position q of the layer-1 grid sees K =
// C*kernel1.h*kernel1.w values z_q, and has D = (K+1)(K+2)/2 feature channels, in this order:
//   z_i z_j for i <= j (i slow),  z_i * 2^linear_shift,  2^constant_shift.
// Average pooling after layer 2 folds into its kernel. Feature maps live on the grid padded by pads2 with zeros.
//
// Packing (coefficient packing, as in Cheetah, USENIX Security 2022): block j holds feature channels j*C_b ... of the
// padded grid (HW = grid.h*grid.w positions each, C_b = floor(n/HW)):
//   phi_j(X) = sum phi_{c}[a,b] X^(c*HW + a*W + b),   A_j(X) = sum A[c,a,b] X^(O - c*HW - a*W - b),
//   O = (C_b-1)*HW + (k.h-1)*W + k.w-1;
// coefficient O + p.h*S*W + p.w*S of the sum of products is output p. Products that wrap around X^n fall below O.
class Geometry {
 public:
  // InvalidArgument, with the numbers, if the layers don't fit together or a map does not fit the ring.
  static absl::StatusOr<Geometry> Create(const SegmentSpec& spec, size_t n);

  const SegmentSpec& spec() const { return spec_; }
  size_t n() const { return n_; }
  int32_t z_max() const { return (1 << (spec_.input_bits - 1)) - 1; }
  uint32_t linear_shift() const { return spec_.input_bits - 1; }
  uint32_t constant_shift() const { return 2 * (spec_.input_bits - 1); }

  Size2 z_map() const { return z_map_; }        // z values a channel
  Size2 z_stride() const { return z_stride_; }  // from one layer-1 position to the next
  Size2 layer1() const { return layer1_; }      // layer-1 grid
  Size2 grid() const { return grid_; }          // layer-1 grid with layer 2's padding
  Size2 kernel() const { return kernel_; }      // folded layer-2 kernel
  Size2 stride() const { return stride_; }      // folded layer-2 stride
  Size2 output() const { return output_; }      // output map
  uint32_t window() const { return window_; }   // K
  uint32_t features() const { return static_cast<uint32_t>(pairs_.size()) + window_ + 1; }  // D
  uint32_t taps() const { return kernel_.h * kernel_.w; }
  uint32_t positions_per_output() const { return output_.h * output_.w; }
  uint32_t channels_per_poly() const { return channels_per_poly_; }                              // C_b
  uint32_t terms() const { return (features() + channels_per_poly_ - 1) / channels_per_poly_; }  // J
  // The factors of feature d < number of products.
  std::pair<uint16_t, uint16_t> pair(uint32_t d) const { return pairs_[d]; }
  uint32_t products() const { return static_cast<uint32_t>(pairs_.size()); }
  // Bound on |phi_d|.
  int64_t max_abs_feature(uint32_t d) const;
  int64_t max_feature() const { return int64_t{1} << constant_shift(); }  // over all d
  uint32_t offset() const { return offset_; }                             // O
  // Coefficients that hold the outputs of one image, row by row.
  const std::vector<uint32_t>& positions() const { return positions_; }

 private:
  Geometry() = default;
  SegmentSpec spec_;
  size_t n_ = 0;
  Size2 z_map_, z_stride_, layer1_, grid_, kernel_, stride_, output_;
  uint32_t window_ = 0, channels_per_poly_ = 0, offset_ = 0;
  std::vector<std::pair<uint16_t, uint16_t>> pairs_;
  std::vector<uint32_t> positions_;
};

}  // namespace privdnn
