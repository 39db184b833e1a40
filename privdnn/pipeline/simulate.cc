#include "privdnn/pipeline/simulate.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>

#include "privdnn/base/parallel.h"
#include "privdnn/graph/output_kind.h"
#include "privdnn/segment/reference.h"
#include "privdnn/torch/dense.h"
#include "privdnn/torch/predict.h"

namespace privdnn {
namespace {

constexpr int64_t kBatch = 50;
// Integers up to this are exact as doubles, and so are sums of them.
constexpr int64_t kMostExact = int64_t{1} << 53;

// The feature maps of one image on the grid, [feature][row][column], from its z map (see Geometry).
std::vector<double> FeatureMaps(const Geometry& g, std::span<const int16_t> z) {
  const SegmentSpec& s = g.spec();
  const size_t area = g.grid().area();
  std::vector<double> maps(g.features() * area);
  std::vector<double> window(g.window());
  for (uint32_t h = 0; h < g.layer1().h; ++h) {
    for (uint32_t w = 0; w < g.layer1().w; ++w) {
      size_t k = 0;
      for (uint32_t c = 0; c < s.channels; ++c) {
        for (uint32_t a = 0; a < s.kernel1.h; ++a) {
          for (uint32_t b = 0; b < s.kernel1.w; ++b) {
            const size_t row = size_t{c} * g.z_map().h + h * g.z_stride().h + a;
            window[k++] = z[row * g.z_map().w + w * g.z_stride().w + b];
          }
        }
      }
      double* at = maps.data() + size_t{h + s.pads2.top} * g.grid().w + w + s.pads2.left;
      const auto put = [&](double value) {
        *at = value;
        at += area;
      };
      if (s.kind == SegmentKind::kLinear) {
        std::ranges::for_each(window, put);
        continue;
      }
      for (size_t i = 0; i < window.size(); ++i) {
        for (size_t j = i; j < window.size(); ++j) put(window[i] * window[j]);
      }
      for (const double v : window) put(std::ldexp(v, static_cast<int>(g.linear_shift())));
      put(std::ldexp(1.0, static_cast<int>(g.constant_shift())));
    }
  }
  return maps;
}

// The part of feature maps in which a group's kernels move: from its origin on.
std::vector<double> FromOrigin(const Geometry& g, const OutputGroup& group, const std::vector<double>& maps,
                               std::array<int64_t, 2>& sides) {
  const Size2 grid = g.grid();
  const uint32_t rows = (group.map.h - 1) * group.stride.h + group.kernel.h;
  const uint32_t columns = (group.map.w - 1) * group.stride.w + group.kernel.w;
  sides = {rows, columns};
  if (rows == grid.h && columns == grid.w) return maps;
  std::vector<double> part;
  part.reserve(size_t{g.features()} * rows * columns);
  for (uint32_t d = 0; d < g.features(); ++d) {
    for (uint32_t row = 0; row < rows; ++row) {
      const auto begin = maps.begin() + static_cast<std::ptrdiff_t>(
                                            (size_t{d} * grid.h + group.origin.h + row) * grid.w + group.origin.w);
      part.insert(part.end(), begin, begin + columns);
    }
  }
  return part;
}

// Steps `part` of 3 of one progress bar.
ProgressFn Third(const ProgressFn& progress, uint64_t part, int64_t images) {
  if (!progress) return {};
  const auto count = static_cast<uint64_t>(images);
  return
      [=](uint64_t done, uint64_t, const std::string& note) { return progress(part * count + done, 3 * count, note); };
}

}  // namespace

SegmentSimulation::SegmentSimulation(const QuantizedSegment& segment, const Geometry& geometry)
    : segment_(segment), geometry_(geometry), exact_in_doubles_(segment.worst_case < kMostExact) {
  if (!exact_in_doubles_) return;
  for (uint32_t f = 0; f < segment.kernels.size(); ++f) {
    const std::span<const int32_t> kernel = segment.kernels[f].Reveal();
    auto& all = kernels_[geometry.group(f)];
    all.insert(all.end(), kernel.begin(), kernel.end());
  }
}

absl::Status SegmentSimulation::RunImage(std::span<const int16_t> z, std::span<int64_t> outputs) const {
  const Geometry& g = geometry_;
  if (!exact_in_doubles_) {
    std::ranges::copy(ReferenceOutputs(g, segment_, z), outputs.begin());
    return absl::OkStatus();
  }
  const std::vector<double> maps = FeatureMaps(g, z);
  const std::span<const int64_t> bias = segment_.bias.Reveal();
  uint32_t f = 0;
  auto to = outputs.begin();
  for (size_t k = 0; k < g.spec().groups.size(); ++k) {
    const OutputGroup& group = g.spec().groups[k];
    std::array<int64_t, 2> sides{};
    const std::vector<double> part = FromOrigin(g, group, maps, sides);
    const DenseConvolutionView convolution{
        {group.outputs, g.features(), group.kernel.h, group.kernel.w}, {group.stride.h, group.stride.w}, kernels_[k]};
    PRIVDNN_ASSIGN_OR_RETURN(const std::vector<double> y, Convolve(convolution, part, sides));
    for (size_t i = 0; i < y.size(); ++i) *to++ = static_cast<int64_t>(y[i]) + bias[f + i / group.positions()];
    f += group.outputs;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int64_t>> SegmentSimulation::Run(std::span<const float> inputs, int64_t images, int threads,
                                                            Clamping& clamping) const {
  const auto count = static_cast<size_t>(images);
  const size_t size = inputs.size() / count, per_image = geometry_.spec().values_per_image();
  std::vector<int64_t> outputs(count * per_image);
  std::vector<Clamping> each(count);
  std::mutex mutex;
  absl::Status failed;
  ParallelFor(count, threads, [&](size_t i) {
    const auto z = QuantizeInput(geometry_, inputs.subspan(i * size, size), each[i]);
    const absl::Status status = RunImage(z, std::span(outputs).subspan(i * per_image, per_image));
    if (status.ok()) return;
    const std::lock_guard lock(mutex);
    failed.Update(status);
  });
  PRIVDNN_RETURN_IF_ERROR(failed);
  for (const Clamping& image : each) clamping += image;
  return outputs;
}

int64_t Simulation::DecisionsChanged() const {
  int64_t changed = 0;
  for (size_t i = 0; i < predictions.size(); ++i) changed += predictions[i] != separated[i];
  return changed;
}

absl::StatusOr<Simulation> Simulate(const ModelPlan& plan, const ImageSet& images, bool labelled, int threads,
                                    const ProgressFn& progress) {
  PRIVDNN_ASSIGN_OR_RETURN(const OutputKind kind, FindOutputKind(plan.graph));
  if (kind == OutputKind::kMap) return InvalidArgument("simulation: the network's output is a map");
  std::vector<RestNetwork::SegmentOutputs> outputs;
  std::vector<SegmentSimulation> segments;
  std::vector<Segment> parts;
  for (const PlannedSegment& s : plan.segments) {
    outputs.push_back({&s.quantized.spec, s.quantized.output_scale});
    segments.emplace_back(s.quantized, s.plan.geometry());
    parts.push_back(s.segment);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const RestNetwork rest, RestNetwork::Create(plan.rest_model, outputs));
  ImageSet fitted = images;
  PRIVDNN_RETURN_IF_ERROR(FitInputs(rest.image_shape(), fitted));
  Simulation result;
  result.clamping.resize(segments.size());
  const auto scores = [&](Tensor some) -> absl::StatusOr<Tensor> {
    RestNetwork::Evaluation evaluation = rest.Start(std::move(some));
    for (size_t k = 0; k < segments.size(); ++k) {
      PRIVDNN_ASSIGN_OR_RETURN(const Tensor feed, rest.Feed(k, evaluation));
      PRIVDNN_ASSIGN_OR_RETURN(const std::vector<int64_t> y,
                               segments[k].Run(feed.values, evaluation.images, threads, result.clamping[k]));
      rest.Provide(k, y, evaluation);
    }
    return rest.Scores(evaluation);
  };
  PRIVDNN_ASSIGN_OR_RETURN(const Tensor rounded, EvaluateAll(fitted, kBatch, scores, Third(progress, 0, images.count)));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, Separate(plan.graph, parts));
  PRIVDNN_ASSIGN_OR_RETURN(const Tensor separated, EvaluateWith(graph, fitted, Third(progress, 1, images.count)));
  PRIVDNN_ASSIGN_OR_RETURN(const Tensor original, EvaluateWith(plan.graph, fitted, Third(progress, 2, images.count)));
  result.outputs = kind;
  result.predictions = Decide(kind, rounded);
  result.separated = Decide(kind, separated);
  result.original = Decide(kind, original);
  result.rounding_percent = DeviationPercent(rounded, separated);
  result.separation_percent = DeviationPercent(separated, original);
  if (labelled && kind == OutputKind::kClasses) {
    result.accuracies = {AccuracyPercent(result.original, images.labels),
                         AccuracyPercent(result.separated, images.labels),
                         AccuracyPercent(result.predictions, images.labels)};
  }
  return result;
}

}  // namespace privdnn
