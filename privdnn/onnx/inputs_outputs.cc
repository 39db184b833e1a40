#include <onnx/onnx_pb.h>

#include <algorithm>

#include "privdnn/onnx/importer.h"

namespace privdnn {
namespace {

using Shape = std::vector<int64_t>;

// Beyond any network of this kind, and few enough that renaming values to outputs, which looks at every node, stays
// short.
constexpr int kMaxOutputs = 256;

// The declared shape of a graph input or output; -1 for a dimension that isn't a positive number, nullopt if it has
// none.
absl::StatusOr<std::optional<Shape>> DeclaredShape(const onnx::ValueInfoProto& info) {
  if (!info.type().has_tensor_type()) return InvalidArgument("is not a tensor");
  const auto& type = info.type().tensor_type();
  if (!IsFloatType(type.elem_type())) {
    return InvalidArgument("its elements are of type {}; floats are supported", TypeName(type.elem_type()));
  }
  if (!type.has_shape()) return std::optional<Shape>();
  Shape shape;
  for (const auto& dim : type.shape().dim()) shape.push_back(dim.dim_value() > 0 ? dim.dim_value() : -1);
  return std::optional(std::move(shape));
}

// The shape of an input whose dimensions are all numbers, except for the batch, which comes first.
absl::StatusOr<Shape> CheckFixed(const onnx::ValueInfoProto& info, const std::optional<Shape>& declared) {
  if (!declared.has_value()) return FailedPrecondition("has no shape; an input shape must be given");
  if (declared->empty()) return InvalidArgument("has no batch dimension");
  for (size_t i = 1; i < declared->size(); ++i) {
    if ((*declared)[i] >= 1) continue;
    const std::string& symbol = info.type().tensor_type().shape().dim(static_cast<int>(i)).dim_param();
    return FailedPrecondition("dimension {}{} is not a positive number; an input shape must be given", i,
                              symbol.empty() ? "" : fmt::format(" ('{}')", symbol));
  }
  return *declared;
}

// The declared shape with `given` behind the batch, which it must not contradict.
absl::StatusOr<Shape> Complete(const std::optional<Shape>& declared, const Shape& given) {
  Shape shape = {declared.has_value() && !declared->empty() ? declared->front() : -1};
  shape.insert(shape.end(), given.begin(), given.end());
  const std::string text = fmt::format("the input shape ({})", fmt::join(given, ", "));
  if (std::ranges::any_of(given, [](int64_t d) { return d < 1; })) {
    return InvalidArgument("{} has a dimension that is not positive", text);
  }
  if (!declared.has_value()) return shape;
  if (declared->size() != shape.size()) {
    return InvalidArgument("has {} dimensions with the batch, {} makes {}", declared->size(), text, shape.size());
  }
  for (size_t i = 1; i < shape.size(); ++i) {
    if ((*declared)[i] == -1 || (*declared)[i] == shape[i]) continue;
    return InvalidArgument("dimension {} is {}, which contradicts {}", i, (*declared)[i], text);
  }
  return shape;
}

}  // namespace

absl::Status OnnxImporter::ReadInputs(const onnx::GraphProto& graph) {
  // Files of IR versions below 4 list the initializers among the inputs.
  const auto is_initializer = [&](const std::string& name) {
    return graph_.initializers.contains(name) || ints_.contains(name);
  };
  std::vector<std::string> names;
  for (const auto& info : graph.input()) {
    if (!is_initializer(info.name())) names.push_back(fmt::format("'{}'", info.name()));
  }
  if (names.empty()) return InvalidArgument("the graph has no inputs");
  const std::string several = fmt::format("the graph has {} inputs: {}", names.size(), fmt::join(names, ", "));
  if (!options_.input_shape.empty() && names.size() > 1) {
    return InvalidArgument("an input shape is given, but {}", several);
  }
  for (const auto& info : graph.input()) {
    if (is_initializer(info.name())) continue;
    const absl::Status status = Annotate(ReadInput(info), fmt::format("graph input '{}'", info.name()));
    if (absl::IsFailedPrecondition(status) && names.size() > 1) {
      return InvalidArgument("{}, but {}", Message(status), several);
    }
    PRIVDNN_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

absl::Status OnnxImporter::ReadInput(const onnx::ValueInfoProto& info) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto declared, DeclaredShape(info));
  const Shape& given = options_.input_shape;
  PRIVDNN_ASSIGN_OR_RETURN(Shape shape, given.empty() ? CheckFixed(info, declared) : Complete(declared, given));
  if (shape[0] > 0) static_batch_ = shape[0];
  PRIVDNN_RETURN_IF_ERROR(Define(info.name()));
  shape[0] = 1;
  PRIVDNN_RETURN_IF_ERROR(ElementCount(shape).status());
  shapes_[info.name()] = shape;
  shape[0] = -1;
  graph_.inputs.push_back({info.name(), std::move(shape)});
  return absl::OkStatus();
}

absl::Status OnnxImporter::ReadOutputs(const onnx::GraphProto& graph) {
  if (graph.output_size() > kMaxOutputs) {
    return InvalidArgument("{} graph outputs, more than the {} allowed", graph.output_size(), kMaxOutputs);
  }
  for (const auto& info : graph.output()) {
    PRIVDNN_RETURN_IF_ERROR(Annotate(ReadOutput(info), fmt::format("graph output '{}'", info.name())));
  }
  return absl::OkStatus();
}

absl::Status OnnxImporter::ReadOutput(const onnx::ValueInfoProto& info) {
  const std::string& name = info.name();
  const auto alias = aliases_.find(name);
  std::optional<Shape> declared;
  if (class_indices_.contains(name)) {
    // Its scores may be an output as well, and then they are enough.
    if (alias != aliases_.end() && output_names_.contains(alias->second)) return absl::OkStatus();
  } else {
    PRIVDNN_ASSIGN_OR_RETURN(declared, DeclaredShape(info));
  }
  PRIVDNN_RETURN_IF_ERROR(WriteRow(alias == aliases_.end() ? name : alias->second));
  if (alias != aliases_.end()) {
    PRIVDNN_RETURN_IF_ERROR(ShapeOf(alias->second).status());
    PRIVDNN_RETURN_IF_ERROR(RenameToOutput(alias->second, name));
  }
  PRIVDNN_ASSIGN_OR_RETURN(Shape shape, ShapeOf(name));
  shape[0] = -1;
  if (declared.has_value()) {
    bool fits = declared->size() == shape.size();
    for (size_t i = 1; fits && i < shape.size(); ++i) fits = (*declared)[i] == -1 || (*declared)[i] == shape[i];
    if (!fits) {
      return InvalidArgument("has shape ({}), declared as ({})", fmt::join(shape, ", "), fmt::join(*declared, ", "));
    }
  }
  graph_.outputs.push_back({name, std::move(shape)});
  return absl::OkStatus();
}

// A graph output that is another name for a node's output: the node then writes the graph output's name.
absl::Status OnnxImporter::RenameToOutput(std::string value, const std::string& output) {
  const auto same = [&](const ValueInfo& info) { return info.name == value; };
  const auto producer =
      std::find_if(graph_.nodes.begin(), graph_.nodes.end(), [&](const Node& n) { return n.output == value; });
  if (producer == graph_.nodes.end() || std::any_of(graph_.outputs.begin(), graph_.outputs.end(), same)) {
    return InvalidArgument("is a copy of '{}', which is a graph input, a constant or another graph output", value);
  }
  producer->output = output;
  for (Node& node : graph_.nodes) std::replace(node.inputs.begin(), node.inputs.end(), value, output);
  shapes_[output] = std::move(shapes_[value]);
  shapes_.erase(value);
  for (auto& [name, target] : aliases_) {
    if (target == value) target = output;
  }
  padded_.erase(value);
  for (auto& [name, padded] : padded_) {
    if (padded.value == value) padded.value = output;
  }
  aliases_.erase(output);
  return absl::OkStatus();
}

}  // namespace privdnn
