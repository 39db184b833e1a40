#include "lifting/geometry.h"

#include <array>

namespace privdnn {
namespace {

// Sanity bounds on untrusted fields: far beyond any real layer, small enough that no product below overflows 64 bits.
constexpr uint32_t kMaxExtent = 1 << 14;
constexpr uint32_t kMaxChannels = 1 << 14;
constexpr uint64_t kMaxInputValues = uint64_t{1} << 26;
constexpr uint32_t kMaxWindow = 2048;  // K; D is then about 2 million
// So that pixels can be divided by it without overflow.
constexpr double kMinInputScale = 1e-30, kMaxInputScale = 1e30;
// Additions that averaging the input may take an image: about a second.
constexpr uint64_t kMaxAdditions = uint64_t{1} << 30;

struct SizeField {
  const char* name;
  Size2 SegmentSpec::*field;
};
constexpr std::array<SizeField, 9> kSizes = {{{"input", &SegmentSpec::input},
                                              {"kernel1", &SegmentSpec::kernel1},
                                              {"stride1", &SegmentSpec::stride1},
                                              {"pool1", &SegmentSpec::pool1},
                                              {"pool1_stride", &SegmentSpec::pool1_stride},
                                              {"kernel2", &SegmentSpec::kernel2},
                                              {"stride2", &SegmentSpec::stride2},
                                              {"pool2", &SegmentSpec::pool2},
                                              {"pool2_stride", &SegmentSpec::pool2_stride}}};

absl::Status InRange(const char* name, int64_t value, int64_t min, int64_t max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return InvalidArgument("segment: {} is {}, must be {} to {}", name, value, min, max);
}

absl::Status CheckRanges(const SegmentSpec& spec) {
  PRIVDNN_RETURN_IF_ERROR(InRange("channels", spec.channels, 1, kMaxChannels));
  PRIVDNN_RETURN_IF_ERROR(InRange("outputs", spec.outputs, 1, kMaxChannels));
  PRIVDNN_RETURN_IF_ERROR(InRange("input_bits", spec.input_bits, 2, 15));
  for (const auto& [name, field] : kSizes) {
    PRIVDNN_RETURN_IF_ERROR(InRange(name, (spec.*field).h, 1, kMaxExtent));
    PRIVDNN_RETURN_IF_ERROR(InRange(name, (spec.*field).w, 1, kMaxExtent));
  }
  for (const Pads& p : {spec.pads1, spec.pads2}) {
    for (const uint32_t v : {p.top, p.left, p.bottom, p.right})
      PRIVDNN_RETURN_IF_ERROR(InRange("pad", v, 0, kMaxExtent));
  }
  const uint64_t values = uint64_t{spec.channels} * spec.input.h * spec.input.w;
  if (values > kMaxInputValues)
    return InvalidArgument("segment: an input of {} values, at most {}", values, kMaxInputValues);
  const int64_t z_max = (int64_t{1} << (spec.input_bits - 1)) - 1;
  PRIVDNN_RETURN_IF_ERROR(InRange("zero_point", spec.zero_point, -z_max, z_max));
  if (!(spec.input_scale >= kMinInputScale && spec.input_scale <= kMaxInputScale)) {
    return InvalidArgument("segment: input_scale is {}, must be {} to {}", spec.input_scale, kMinInputScale,
                           kMaxInputScale);
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

}  // namespace

void WriteSpec(const SegmentSpec& spec, ByteWriter& writer) {
  writer.U32(spec.channels);
  for (const auto& [name, field] : kSizes) {
    writer.U32((spec.*field).h);
    writer.U32((spec.*field).w);
  }
  for (const Pads& p : {spec.pads1, spec.pads2}) {
    for (const uint32_t v : {p.top, p.left, p.bottom, p.right}) writer.U32(v);
  }
  writer.U32(spec.outputs);
  writer.U32(spec.input_bits);
  writer.F64(spec.input_scale);
  writer.U32(static_cast<uint32_t>(spec.zero_point));
}

absl::StatusOr<SegmentSpec> ReadSpec(ByteReader& reader) {
  SegmentSpec spec;
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
  PRIVDNN_ASSIGN_OR_RETURN(spec.outputs, reader.U32("outputs"));
  PRIVDNN_ASSIGN_OR_RETURN(spec.input_bits, reader.U32("input_bits"));
  PRIVDNN_ASSIGN_OR_RETURN(spec.input_scale, reader.F64("input_scale"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t zero_point, reader.U32("zero_point"));
  spec.zero_point = static_cast<int32_t>(zero_point);
  PRIVDNN_RETURN_IF_ERROR(CheckRanges(spec));
  return spec;
}

absl::StatusOr<Geometry> Geometry::Create(const SegmentSpec& spec, size_t n) {
  PRIVDNN_RETURN_IF_ERROR(CheckRanges(spec));
  Geometry g;
  g.spec_ = spec;
  g.n_ = n;
  const Size2 padded = Pad(spec.input, spec.pads1);
  PRIVDNN_ASSIGN_OR_RETURN(const Size2 conv1, Slide("conv1", padded, spec.kernel1, spec.stride1));
  PRIVDNN_ASSIGN_OR_RETURN(g.layer1_, Slide("pool1", conv1, spec.pool1, spec.pool1_stride));
  g.grid_ = Pad(g.layer1_, spec.pads2);
  PRIVDNN_ASSIGN_OR_RETURN(const Size2 conv2, Slide("conv2", g.grid_, spec.kernel2, spec.stride2));
  PRIVDNN_ASSIGN_OR_RETURN(g.output_, Slide("pool2", conv2, spec.pool2, spec.pool2_stride));

  g.z_stride_ = {spec.stride1.h * spec.pool1_stride.h, spec.stride1.w * spec.pool1_stride.w};
  g.z_map_ = {g.z_stride_.h * (g.layer1_.h - 1) + spec.kernel1.h, g.z_stride_.w * (g.layer1_.w - 1) + spec.kernel1.w};
  g.stride_ = {spec.stride2.h * spec.pool2_stride.h, spec.stride2.w * spec.pool2_stride.w};
  g.kernel_ = {spec.kernel2.h + spec.stride2.h * (spec.pool2.h - 1),
               spec.kernel2.w + spec.stride2.w * (spec.pool2.w - 1)};

  // Padding is free to state but not to fill in, and neither is the area of a pool.
  const uint64_t z_values = uint64_t{spec.channels} * g.z_map_.h * g.z_map_.w;
  if (z_values > kMaxInputValues) {
    return InvalidArgument("segment: layer 1 reads a padded input of {} values, at most {}", z_values, kMaxInputValues);
  }
  const uint64_t additions = z_values * spec.pool1.h * spec.pool1.w;
  if (additions > kMaxAdditions) {
    return InvalidArgument("segment: averaging {} values over {}x{} takes more than {} additions", z_values,
                           spec.pool1.h, spec.pool1.w, kMaxAdditions);
  }

  const uint64_t window = static_cast<uint64_t>(spec.channels) * spec.kernel1.h * spec.kernel1.w;
  if (window > kMaxWindow) {
    return InvalidArgument("segment: layer 1 reads {} values a position, at most {} can be lifted", window, kMaxWindow);
  }
  g.window_ = static_cast<uint32_t>(window);
  const uint64_t hw = static_cast<uint64_t>(g.grid_.h) * g.grid_.w;
  if (hw > n) {
    return InvalidArgument("segment: a layer-1 map of {}x{} (padding included) has {} positions, more than N = {}",
                           g.grid_.h, g.grid_.w, hw, n);
  }
  g.channels_per_poly_ = static_cast<uint32_t>(n / hw);
  g.offset_ = static_cast<uint32_t>((g.channels_per_poly_ - 1) * hw + (g.kernel_.h - 1) * g.grid_.w + g.kernel_.w - 1);
  for (uint32_t i = 0; i < g.window_; ++i) {
    for (uint32_t j = i; j < g.window_; ++j) g.pairs_.emplace_back(i, j);
  }
  for (uint32_t i = 0; i < g.output_.h; ++i) {
    for (uint32_t j = 0; j < g.output_.w; ++j) {
      g.positions_.push_back(g.offset_ + i * g.stride_.h * g.grid_.w + j * g.stride_.w);
    }
  }
  return g;
}

int64_t Geometry::max_abs_feature(uint32_t d) const {
  if (d < products()) return static_cast<int64_t>(z_max()) * z_max();
  if (d < products() + window_) return static_cast<int64_t>(z_max()) << linear_shift();
  return int64_t{1} << constant_shift();
}

}  // namespace privdnn
