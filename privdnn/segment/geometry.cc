#include "privdnn/segment/geometry.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "privdnn/rlwe/parameters.h"

namespace privdnn {
namespace {

// Sanity bounds on untrusted fields: far beyond any real layer, small enough that no product below overflows 64 bits.
constexpr uint32_t kMaxExtent = 1 << 14;
constexpr uint32_t kMaxChannels = 1 << 15;
constexpr uint64_t kMaxInputValues = uint64_t{1} << 26;
constexpr uint32_t kMaxWindow = 2048;  // K of a quadratic segment; D is then about 2 million
constexpr uint64_t kMaxTiles = 4096;
// Values that layer 1 reads over all positions, which a user holds for each image it works on.
constexpr uint64_t kMaxPlaneValues = uint64_t{1} << 25;
// So that pixels can be divided by it without overflow.
constexpr double kMinInputScale = 1e-30, kMaxInputScale = 1e30;
// Additions that averaging the input may take an image: about a second.
constexpr uint64_t kMaxAdditions = uint64_t{1} << 30;
// Decrypted integers an image, over all outputs.
constexpr uint64_t kMaxValues = uint64_t{1} << 28;

struct SizeField {
  const char* name;
  Size2 SegmentSpec::*field;
};
constexpr std::array<SizeField, 6> kSizes = {{{"input", &SegmentSpec::input},
                                              {"kernel1", &SegmentSpec::kernel1},
                                              {"stride1", &SegmentSpec::stride1},
                                              {"pool1", &SegmentSpec::pool1},
                                              {"pool1_stride", &SegmentSpec::pool1_stride},
                                              {"tiles", &SegmentSpec::tiles}}};
struct GroupField {
  const char* name;
  Size2 OutputGroup::*field;
  uint32_t least;
};
constexpr std::array<GroupField, 4> kGroupSizes = {{{"kernel", &OutputGroup::kernel, 1},
                                                    {"stride", &OutputGroup::stride, 1},
                                                    {"origin", &OutputGroup::origin, 0},
                                                    {"map", &OutputGroup::map, 1}}};

absl::Status InRange(const char* name, int64_t value, int64_t min, int64_t max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return InvalidArgument("segment: {} is {}, must be {} to {}", name, value, min, max);
}

absl::Status CheckGroups(const SegmentSpec& spec) {
  PRIVDNN_RETURN_IF_ERROR(InRange("number of output groups", static_cast<int64_t>(spec.groups.size()), 1, 2));
  uint64_t outputs = 0;
  for (const OutputGroup& group : spec.groups) {
    PRIVDNN_RETURN_IF_ERROR(InRange("outputs", group.outputs, 1, kMaxChannels));
    outputs += group.outputs;
    for (const auto& [name, field, least] : kGroupSizes) {
      PRIVDNN_RETURN_IF_ERROR(InRange(name, (group.*field).h, least, kMaxExtent));
      PRIVDNN_RETURN_IF_ERROR(InRange(name, (group.*field).w, least, kMaxExtent));
    }
  }
  PRIVDNN_RETURN_IF_ERROR(InRange("outputs", static_cast<int64_t>(outputs), 1, kMaxChannels));
  return InRange("values an image", static_cast<int64_t>(spec.values_per_image()), 1, kMaxValues);
}

absl::Status CheckRanges(const SegmentSpec& spec) {
  PRIVDNN_RETURN_IF_ERROR(InRange("channels", spec.channels, 1, kMaxChannels));
  // Products of two features have 32 bits; a linear segment's inputs may be shares.
  const int64_t most_bits = spec.kind == SegmentKind::kLinear ? kMaxShareBits : 15;
  PRIVDNN_RETURN_IF_ERROR(InRange("input_bits", spec.input_bits, 2, most_bits));
  for (const auto& [name, field] : kSizes) {
    PRIVDNN_RETURN_IF_ERROR(InRange(name, (spec.*field).h, 1, kMaxExtent));
    PRIVDNN_RETURN_IF_ERROR(InRange(name, (spec.*field).w, 1, kMaxExtent));
  }
  for (const Pads& p : {spec.pads1, spec.pads2}) {
    for (const uint32_t v : {p.top, p.left, p.bottom, p.right})
      PRIVDNN_RETURN_IF_ERROR(InRange("pad", v, 0, kMaxExtent));
  }
  PRIVDNN_RETURN_IF_ERROR(CheckGroups(spec));
  const uint64_t values = spec.channels * spec.input.area();
  if (values > kMaxInputValues)
    return InvalidArgument("segment: an input of {} values, at most {}", values, kMaxInputValues);
  const int64_t z_max = (int64_t{1} << (spec.input_bits - 1)) - 1;
  PRIVDNN_RETURN_IF_ERROR(InRange("zero_point", spec.zero_point, -z_max, z_max));
  if (!(spec.input_scale >= kMinInputScale && spec.input_scale <= kMaxInputScale)) {
    return InvalidArgument("segment: input_scale is {}, must be {} to {}", spec.input_scale, kMinInputScale,
                           kMaxInputScale);
  }
  PRIVDNN_RETURN_IF_ERROR(InRange("images_per_ciphertext", spec.images_per_ciphertext, 1, kMaxImagesPerCiphertext));
  if (spec.tiles.area() > kMaxTiles) {
    return InvalidArgument("segment: {}x{} tiles, at most {} together", spec.tiles.h, spec.tiles.w, kMaxTiles);
  }
  if (spec.tiles.area() > 1 && spec.images_per_ciphertext > 1) {
    return InvalidArgument("segment: {} images a ciphertext and {} tiles; an image in tiles has ciphertexts of its own",
                           spec.images_per_ciphertext, spec.tiles.area());
  }
  if (spec.kind == SegmentKind::kLinear) {
    const Size2 one;
    const bool plain = spec.kernel1 == one && spec.stride1 == one && spec.pool1 == one && spec.pool1_stride == one &&
                       spec.pads2 == Pads{};
    if (!plain || spec.groups.size() > 1) {
      return InvalidArgument("segment: a linear segment has no layer before a square, and one group of outputs");
    }
  }
  return absl::OkStatus();
}

// Output size of a window that slides without padding.
absl::StatusOr<Size2> Slide(const char* what, Size2 size, Size2 kernel, Size2 stride) {
  if (size.h < kernel.h || size.w < kernel.w) {
    return InvalidArgument("segment: {} of {}x{} does not fit its {}x{} input", what, kernel.h, kernel.w, size.h,
                           size.w);
  }
  return Size2{(size.h - kernel.h) / stride.h + 1, (size.w - kernel.w) / stride.w + 1};
}

Size2 Pad(Size2 size, const Pads& pads) { return {size.h + pads.top + pads.bottom, size.w + pads.left + pads.right}; }

// Rows (or columns) of an output map that a tile gives: [first, second).
std::pair<uint32_t, uint32_t> Share(uint32_t tile, uint32_t step, uint32_t stride, uint32_t size) {
  const uint64_t first = uint64_t{tile} * step / stride, last = first + step / stride;
  return {static_cast<uint32_t>(std::min<uint64_t>(first, size)),
          static_cast<uint32_t>(std::min<uint64_t>(last, size))};
}

// How tiles cut one axis of the grid.
struct Axis {
  uint64_t step, size;  // of a tile
};

// Per group: {stride, outputs, origin, kernel}.
using AxisGroup = std::array<uint64_t, 4>;

absl::StatusOr<Axis> CutAxis(const char* axis, uint32_t tiles, const std::vector<AxisGroup>& groups) {
  uint64_t unit = 1, span = 0, needed = 0, beyond = 0;
  for (const auto& [stride, outputs, origin, kernel] : groups) {
    unit = std::lcm(unit, stride);
    span = std::max(span, stride * outputs);
    needed = std::max(needed, origin + stride * (outputs - 1) + kernel);
  }
  const uint64_t step = ((span + tiles - 1) / tiles + unit - 1) / unit * unit;
  // A kernel may reach beyond its stride; one that doesn't still fills its stride.
  for (const auto& [stride, outputs, origin, kernel] : groups) {
    beyond = std::max(beyond, origin + kernel > stride ? origin + kernel - stride : 0);
  }
  if ((span + step - 1) / step != tiles) {
    return InvalidArgument("segment: {} {} positions in steps of {} make {} tiles, not {}", span, axis, step,
                           (span + step - 1) / step, tiles);
  }
  return Axis{step, tiles == 1 ? needed : step + beyond};
}

}  // namespace

uint32_t SegmentSpec::outputs() const {
  return std::accumulate(groups.begin(), groups.end(), 0U,
                         [](uint32_t sum, const OutputGroup& g) { return sum + g.outputs; });
}

uint64_t SegmentSpec::values_per_image() const {
  return std::accumulate(groups.begin(), groups.end(), uint64_t{0},
                         [](uint64_t sum, const OutputGroup& g) { return sum + g.outputs * g.positions(); });
}

void WriteSpec(const SegmentSpec& spec, ByteWriter& writer) {
  writer.U32(static_cast<uint32_t>(spec.kind));
  writer.U32(spec.channels);
  for (const auto& [name, field] : kSizes) {
    writer.U32((spec.*field).h);
    writer.U32((spec.*field).w);
  }
  for (const Pads& p : {spec.pads1, spec.pads2}) {
    for (const uint32_t v : {p.top, p.left, p.bottom, p.right}) writer.U32(v);
  }
  writer.U32(spec.images_per_ciphertext);
  writer.U32(spec.input_bits);
  writer.F64(spec.input_scale);
  writer.U32(static_cast<uint32_t>(spec.zero_point));
  writer.U32(static_cast<uint32_t>(spec.groups.size()));
  for (const OutputGroup& group : spec.groups) {
    writer.U32(group.outputs);
    for (const auto& [name, field, least] : kGroupSizes) {
      writer.U32((group.*field).h);
      writer.U32((group.*field).w);
    }
  }
}

absl::StatusOr<SegmentSpec> ReadSpec(ByteReader& reader) {
  SegmentSpec spec;
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t kind, reader.U32InRange(0, 1, "segment kind"));
  spec.kind = static_cast<SegmentKind>(kind);
  PRIVDNN_ASSIGN_OR_RETURN(spec.channels, reader.U32("channels"));
  for (const auto& [name, field] : kSizes) {
    PRIVDNN_ASSIGN_OR_RETURN((spec.*field).h, reader.U32(name));
    PRIVDNN_ASSIGN_OR_RETURN((spec.*field).w, reader.U32(name));
  }
  for (Pads* p : {&spec.pads1, &spec.pads2}) {
    for (uint32_t* v : {&p->top, &p->left, &p->bottom, &p->right}) {
      PRIVDNN_ASSIGN_OR_RETURN(*v, reader.U32("pad"));
    }
  }
  PRIVDNN_ASSIGN_OR_RETURN(spec.images_per_ciphertext, reader.U32("images_per_ciphertext"));
  PRIVDNN_ASSIGN_OR_RETURN(spec.input_bits, reader.U32("input_bits"));
  PRIVDNN_ASSIGN_OR_RETURN(spec.input_scale, reader.F64("input_scale"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t zero_point, reader.U32("zero_point"));
  spec.zero_point = static_cast<int32_t>(zero_point);
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t groups, reader.U32InRange(1, 2, "number of output groups"));
  for (uint32_t i = 0; i < groups; ++i) {
    OutputGroup group;
    PRIVDNN_ASSIGN_OR_RETURN(group.outputs, reader.U32("outputs"));
    for (const auto& [name, field, least] : kGroupSizes) {
      PRIVDNN_ASSIGN_OR_RETURN((group.*field).h, reader.U32(name));
      PRIVDNN_ASSIGN_OR_RETURN((group.*field).w, reader.U32(name));
    }
    spec.groups.push_back(group);
  }
  PRIVDNN_RETURN_IF_ERROR(CheckRanges(spec));
  return spec;
}

absl::StatusOr<Geometry> Geometry::Create(const SegmentSpec& spec, size_t n) {
  PRIVDNN_RETURN_IF_ERROR(CheckRanges(spec));
  Geometry g;
  g.spec_ = spec;
  g.n_ = n;
  PRIVDNN_RETURN_IF_ERROR(g.Fit());
  PRIVDNN_RETURN_IF_ERROR(g.Tile());
  PRIVDNN_RETURN_IF_ERROR(g.Pack());
  return g;
}

absl::Status Geometry::Fit() {
  PRIVDNN_ASSIGN_OR_RETURN(const Size2 conv1,
                           Slide("conv1", Pad(spec_.input, spec_.pads1), spec_.kernel1, spec_.stride1));
  PRIVDNN_ASSIGN_OR_RETURN(layer1_, Slide("pool1", conv1, spec_.pool1, spec_.pool1_stride));
  grid_ = Pad(layer1_, spec_.pads2);
  for (const OutputGroup& group : spec_.groups) {
    const uint64_t rows = group.origin.h + uint64_t{group.stride.h} * (group.map.h - 1) + group.kernel.h;
    const uint64_t columns = group.origin.w + uint64_t{group.stride.w} * (group.map.w - 1) + group.kernel.w;
    if (rows > grid_.h || columns > grid_.w) {
      return InvalidArgument("segment: outputs of {}x{} read {}x{} positions of a {}x{} grid", group.map.h, group.map.w,
                             rows, columns, grid_.h, grid_.w);
    }
  }
  z_stride_ = {spec_.stride1.h * spec_.pool1_stride.h, spec_.stride1.w * spec_.pool1_stride.w};
  z_map_ = {z_stride_.h * (layer1_.h - 1) + spec_.kernel1.h, z_stride_.w * (layer1_.w - 1) + spec_.kernel1.w};

  // Padding is free to state but not to fill in, and neither is the area of a pool.
  const uint64_t z_values = spec_.channels * z_map_.area();
  if (z_values > kMaxInputValues) {
    return InvalidArgument("segment: layer 1 reads a padded input of {} values, at most {}", z_values, kMaxInputValues);
  }
  const uint64_t additions = z_values * spec_.pool1.area();
  if (additions > kMaxAdditions) {
    return InvalidArgument("segment: averaging {} values over {}x{} takes more than {} additions", z_values,
                           spec_.pool1.h, spec_.pool1.w, kMaxAdditions);
  }
  const uint64_t window = spec_.channels * spec_.kernel1.area();
  const uint64_t most = spec_.kind == SegmentKind::kLinear ? kMaxChannels : kMaxWindow;
  if (window > most) {
    return InvalidArgument("segment: layer 1 reads {} values a position, at most {} can be lifted", window, most);
  }
  if (window * layer1_.area() > kMaxPlaneValues) {
    return InvalidArgument("segment: layer 1 reads {} values at each of {}x{} positions, at most {} in all", window,
                           layer1_.h, layer1_.w, kMaxPlaneValues);
  }
  window_ = static_cast<uint32_t>(window);
  products_ = spec_.kind == SegmentKind::kLinear ? 0 : window_ * (window_ + 1) / 2;
  return absl::OkStatus();
}

absl::Status Geometry::Tile() {
  std::vector<AxisGroup> rows, columns;
  for (const OutputGroup& g : spec_.groups) {
    rows.push_back({g.stride.h, g.map.h, g.origin.h, g.kernel.h});
    columns.push_back({g.stride.w, g.map.w, g.origin.w, g.kernel.w});
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Axis h, CutAxis("row", spec_.tiles.h, rows));
  PRIVDNN_ASSIGN_OR_RETURN(const Axis w, CutAxis("column", spec_.tiles.w, columns));
  const uint64_t per_channel = h.size * w.size * spec_.images_per_ciphertext;
  if (h.size > n_ || w.size > n_ || per_channel > n_) {
    return InvalidArgument("segment: {} map(s) of {}x{} positions (padding included) are more than N = {} coefficients",
                           spec_.images_per_ciphertext, h.size, w.size, n_);
  }
  tile_step_ = {static_cast<uint32_t>(h.step), static_cast<uint32_t>(w.step)};
  tile_map_ = {static_cast<uint32_t>(h.size), static_cast<uint32_t>(w.size)};
  return absl::OkStatus();
}

absl::Status Geometry::Pack() {
  const auto hw = static_cast<uint32_t>(tile_map_.area());
  const uint32_t images = spec_.images_per_ciphertext;
  channels_per_poly_ = static_cast<uint32_t>(n_ / (uint64_t{images} * hw));
  for (size_t k = 0; k < spec_.groups.size(); ++k) {
    const Size2 stride = spec_.groups[k].stride;
    for (uint32_t tile = 0; tile < num_tiles(); ++tile) {
      const auto [top, left, rows, columns] = patch(tile, k);
      const auto same = [&, r = rows, c = columns](const Shape& s) { return s.rows == r && s.columns == c; };
      if (std::ranges::any_of(shapes_[k], same)) continue;
      Shape shape{rows, columns, {}};
      for (uint32_t m = 0; m < images; ++m) {
        for (uint32_t i = 0; i < rows; ++i) {
          for (uint32_t j = 0; j < columns; ++j) {
            shape.coefficients.push_back(offset(k) + m * hw + i * stride.h * tile_map_.w + j * stride.w);
          }
        }
      }
      // They follow from the checks before; a decryption beyond the polynomial must not depend on that.
      if (!shape.coefficients.empty() && shape.coefficients.back() >= n_) {
        return InvalidArgument("segment: output coefficient {} is beyond N = {}", shape.coefficients.back(), n_);
      }
      shapes_[k].push_back(std::move(shape));
    }
  }
  return absl::OkStatus();
}

std::pair<uint32_t, uint32_t> Geometry::pair(uint32_t d) const {
  // Rows of the triangle before row i hold i (2K + 1 - i) / 2 features.
  const uint64_t k = window_;
  const auto before = [k](uint64_t i) { return i * (2 * k + 1 - i) / 2; };
  const double b = static_cast<double>(2 * k + 1);
  auto i = static_cast<uint64_t>((b - std::sqrt(b * b - 8.0 * d)) / 2);
  while (i > 0 && before(i) > d) --i;
  while (before(i + 1) <= d) ++i;
  return {static_cast<uint32_t>(i), static_cast<uint32_t>(i + d - before(i))};
}

uint32_t Geometry::offset(size_t group) const {
  const OutputGroup& g = spec_.groups[group];
  const uint64_t channels = (uint64_t{channels_per_poly_} - 1) * spec_.images_per_ciphertext * tile_map_.area();
  return static_cast<uint32_t>(channels + uint64_t{g.origin.h + g.kernel.h - 1} * tile_map_.w + g.origin.w +
                               g.kernel.w - 1);
}

Geometry::Patch Geometry::patch(uint32_t tile, size_t group) const {
  const OutputGroup& g = spec_.groups[group];
  const auto [top, bottom] = Share(tile / spec_.tiles.w, tile_step_.h, g.stride.h, g.map.h);
  const auto [left, right] = Share(tile % spec_.tiles.w, tile_step_.w, g.stride.w, g.map.w);
  return {top, left, bottom - top, right - left};
}

uint32_t Geometry::features() const { return spec_.kind == SegmentKind::kLinear ? window_ : products_ + window_ + 1; }

uint32_t Geometry::terms() const { return (features() + channels_per_poly_ - 1) / channels_per_poly_; }

int64_t Geometry::max_abs_feature(uint32_t d) const {
  if (spec_.kind == SegmentKind::kLinear) return z_max();
  if (d < products_) return static_cast<int64_t>(z_max()) * z_max();
  if (d < products_ + window_) return static_cast<int64_t>(z_max()) << linear_shift();
  return max_feature();
}

int64_t Geometry::max_feature() const {
  return spec_.kind == SegmentKind::kLinear ? std::max(z_max(), 2) : int64_t{1} << constant_shift();
}

uint64_t Geometry::first_value(uint32_t f) const {
  const OutputGroup& first = spec_.groups[0];
  if (f < first.outputs) return f * first.positions();
  return first.outputs * first.positions() + (f - first.outputs) * spec_.groups[1].positions();
}

uint64_t Geometry::units(uint64_t images) const {
  return (images + spec_.images_per_ciphertext - 1) / spec_.images_per_ciphertext * num_tiles();
}

Geometry::Unit Geometry::unit(uint64_t index, uint64_t images) const {
  const uint64_t first = index / num_tiles() * spec_.images_per_ciphertext;
  return {first, static_cast<uint32_t>(std::min<uint64_t>(spec_.images_per_ciphertext, images - first)),
          static_cast<uint32_t>(index % num_tiles())};
}

std::span<const uint32_t> Geometry::positions(const Unit& unit, uint32_t f) const {
  const Patch p = patch(unit.tile, group(f));
  for (const Shape& shape : shapes_[group(f)]) {
    if (shape.rows == p.rows && shape.columns == p.columns) {
      return std::span(shape.coefficients).first(size_t{p.positions()} * unit.images);
    }
  }
  return {};
}

}  // namespace privdnn
