#include "privdnn/pipeline/rest_network.h"

#include <algorithm>
#include <set>

#include "privdnn/graph/fold.h"
#include "privdnn/graph/memory.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/partition/partition.h"

namespace privdnn {
namespace {

const ValueInfo* Find(const std::vector<ValueInfo>& values, const std::string& name) {
  const auto found = std::ranges::find(values, name, &ValueInfo::name);
  return found == values.end() ? nullptr : &*found;
}

// Whether a value (-1, C, H, W), or (-1, C) of one position, has this shape.
bool HasShape(const std::vector<int64_t>& shape, int64_t channels, Size2 map) {
  if (shape.size() == 2) return shape[1] == channels && map.area() == 1;
  return shape == std::vector<int64_t>{-1, channels, map.h, map.w};
}

}  // namespace

// The inputs and the output of the rest network that belong to segment k.
absl::StatusOr<RestNetwork::Segment> RestNetwork::Connect(const Graph& graph, size_t k, const SegmentOutputs& outputs) {
  const SegmentSpec& spec = *outputs.spec;
  Segment segment{{}, spec.values_per_image(), {}};
  uint64_t first = 0;
  size_t output = 0;
  for (const OutputGroup& group : spec.groups) {
    const std::string name = segment.slots.empty() ? SegmentInputName(k) : ShortcutInputName(k);
    const ValueInfo* value = Find(graph.inputs, name);
    if (!value || !HasShape(value->shape, group.outputs, group.map)) {
      return InvalidArgument("package: plaintext model: input '{}' is not there or has not the segment's shape", name);
    }
    Slot slot{name, value->shape, first, group.outputs * group.positions(), {}};
    for (uint32_t f = 0; f < group.outputs; ++f) slot.scale.push_back(outputs.output_scale[output++]);
    first += slot.values;
    segment.slots.push_back(std::move(slot));
  }
  const ValueInfo* feed = Find(graph.outputs, FeedOutputName(k));
  if (!feed) {
    const auto image = std::ranges::find_if_not(graph.inputs, IsSegmentInput, &ValueInfo::name);
    feed = &*image;
  }
  if (!HasShape(feed->shape, spec.channels, spec.input)) {
    return InvalidArgument("package: plaintext model: segment {} reads '{}', which has not its shape", k, feed->name);
  }
  segment.feed = feed->name;
  return segment;
}

absl::StatusOr<RestNetwork> RestNetwork::Create(const Package& package) {
  std::vector<SegmentOutputs> segments;
  for (const PreparedSegment& segment : package.segments()) {
    if (segment.parameters.spec().shares) {
      return InvalidArgument("the package is sealed: its outputs stay shared, and only `infer` and `inspect` take it");
    }
    segments.push_back({&segment.header.spec, segment.header.output_scale});
  }
  auto rest = Create(package.rest_model(), segments);
  package.DropResidentPages();
  return rest;
}

absl::StatusOr<RestNetwork> RestNetwork::Create(std::span<const uint8_t> model,
                                                std::span<const SegmentOutputs> outputs) {
  PRIVDNN_ASSIGN_OR_RETURN(Graph graph, ImportOnnx(model, "package: plaintext model"));
  const size_t segments = outputs.size();
  const auto images =
      std::ranges::count_if(graph.inputs, [](const ValueInfo& value) { return !IsSegmentInput(value.name); });
  if (images != 1 || graph.outputs.empty()) {
    return InvalidArgument("package: plaintext model: has {} inputs for images and {} outputs, must have 1 and some",
                           images, graph.outputs.size());
  }
  RestNetwork rest;
  const auto& image = *std::ranges::find_if_not(graph.inputs, IsSegmentInput, &ValueInfo::name);
  PRIVDNN_ASSIGN_OR_RETURN(rest.bytes_per_image_, PeakBytesPerImage(graph));
  rest.input_ = image.name;
  rest.image_shape_.assign(image.shape.begin() + 1, image.shape.end());
  rest.output_ = graph.outputs[0].name;
  if (rest.image_shape_.empty() || rest.image_shape_.size() > 3) {
    return InvalidArgument("package: plaintext model: input '{}' has {} dimensions an image, needs 1 to 3", rest.input_,
                           rest.image_shape_.size());
  }
  if (graph.outputs[0].shape.size() != 2) {
    return InvalidArgument("package: plaintext model: output '{}' is not (images, scores)", rest.output_);
  }
  rest.columns_ = graph.outputs[0].shape[1];
  PRIVDNN_ASSIGN_OR_RETURN(rest.output_kind_, FindOutputKind(graph));
  for (size_t k = 0; k < segments; ++k) {
    PRIVDNN_ASSIGN_OR_RETURN(Segment segment, Connect(graph, k, outputs[k]));
    rest.segments_.push_back(std::move(segment));
  }
  for (const ValueInfo& value : graph.inputs) {
    const bool provided = value.name == rest.input_ || std::ranges::any_of(rest.segments_, [&](const Segment& s) {
                            return std::ranges::find(s.slots, value.name, &Slot::name) != s.slots.end();
                          });
    if (!provided) return InvalidArgument("package: plaintext model: nothing provides input '{}'", value.name);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto stages, SplitStages(graph, segments));
  graph = {};  // so that no more copies of the weights than needed are in memory at a time
  for (const Graph& stage : stages) {
    if (stage.nodes.empty()) {
      rest.stages_.emplace_back();
      continue;
    }
    PRIVDNN_ASSIGN_OR_RETURN(const Graph folded, FoldBatchNormalization(stage));
    PRIVDNN_ASSIGN_OR_RETURN(Executor executor, Executor::Create(folded));
    Stage compiled{std::move(executor), {}};
    for (const ValueInfo& value : stage.inputs) compiled.inputs.push_back(value.name);
    rest.stages_.emplace_back(std::move(compiled));
  }
  return rest;
}

RestNetwork::Evaluation RestNetwork::Start(Tensor images) const {
  Evaluation evaluation;
  evaluation.images = images.dim(0);
  images.shape.resize(1);
  images.shape.insert(images.shape.end(), image_shape_.begin(), image_shape_.end());
  evaluation.values.emplace(input_, std::move(images));
  return evaluation;
}

absl::Status RestNetwork::RunStage(size_t k, Evaluation& evaluation) const {
  if (!stages_[k]) return absl::OkStatus();
  std::map<std::string, Tensor> inputs;
  for (const std::string& name : stages_[k]->inputs) {
    const auto value = evaluation.values.find(name);
    if (value == evaluation.values.end()) {
      return FailedPrecondition("plaintext model: stage {} reads '{}', which has not been provided", k, name);
    }
    // The last reader takes the value itself.
    const bool read_later =
        name == output_ || std::any_of(stages_.begin() + static_cast<std::ptrdiff_t>(k) + 1, stages_.end(),
                                       [&](const std::optional<Stage>& stage) {
                                         return stage && std::ranges::count(stage->inputs, name) > 0;
                                       });
    const bool fed_later = std::any_of(segments_.begin() + static_cast<std::ptrdiff_t>(std::min(k, segments_.size())),
                                       segments_.end(), [&](const Segment& s) { return s.feed == name; });
    inputs.emplace(name, read_later || fed_later ? value->second : std::move(value->second));
  }
  PRIVDNN_ASSIGN_OR_RETURN(auto outputs, stages_[k]->executor.Run(inputs));
  for (auto& [name, tensor] : outputs) evaluation.values.insert_or_assign(name, std::move(tensor));
  return absl::OkStatus();
}

absl::StatusOr<Tensor> RestNetwork::Feed(size_t k, Evaluation& evaluation) const {
  PRIVDNN_RETURN_IF_ERROR(RunStage(k, evaluation));
  return evaluation.values.at(segments_[k].feed);
}

void RestNetwork::Provide(size_t k, std::span<const int64_t> outputs, Evaluation& evaluation) const {
  const Segment& segment = segments_[k];
  for (const Slot& slot : segment.slots) {
    Tensor tensor;
    tensor.shape = slot.shape;
    tensor.shape[0] = evaluation.images;
    tensor.values.reserve(static_cast<size_t>(evaluation.images) * slot.values);
    const uint64_t positions = slot.values / slot.scale.size();
    for (int64_t image = 0; image < evaluation.images; ++image) {
      const int64_t* y = outputs.data() + static_cast<uint64_t>(image) * segment.values_per_image + slot.first;
      for (const double scale : slot.scale) {
        for (uint64_t p = 0; p < positions; ++p) {
          tensor.values.push_back(static_cast<float>(static_cast<double>(*y++) * scale));
        }
      }
    }
    evaluation.values.insert_or_assign(slot.name, std::move(tensor));
  }
}

absl::StatusOr<Tensor> RestNetwork::Scores(Evaluation& evaluation) const {
  PRIVDNN_RETURN_IF_ERROR(RunStage(segments_.size(), evaluation));
  return std::move(evaluation.values.at(output_));
}

absl::StatusOr<Tensor> RestNetwork::WithoutOwner(Tensor images) const {
  Evaluation evaluation = Start(std::move(images));
  for (size_t k = 0; k < segments_.size(); ++k) {
    PRIVDNN_RETURN_IF_ERROR(RunStage(k, evaluation));
    const std::vector<int64_t> zeros(static_cast<size_t>(evaluation.images) * segments_[k].values_per_image);
    Provide(k, zeros, evaluation);
  }
  return Scores(evaluation);
}

}  // namespace privdnn
