// The public shape of a lifted segment: its convolutions, and their packing into polynomials.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "privdnn/base/bytes.h"
#include "privdnn/base/status.h"

namespace privdnn {

struct Size2 {
  uint32_t h = 1, w = 1;
  uint64_t area() const { return uint64_t{h} * w; }
  bool operator==(const Size2&) const = default;
};
struct Pads {
  uint32_t top = 0, left = 0, bottom = 0, right = 0;
  bool operator==(const Pads&) const = default;
};

enum class SegmentKind : uint8_t { kLinear = 0, kQuadratic = 1 };

// Encrypted outputs of one shape. Position (i, j) of their map applies the kernel at grid position
// origin + stride*(i, j).
struct OutputGroup {
  uint32_t outputs = 1;
  Size2 kernel, stride;
  Size2 origin{0, 0};
  Size2 map;
  uint64_t positions() const { return map.area(); }
  bool operator==(const OutputGroup&) const = default;
};

// Defines a segment. This is plain data; Geometry checks it. It is part of the package and of the owner key.
struct SegmentSpec {
  SegmentKind kind = SegmentKind::kQuadratic;
  uint32_t channels = 1;
  Size2 input;  // H, W
  // The layer before the square. A linear segment has no such layer: all sizes are 1, and its padding is pads1.
  Size2 kernel1, stride1, pool1, pool1_stride;  // no pooling: 1x1 with stride 1
  Pads pads1;
  Pads pads2;                       // for the layer after the square; zero in a linear segment
  std::vector<OutputGroup> groups;  // 1 or 2
  // Quantisation of the pooled input: z = clamp(round(x / input_scale) + zero_point, -z_max, z_max),
  // z_max = 2^(input_bits-1) - 1.
  uint32_t input_bits = 8;  // 2..15
  double input_scale = 1;   // > 0
  int32_t zero_point = 0;   // |zero_point| <= z_max
  // Packing: either a map cut into tiles, or several images per polynomial.
  Size2 tiles;
  uint32_t images_per_ciphertext = 1;
  bool operator==(const SegmentSpec&) const = default;

  uint32_t outputs() const;           // number of encrypted outputs of all groups
  uint64_t values_per_image() const;  // sum of their positions: decrypted integers per image
};
inline constexpr uint32_t kMaxImagesPerCiphertext = 4096;

void WriteSpec(const SegmentSpec& spec, ByteWriter& writer);
// Checks the bounds of every field. Geometry checks whether the fields fit together.
absl::StatusOr<SegmentSpec> ReadSpec(ByteReader& reader);

// The lifted form of a SegmentSpec in a ring of degree n.
//
// Features. Average pooling before the square folds into the input: layer 1 reads the z map, the quantised box average
// of the padded input,
//   z[c, r] = quantise( mean_{i < pool1} x[c, r + stride1*i - pads1] ),
// through windows of kernel1 at stride stride1*pool1_stride. Position q of the layer-1 grid sees K =
// C*kernel1.h*kernel1.w values z_q. A quadratic segment has D = (K+1)(K+2)/2 feature channels, in this order:
//   z_i z_j for i <= j (i slow),  z_i * 2^linear_shift,  2^constant_shift;
// a linear segment has D = K = C, the z map itself. Feature maps live on the grid, the layer-1 map padded by pads2 with
// zeros.
//
// Units. One set of polynomials holds one unit: a tile of one image, or images_per_ciphertext whole images. Tile (u, v)
// is the part of the grid that starts at (u, v)*tile_step and has size tile_map. Tiles overlap by the reach of the
// kernels (the halo). A tile yields the outputs whose kernels start in its first tile_step rows and columns.
//
// Packing (coefficient packing, as in Cheetah, USENIX Security 2022): block j holds feature channels j*C_b ... of the
// unit's B maps (HW = tile_map.h*tile_map.w positions each, C_b = floor(n/(B HW))):
//   phi_j(X) = sum phi_{c,m}[a,b] X^((c*B + m)*HW + a*W + b),   A_j(X) = sum A[c,a,b] X^(O - c*B*HW - a*W - b),
//   O = (C_b-1)*B*HW + (e.h-1)*W + e.w-1,   e = origin + kernel of the output's group.
// Coefficient O + m*HW + i*S*W + j*S of the sum of products is output (i, j) of image m, and lies below C_b*B*HW.
// Products of different channels or images meet only outside valid outputs, and terms that wrap around X^n fall
// below O.
class Geometry {
 public:
  // Fails with InvalidArgument, giving the numbers, if the layers don't fit together or a map does not fit the ring.
  static absl::StatusOr<Geometry> Create(const SegmentSpec& spec, size_t n);

  const SegmentSpec& spec() const { return spec_; }
  size_t n() const { return n_; }
  int32_t z_max() const { return (1 << (spec_.input_bits - 1)) - 1; }
  uint32_t linear_shift() const { return spec_.input_bits - 1; }
  uint32_t constant_shift() const { return 2 * (spec_.input_bits - 1); }

  Size2 z_map() const { return z_map_; }                             // z values per channel
  Size2 z_stride() const { return z_stride_; }                       // from one layer-1 position to the next
  Size2 layer1() const { return layer1_; }                           // layer-1 map
  Size2 grid() const { return grid_; }                               // layer-1 map with layer 2's padding
  uint32_t window() const { return window_; }                        // K
  uint32_t products() const { return products_; }                    // features that are products of two z values
  uint32_t features() const;                                         // D
  uint32_t channels_per_poly() const { return channels_per_poly_; }  // C_b
  uint32_t terms() const;                                            // J
  // Returns the factors of feature d < products().
  std::pair<uint32_t, uint32_t> pair(uint32_t d) const;
  // Returns a bound on |phi_d|.
  int64_t max_abs_feature(uint32_t d) const;
  int64_t max_feature() const;  // over all d

  // Outputs are numbered through the groups. Returns the group of output f.
  size_t group(uint32_t f) const { return f < spec_.groups[0].outputs ? 0 : 1; }
  // Returns where the values of output f start among an image's values_per_image().
  uint64_t first_value(uint32_t f) const;

  size_t num_tiles() const { return size_t{spec_.tiles.h} * spec_.tiles.w; }
  Size2 tile_step() const { return tile_step_; }
  Size2 tile_map() const { return tile_map_; }
  uint32_t images_per_ciphertext() const { return spec_.images_per_ciphertext; }
  // Returns the number of units that `images` images take. Units of the same images are adjacent.
  uint64_t units(uint64_t images) const;
  struct Unit {
    uint64_t first_image;
    uint32_t images;  // 1 to images_per_ciphertext
    uint32_t tile;    // index of the tile, row by row
  };
  Unit unit(uint64_t index, uint64_t images) const;

  // The part of a group's maps that a tile yields: rows [top, top + rows), columns [left, left + columns). May be
  // empty.
  struct Patch {
    uint32_t top, left, rows, columns;
    uint32_t positions() const { return rows * columns; }
  };
  Patch patch(uint32_t tile, size_t group) const;
  // Returns the coefficients that hold the values of output f in a unit: the first image's patch row by row, then the
  // second's, and so on. Indices ascend and are below n.
  std::span<const uint32_t> positions(const Unit& unit, uint32_t f) const;
  // Returns O of a group's outputs.
  uint32_t offset(size_t group) const;

 private:
  Geometry() = default;
  absl::Status Fit();
  absl::Status Tile();
  absl::Status Pack();
  SegmentSpec spec_;
  size_t n_ = 0;
  Size2 z_map_, z_stride_, layer1_, grid_, tile_step_, tile_map_;
  uint32_t window_ = 0, products_ = 0, channels_per_poly_ = 0;
  // Coefficients by the shape of the patch. There are few shapes, however many tiles there are.
  struct Shape {
    uint32_t rows, columns;
    std::vector<uint32_t> coefficients;
  };
  std::array<std::vector<Shape>, 2> shapes_;  // of each group
};

// Calls use(at, value) for each value of a unit of `images` images: its index among the unit's, [output][position], and
// its index among all, [image][output][position].
template <typename Use>
void ForEachValue(const Geometry& g, uint64_t images, uint64_t unit_index, const Use& use) {
  const Geometry::Unit unit = g.unit(unit_index, images);
  const uint64_t per_image = g.spec().values_per_image();
  size_t at = 0;
  for (uint32_t f = 0; f < g.spec().outputs(); ++f) {
    const Geometry::Patch patch = g.patch(unit.tile, g.group(f));
    const uint32_t columns = g.spec().groups[g.group(f)].map.w;
    for (size_t i = 0; i < size_t{patch.positions()} * unit.images; ++i) {
      const uint64_t image = unit.first_image + i / patch.positions(), place = i % patch.positions();
      const uint64_t row = patch.top + place / patch.columns, column = patch.left + place % patch.columns;
      use(at++, image * per_image + g.first_value(f) + row * columns + column);
    }
  }
}
// The same for all units: use(unit, at, value).
template <typename Use>
void ForEachUnitsValue(const Geometry& g, uint64_t images, const Use& use) {
  for (uint64_t u = 0; u < g.units(images); ++u) {
    ForEachValue(g, images, u, [&](size_t at, uint64_t value) { use(u, at, value); });
  }
}

}  // namespace privdnn
