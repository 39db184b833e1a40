#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>

#include "privdnn/base/file.h"
#include "privdnn/graph/shapes.h"
#include "privdnn/onnx/external.h"
#include "privdnn/onnx/importer.h"
#include "privdnn/onnx/onnx.h"

namespace privdnn {
namespace {

constexpr int64_t kMinOpset = 7;
constexpr int64_t kMaxOpset = 22;
// Beyond any network of this kind, and few enough that renaming values to outputs, which looks at every node, stays
// short.
constexpr int kMaxOutputs = 256;

bool IsOnnxDomain(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

// The declared shape of a graph input or output; -1 for a dimension that isn't a number, nullopt if it has none.
absl::StatusOr<std::optional<std::vector<int64_t>>> DeclaredShape(const onnx::ValueInfoProto& info) {
  if (!info.type().has_tensor_type()) return InvalidArgument("is not a tensor");
  const auto& type = info.type().tensor_type();
  if (type.elem_type() != onnx::TensorProto::FLOAT) return InvalidArgument("its elements are not 32-bit floats");
  if (!type.has_shape()) return std::optional<std::vector<int64_t>>();
  std::vector<int64_t> shape;
  for (const auto& dim : type.shape().dim()) {
    shape.push_back(dim.value_case() == onnx::TensorShapeProto::Dimension::kDimValue ? dim.dim_value() : -1);
  }
  return std::optional(std::move(shape));
}

}  // namespace

absl::StatusOr<Graph> OnnxImporter::Import(onnx::ModelProto& model) {
  PRIVDNN_RETURN_IF_ERROR(CheckModel(model));
  onnx::GraphProto& graph = *model.mutable_graph();
  graph_.name = graph.name();
  PRIVDNN_RETURN_IF_ERROR(ReadInitializers(graph));
  PRIVDNN_RETURN_IF_ERROR(ReadInputs(graph));
  for (const auto& node : graph.node()) {
    node_names_.insert(node.name());
    value_names_.insert(node.output().begin(), node.output().end());
  }
  for (const auto& output : graph.output()) output_names_.insert(output.name());
  for (const auto& node : graph.node()) PRIVDNN_RETURN_IF_ERROR(ReadNode(node));
  PRIVDNN_RETURN_IF_ERROR(ReadOutputs(graph));
  DropFoldedConstants();
  PRIVDNN_RETURN_IF_ERROR(InferShapes(graph_).status());
  return std::move(graph_);
}

absl::Status OnnxImporter::CheckModel(const onnx::ModelProto& model) {
  if (!model.has_graph()) return InvalidArgument("not an ONNX model: it has no graph");
  for (const auto& opset : model.opset_import()) {
    if (!IsOnnxDomain(opset.domain())) continue;
    if (opset_ != 0) return InvalidArgument("two versions of the ONNX operator set are imported");
    opset_ = opset.version();
    if (opset_ < kMinOpset || opset_ > kMaxOpset) {
      return InvalidArgument("operator set {} is not supported (supported: {} to {})", opset_, kMinOpset, kMaxOpset);
    }
  }
  if (opset_ == 0) return InvalidArgument("the model does not name its ONNX operator set");
  if (model.functions_size() > 0) return InvalidArgument("model-local functions are not supported");
  if (model.training_info_size() > 0) return InvalidArgument("training graphs are not supported");
  if (model.graph().sparse_initializer_size() > 0) return InvalidArgument("sparse initializers are not supported");
  return absl::OkStatus();
}

absl::Status OnnxImporter::ReadInitializers(onnx::GraphProto& graph) {
  for (onnx::TensorProto& proto : *graph.mutable_initializer()) {
    PRIVDNN_ASSIGN_OR_RETURN(ConstantTensor tensor, ReadTensor(proto, external_));
    if (const auto* floats = std::get_if<Tensor>(&tensor)) budget_.Add(floats->size());
    PRIVDNN_RETURN_IF_ERROR(DefineConstant(proto.name(), std::move(tensor)));
    proto.Clear();  // a large model need not be in memory twice
  }
  return absl::OkStatus();
}

absl::Status OnnxImporter::ReadInputs(const onnx::GraphProto& graph) {
  for (const auto& info : graph.input()) {
    const bool is_initializer = graph_.initializers.contains(info.name()) || ints_.contains(info.name());
    if (is_initializer) continue;  // files of IR versions below 4 list the initializers among the inputs
    const std::string where = fmt::format("graph input '{}'", info.name());
    auto declared = DeclaredShape(info);
    if (!declared.ok()) return Annotate(declared.status(), where);
    if (!declared->has_value() || (*declared)->empty())
      return Annotate(InvalidArgument("has no batch dimension"), where);
    std::vector<int64_t> shape = **std::move(declared);
    if (shape[0] > 0) static_batch_ = shape[0];
    shape[0] = -1;
    for (size_t i = 1; i < shape.size(); ++i) {
      if (shape[i] >= 1) continue;
      const std::string& symbol = info.type().tensor_type().shape().dim(static_cast<int>(i)).dim_param();
      return Annotate(InvalidArgument("dimension {}{} is not a positive number; only the batch, dimension 0, may be "
                                      "dynamic",
                                      i, symbol.empty() ? "" : fmt::format(" ('{}')", symbol)),
                      where);
    }
    PRIVDNN_RETURN_IF_ERROR(Annotate(Define(info.name()), where));
    graph_.inputs.push_back({info.name(), shape});
    shape[0] = 1;
    PRIVDNN_RETURN_IF_ERROR(Annotate(ElementCount(shape).status(), where));
    shapes_[info.name()] = std::move(shape);
  }
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
  std::optional<std::vector<int64_t>> declared;
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
  PRIVDNN_ASSIGN_OR_RETURN(std::vector<int64_t> shape, ShapeOf(name));
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

absl::Status OnnxImporter::ReadNode(const onnx::NodeProto& proto) {
  const std::string name = proto.name().empty() && proto.output_size() > 0 ? "-> " + proto.output(0) : proto.name();
  const auto handler = IsOnnxDomain(proto.domain()) ? Handlers().find(proto.op_type()) : Handlers().end();
  if (handler == Handlers().end()) {
    std::vector<std::string> supported;
    for (const auto& [op, function] : Handlers()) supported.push_back(op);
    const std::string domain = IsOnnxDomain(proto.domain()) ? "" : proto.domain() + ".";
    return InvalidArgument("node '{}': operator '{}{}' is not supported (supported: {})", name, domain, proto.op_type(),
                           fmt::join(supported, ", "));
  }
  auto read = [&]() -> absl::Status {
    if (proto.output_size() == 0 || proto.output(0).empty()) return InvalidArgument("has no output");
    PRIVDNN_ASSIGN_OR_RETURN(Attributes attributes, Attributes::Create(proto));
    PRIVDNN_ASSIGN_OR_RETURN(std::vector<std::string> inputs, ResolveInputs(proto));
    Source source{proto, std::move(attributes), std::move(inputs)};
    PRIVDNN_RETURN_IF_ERROR((this->*handler->second)(source));
    return source.attributes.Finish();
  };
  return NodeError(name, proto.op_type(), read());
}

absl::StatusOr<std::vector<std::string>> OnnxImporter::ResolveInputs(const onnx::NodeProto& proto) const {
  int count = proto.input_size();
  while (count > 0 && proto.input(count - 1).empty()) --count;
  std::vector<std::string> inputs;
  for (int i = 0; i < count; ++i) {
    const std::string& input = proto.input(i);
    if (!input.empty() && !defined_.contains(input)) return InvalidArgument("reads '{}' before it is defined", input);
    if (class_indices_.contains(input) && proto.op_type() != "Identity" && proto.op_type() != "Cast") {
      return InvalidArgument("reads '{}', which ArgMax computes: only a graph output may be a largest score's index",
                             input);
    }
    const auto alias = aliases_.find(input);
    inputs.push_back(alias == aliases_.end() ? input : alias->second);
  }
  return inputs;
}

void OnnxImporter::DropFoldedConstants() {
  for (const Node& node : graph_.nodes) {
    for (const std::string& input : node.inputs) droppable_.erase(input);
  }
  for (const std::string& name : droppable_) graph_.initializers.erase(name);
}

absl::Status OnnxImporter::Define(const std::string& value) {
  if (value.empty()) return InvalidArgument("a value has no name");
  if (!defined_.insert(value).second) return InvalidArgument("value '{}' is defined twice", value);
  return absl::OkStatus();
}

absl::Status OnnxImporter::DefineConstant(const std::string& value, ConstantTensor tensor) {
  PRIVDNN_RETURN_IF_ERROR(Define(value));
  if (auto* ints = std::get_if<IntTensor>(&tensor)) {
    ints_[value] = std::move(*ints);
  } else {
    graph_.initializers[value] = std::get<Tensor>(std::move(tensor));
  }
  return absl::OkStatus();
}

absl::Status OnnxImporter::Append(const Source& source, Op op, std::vector<std::string> inputs) {
  PRIVDNN_ASSIGN_OR_RETURN(const bool appended, AppendToMaps(source, op, inputs));
  if (appended) return absl::OkStatus();
  PRIVDNN_RETURN_IF_ERROR(Define(source.proto.output(0)));
  return AppendNode({UniqueNodeName(source.proto), std::move(op), std::move(inputs), source.proto.output(0)});
}

absl::Status OnnxImporter::AppendNode(Node node) {
  std::vector<Operand> operands;
  for (const std::string& input : node.inputs) {
    if (input.empty()) return InvalidArgument("an input is omitted");
    if (ints_.contains(input)) return InvalidArgument("'{}' is an integer tensor, needs floats", input);
    PRIVDNN_RETURN_IF_ERROR(WriteRow(input));
    const auto constant = graph_.initializers.find(input);
    if (constant != graph_.initializers.end()) {
      operands.push_back({constant->second.shape, &constant->second});
      continue;
    }
    PRIVDNN_ASSIGN_OR_RETURN(auto shape, ShapeOf(input));
    operands.push_back({std::move(shape), nullptr});
  }
  auto shape = InferNodeShape(node, operands);
  PRIVDNN_RETURN_IF_ERROR(shape.status());
  shapes_[node.output] = *std::move(shape);
  graph_.nodes.push_back(std::move(node));
  return absl::OkStatus();
}

absl::Status OnnxImporter::AppendAlias(const Source& source, const std::string& value) {
  if (value.empty()) return InvalidArgument("input 0 is omitted");
  PRIVDNN_RETURN_IF_ERROR(Define(source.proto.output(0)));
  aliases_[source.proto.output(0)] = value;
  return absl::OkStatus();
}

std::string OnnxImporter::UniqueNodeName(const onnx::NodeProto& proto) {
  if (!proto.name().empty()) return proto.name();
  std::string name = proto.op_type() + "_" + std::to_string(graph_.nodes.size());
  while (!node_names_.insert(name).second) name += "_";
  return name;
}

absl::StatusOr<std::vector<int64_t>> OnnxImporter::ShapeOf(const std::string& value) {
  auto shape = shapes_.find(value);
  if (const auto padded = padded_.find(value); shape == shapes_.end() && padded != padded_.end()) {
    const auto& [base, pads, name] = padded->second;
    PRIVDNN_RETURN_IF_ERROR(
        AppendNode({name, op::Pad{{0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]}, 0}, {base}, value}));
    shape = shapes_.find(value);
  }
  if (shape == shapes_.end()) return InvalidArgument("'{}' is not computed from the graph's inputs", value);
  return shape->second;
}

const Tensor* OnnxImporter::FoldedFloats(const std::string& value) {
  const auto it = graph_.initializers.find(value);
  if (it == graph_.initializers.end()) return nullptr;
  droppable_.insert(value);
  return &it->second;
}

const IntTensor* OnnxImporter::FoldedInts(const std::string& value) const {
  const auto it = ints_.find(value);
  return it == ints_.end() ? nullptr : &it->second;
}

absl::StatusOr<double> OnnxImporter::FoldedScalar(const std::string& value) {
  const IntTensor* ints = FoldedInts(value);
  if (ints != nullptr && ints->values.size() == 1 && !ints->IsBatch(0)) return static_cast<double>(ints->values[0]);
  const Tensor* floats = FoldedFloats(value);
  if (floats != nullptr && floats->size() == 1) return static_cast<double>(floats->values[0]);
  return InvalidArgument("'{}' must be a constant with one element", value);
}

absl::StatusOr<float> OnnxImporter::FoldedFloat(const std::string& value) {
  PRIVDNN_ASSIGN_OR_RETURN(const double scalar, FoldedScalar(value));
  return static_cast<float>(scalar);
}

absl::StatusOr<std::vector<int64_t>> OnnxImporter::FoldedIntVector(const Source& source, size_t input) {
  const IntTensor* ints = input < source.inputs.size() ? FoldedInts(source.inputs[input]) : nullptr;
  if (ints == nullptr || ints->shape.size() != 1) {
    return InvalidArgument("input {} must be a constant vector of integers", input);
  }
  if (std::count(ints->batch.begin(), ints->batch.end(), true) > 0)
    return InvalidArgument("input {} depends on the size of the batch", input);
  return ints->values;
}

namespace {

absl::StatusOr<Graph> ImportWith(std::span<const uint8_t> model, const std::string& what, ExternalData* external) {
  auto import = [&]() -> absl::StatusOr<Graph> {
    if (model.size() > kMaxModelBytes) {
      return InvalidArgument("{} bytes, more than the {} allowed", model.size(), kMaxModelBytes);
    }
    PRIVDNN_RETURN_IF_ERROR(CheckStructureSize(model));
    onnx::ModelProto proto;
    if (!proto.ParseFromArray(model.data(), static_cast<int>(model.size()))) {
      return InvalidArgument("not an ONNX model: malformed protocol buffer");
    }
    return OnnxImporter(external).Import(proto);
  };
  absl::StatusOr<Graph> graph = import();
  if (!graph.ok()) return Annotate(graph.status(), what);
  return graph;
}

}  // namespace

absl::StatusOr<Graph> ImportOnnx(std::span<const uint8_t> model, const std::string& what) {
  return ImportWith(model, what, nullptr);
}

absl::StatusOr<Graph> LoadOnnx(const std::filesystem::path& path) {
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes model, ReadFile(path, kMaxModelBytes));
  ExternalData external(path.parent_path());
  return ImportWith(model, path.string(), &external);
}

}  // namespace privdnn
