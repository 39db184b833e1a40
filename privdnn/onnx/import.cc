#include <onnx/onnx_pb.h>

#include <algorithm>

#include "privdnn/base/file.h"
#include "privdnn/graph/shapes.h"
#include "privdnn/onnx/external.h"
#include "privdnn/onnx/importer.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/onnx/order.h"
#include "privdnn/onnx/sharing.h"
#include "privdnn/onnx/structure.h"

namespace privdnn {
namespace {

constexpr int64_t kMinOpset = 7;
constexpr int64_t kMaxOpset = 22;
// Operator set 7 came with the first, 22 with the last.
constexpr int64_t kMinIrVersion = 3;
constexpr int64_t kMaxIrVersion = 11;

bool IsOnnxDomain(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

// What to do about an operator that isn't read; nothing if there is nothing in particular.
std::string Advice(const onnx::NodeProto& node) {
  static const std::set<std::string> integer_operators = {"QLinearConv", "QLinearMatMul", "ConvInteger",
                                                          "MatMulInteger", "DynamicQuantizeLinear"};
  static const std::set<std::string> control_flow = {"Loop", "Scan"};
  if (node.domain() == "ai.onnx.ml") {
    return "it belongs to classical machine learning; export the scores of the network alone, such as with zipmap off";
  }
  if (integer_operators.contains(node.op_type()) || node.op_type().starts_with("QLinear")) {
    return "export the model with QuantizeLinear and DequantizeLinear around operators on floats (QDQ), or as floats";
  }
  if (control_flow.contains(node.op_type())) return "it runs a sub-graph; export the model without control flow";
  if (node.domain().starts_with("com.microsoft")) return "export the model as it was before ONNX Runtime optimised it";
  return "";
}

}  // namespace

absl::StatusOr<Graph> OnnxImporter::Import(onnx::ModelProto& model) {
  PRIVDNN_RETURN_IF_ERROR(CheckModel(model));
  PRIVDNN_RETURN_IF_ERROR(ReadMetadata(model));
  onnx::GraphProto& graph = *model.mutable_graph();
  graph_.name = graph.name();
  PRIVDNN_RETURN_IF_ERROR(ReadInitializers(graph));
  PRIVDNN_RETURN_IF_ERROR(ReadInputs(graph));
  PRIVDNN_RETURN_IF_ERROR(ReadNodes(graph));
  PRIVDNN_RETURN_IF_ERROR(ReadOutputs(graph));
  DropFoldedConstants();
  PRIVDNN_RETURN_IF_ERROR(SeparateInitializers(graph_, constants_));
  PRIVDNN_RETURN_IF_ERROR(InferShapes(graph_).status());
  return std::move(graph_);
}

absl::Status OnnxImporter::CheckModel(const onnx::ModelProto& model) {
  if (!model.has_graph()) return InvalidArgument("not an ONNX model: it has no graph");
  if (model.ir_version() < kMinIrVersion || model.ir_version() > kMaxIrVersion) {
    return InvalidArgument("IR version {} is not supported (supported: {} to {})", model.ir_version(), kMinIrVersion,
                           kMaxIrVersion);
  }
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

// Only what is meant for this program: exporters write all kinds of things. It is printed, so it is printable.
absl::Status OnnxImporter::ReadMetadata(const onnx::ModelProto& model) {
  constexpr size_t kMaxBytes = 256;
  const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  for (int i = 0; i < model.metadata_props_size(); ++i) {
    const auto& entry = model.metadata_props(i);
    if (!entry.key().starts_with("privdnn.")) continue;
    for (const auto& [text, what] : {std::pair(&entry.key(), "name"), std::pair(&entry.value(), "value")}) {
      const auto bad = std::ranges::find_if(*text, control);
      if (bad != text->end()) {
        return InvalidArgument("metadata entry {} (privdnn.*): byte {} of its {} is a control character", i,
                               bad - text->begin(), what);
      }
    }
    if (entry.key().size() > kMaxBytes || entry.value().size() > kMaxBytes) {
      return InvalidArgument("metadata '{}' of {} bytes; {} are allowed", entry.key().substr(0, kMaxBytes),
                             entry.value().size(), kMaxBytes);
    }
    if (!graph_.metadata.emplace(entry.key(), entry.value()).second) {
      return InvalidArgument("metadata '{}' is given twice", entry.key());
    }
  }
  return absl::OkStatus();
}

absl::Status OnnxImporter::ReadInitializers(onnx::GraphProto& graph) {
  for (onnx::TensorProto& proto : *graph.mutable_initializer()) {
    PRIVDNN_ASSIGN_OR_RETURN(ConstantTensor tensor, ReadTensor(proto, external_, constants_));
    if (const auto* floats = std::get_if<Tensor>(&tensor)) budget_.Add(floats->size());
    PRIVDNN_RETURN_IF_ERROR(DefineConstant(proto.name(), std::move(tensor)));
    proto.Clear();  // a large model need not be in memory twice
  }
  return absl::OkStatus();
}

absl::Status OnnxImporter::ReadNodes(onnx::GraphProto& graph) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<int> order, ExecutionOrder(graph));
  for (const auto& node : graph.node()) {
    node_names_.insert(node.name());
    value_names_.insert(node.output().begin(), node.output().end());
  }
  for (const auto& output : graph.output()) output_names_.insert(output.name());
  for (const int i : order) {
    onnx::NodeProto& node = *graph.mutable_node(i);
    PRIVDNN_RETURN_IF_ERROR(ReadNode(node));
    node.Clear();  // it may hold weights
  }
  return absl::OkStatus();
}

absl::Status OnnxImporter::ReadNode(const onnx::NodeProto& proto) {
  const auto handler = IsOnnxDomain(proto.domain()) ? Handlers().find(proto.op_type()) : Handlers().end();
  if (handler == Handlers().end()) {
    std::vector<std::string> supported;
    for (const auto& [op, function] : Handlers()) supported.push_back(op);
    const std::string domain = IsOnnxDomain(proto.domain()) ? "" : proto.domain() + ".";
    const std::string advice = Advice(proto);
    return InvalidArgument(
        "node '{}': operator '{}{}' is not supported{}", NameOf(proto), domain, proto.op_type(),
        advice.empty() ? fmt::format(" (supported: {})", fmt::join(supported, ", ")) : ": " + advice);
  }
  auto read = [&]() -> absl::Status {
    if (proto.output_size() == 0 || proto.output(0).empty()) return InvalidArgument("has no output");
    PRIVDNN_ASSIGN_OR_RETURN(Attributes attributes, Attributes::Create(proto));
    PRIVDNN_ASSIGN_OR_RETURN(std::vector<std::string> inputs, ResolveInputs(proto));
    Source source{proto, std::move(attributes), std::move(inputs)};
    PRIVDNN_RETURN_IF_ERROR((this->*handler->second)(source));
    NoteFurtherOutputs(proto);
    return source.attributes.Finish();
  };
  return NodeError(NameOf(proto), proto.op_type(), read());
}

void OnnxImporter::NoteFurtherOutputs(const onnx::NodeProto& proto) {
  for (int i = 1; i < proto.output_size(); ++i) {
    if (defined_.contains(proto.output(i))) continue;
    further_outputs_[proto.output(i)] = fmt::format("output {} of node '{}' ({})", i, NameOf(proto), proto.op_type());
  }
}

absl::Status OnnxImporter::Undefined(const std::string& value) const {
  if (const auto further = further_outputs_.find(value); further != further_outputs_.end()) {
    return InvalidArgument("'{}' is {}, which is not computed", value, further->second);
  }
  if (quantized_.contains(value)) {
    return InvalidArgument("'{}' is quantised; only DequantizeLinear nodes may read it", value);
  }
  return InvalidArgument("'{}' is not computed from the graph's inputs", value);
}

absl::StatusOr<std::vector<std::string>> OnnxImporter::ResolveInputs(const onnx::NodeProto& proto) const {
  int count = proto.input_size();
  while (count > 0 && proto.input(count - 1).empty()) --count;
  std::vector<std::string> inputs;
  for (int i = 0; i < count; ++i) {
    const std::string& input = proto.input(i);
    if (!input.empty() && !defined_.contains(input)) return Undefined(input);
    if (class_indices_.contains(input) && proto.op_type() != "Identity" && proto.op_type() != "Cast") {
      return InvalidArgument("reads '{}', which ArgMax computes: only a graph output may be a largest score's index",
                             input);
    }
    const auto alias = aliases_.find(input);
    inputs.push_back(alias == aliases_.end() ? input : alias->second);
    if (!ReadsMovedBatch(proto.op_type())) PRIVDNN_RETURN_IF_ERROR(CheckNotMoved(inputs.back()));
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

// Indices and tables that a node is computed with. They must not be many more than the file explains.
absl::Status OnnxImporter::SpendTables(const Op& op) {
  if (const auto* gather = std::get_if<op::Gather>(&op)) {
    return budget_.Spend({static_cast<int64_t>(gather->indices.size())});
  }
  if (const auto* resize = std::get_if<op::Resize>(&op)) {
    for (const int64_t side : resize->sizes) PRIVDNN_RETURN_IF_ERROR(budget_.Spend({side}));
  }
  return absl::OkStatus();
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
  PRIVDNN_RETURN_IF_ERROR(SpendTables(node.op));
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
  return FreshNodeName(fmt::format("{}_{}", proto.op_type(), graph_.nodes.size()));
}

absl::StatusOr<std::vector<int64_t>> OnnxImporter::ShapeOf(const std::string& value) {
  PRIVDNN_RETURN_IF_ERROR(CheckNotMoved(value));
  auto shape = shapes_.find(value);
  if (const auto padded = padded_.find(value); shape == shapes_.end() && padded != padded_.end()) {
    const auto& [base, pads, name] = padded->second;
    PRIVDNN_RETURN_IF_ERROR(
        AppendNode({name, op::Pad{{0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]}, 0}, {base}, value}));
    shape = shapes_.find(value);
  }
  if (shape == shapes_.end()) return Undefined(value);
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

absl::StatusOr<Graph> ImportWith(std::span<const uint8_t> model, const std::string& what,
                                 const OnnxImportOptions& options, ExternalData* external) {
  auto import = [&]() -> absl::StatusOr<Graph> {
    if (model.size() > kMaxModelBytes) {
      return InvalidArgument("{} bytes, more than the {} allowed", model.size(), kMaxModelBytes);
    }
    PRIVDNN_RETURN_IF_ERROR(CheckStructureSize(model));
    onnx::ModelProto proto;
    if (!proto.ParseFromArray(model.data(), static_cast<int>(model.size()))) {
      return InvalidArgument("not an ONNX model: malformed protocol buffer");
    }
    return OnnxImporter(external, options).Import(proto);
  };
  absl::StatusOr<Graph> graph = import();
  if (!graph.ok()) return Annotate(graph.status(), what);
  return graph;
}

}  // namespace

absl::StatusOr<Graph> ImportOnnx(std::span<const uint8_t> model, const std::string& what,
                                 const OnnxImportOptions& options) {
  return ImportWith(model, what, options, nullptr);
}

absl::StatusOr<Graph> LoadOnnx(const std::filesystem::path& path, const OnnxImportOptions& options) {
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes model, ReadFile(path, kMaxModelBytes));
  ExternalData external(path.parent_path());
  return ImportWith(model, path.string(), options, &external);
}

}  // namespace privdnn
