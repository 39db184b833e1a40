#include <onnx/onnx_pb.h>

#include <algorithm>
#include <set>

#include "privdnn/base/file.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/onnx/tensor.h"

namespace privdnn {
namespace {

constexpr int64_t kIrVersion = 7;  // the one of operator sets 13 and 14 (ONNX 1.8 and 1.9)
constexpr int64_t kOpset = 13;
constexpr int64_t kHardSwishOpset = 14;
constexpr const char* kBatch = "N";
constexpr std::array<int64_t, 2> kNoDilation = {1, 1};

void SetAttribute(onnx::NodeProto& node, const std::string& name, int64_t value) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(value);
}

void SetAttribute(onnx::NodeProto& node, const std::string& name, float value) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::FLOAT);
  attribute.set_f(value);
}

void SetAttribute(onnx::NodeProto& node, const std::string& name, std::span<const int64_t> values) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INTS);
  for (const int64_t v : values) attribute.add_ints(v);
}

void SetWindow(onnx::NodeProto& node, const Window& window) {
  SetAttribute(node, "kernel_shape", window.kernel);
  SetAttribute(node, "strides", window.strides);
  SetAttribute(node, "pads", window.pads);
}

class Exporter {
 public:
  explicit Exporter(const Graph& graph) : graph_(graph) {
    for (const auto& [name, tensor] : graph.initializers) names_.insert(name);
    for (const ValueInfo& input : graph.inputs) names_.insert(input.name);
    for (const Node& node : graph.nodes) names_.insert(node.output);
  }

  onnx::ModelProto Export() {
    onnx::ModelProto model;
    model.set_ir_version(kIrVersion);
    model.set_producer_name("privdnn");
    onnx::OperatorSetIdProto& opset = *model.add_opset_import();
    opset.set_domain("");
    const bool hard_swish = std::any_of(graph_.nodes.begin(), graph_.nodes.end(),
                                        [](const Node& n) { return std::holds_alternative<op::HardSwish>(n.op); });
    opset.set_version(hard_swish ? kHardSwishOpset : kOpset);
    for (const auto& [key, value] : graph_.metadata) {
      onnx::StringStringEntryProto& entry = *model.add_metadata_props();
      entry.set_key(key);
      entry.set_value(value);
    }
    proto_ = model.mutable_graph();
    proto_->set_name(graph_.name);
    for (const ValueInfo& input : graph_.inputs) WriteValue(input, *proto_->add_input());
    for (const ValueInfo& output : graph_.outputs) WriteValue(output, *proto_->add_output());
    for (const auto& [name, tensor] : graph_.initializers) WriteTensor(name, tensor, *proto_->add_initializer());
    for (const Node& node : graph_.nodes) WriteNode(node);
    return model;
  }

 private:
  static void WriteValue(const ValueInfo& value, onnx::ValueInfoProto& proto) {
    proto.set_name(value.name);
    onnx::TypeProto::Tensor& type = *proto.mutable_type()->mutable_tensor_type();
    type.set_elem_type(onnx::TensorProto::FLOAT);
    type.mutable_shape();
    for (const int64_t d : value.shape) {
      auto& dim = *type.mutable_shape()->add_dim();
      if (d < 0) {
        dim.set_dim_param(kBatch);
      } else {
        dim.set_dim_value(d);
      }
    }
  }

  void WriteNode(const Node& node) {
    if (const auto* quantize = std::get_if<op::FakeQuantize>(&node.op)) return WriteFakeQuantize(node, *quantize);
    onnx::NodeProto& proto = *proto_->add_node();
    proto.set_name(node.name);
    proto.set_op_type(std::holds_alternative<op::Square>(node.op) ? "Mul" : OpName(node.op));
    for (const std::string& input : node.inputs) proto.add_input(input);
    proto.add_output(node.output);
    std::visit([&](const auto& op) { WriteOp(node, op, proto); }, node.op);
  }

  void WriteFakeQuantize(const Node& node, const op::FakeQuantize& quantize) {
    const std::string scale = AddFloat(node.name + "_scale", quantize.scale);
    const std::string zero_point = AddName(node.name + "_zero_point");
    onnx::TensorProto& zero = *proto_->add_initializer();
    zero.set_name(zero_point);
    zero.set_data_type(quantize.is_signed ? onnx::TensorProto::INT8 : onnx::TensorProto::UINT8);
    zero.add_int32_data(static_cast<int32_t>(quantize.zero_point));
    const std::string integers = AddName(node.output + "_quantized");
    const auto write = [&](const char* op, const std::string& from, const std::string& to) -> onnx::NodeProto& {
      onnx::NodeProto& proto = *proto_->add_node();
      proto.set_op_type(op);
      for (const std::string& input : {from, scale, zero_point}) proto.add_input(input);
      proto.add_output(to);
      return proto;
    };
    write("QuantizeLinear", node.inputs[0], integers);
    write("DequantizeLinear", integers, node.output).set_name(node.name);
  }

  template <typename T>  // operators without attributes
  void WriteOp(const Node&, const T&, onnx::NodeProto&) {}
  void WriteOp(const Node&, const op::Conv& conv, onnx::NodeProto& proto) {
    SetWindow(proto, conv.window);
    SetAttribute(proto, "dilations", kNoDilation);
    SetAttribute(proto, "group", conv.groups);
  }
  void WriteOp(const Node&, const op::BatchNormalization& norm, onnx::NodeProto& proto) {
    SetAttribute(proto, "epsilon", norm.epsilon);
  }
  void WriteOp(const Node&, const op::AveragePool& pool, onnx::NodeProto& proto) {
    SetWindow(proto, pool.window);
    SetAttribute(proto, "count_include_pad", static_cast<int64_t>(pool.count_include_pad));
  }
  void WriteOp(const Node&, const op::MaxPool& pool, onnx::NodeProto& proto) { SetWindow(proto, pool.window); }
  void WriteOp(const Node&, const op::LeakyRelu& relu, onnx::NodeProto& proto) {
    SetAttribute(proto, "alpha", relu.alpha);
  }
  void WriteOp(const Node& node, const op::Clip& clip, onnx::NodeProto& proto) {
    proto.add_input(AddFloat(node.name + "_min", clip.min));
    proto.add_input(AddFloat(node.name + "_max", clip.max));
  }
  void WriteOp(const Node&, const op::HardSigmoid& sigmoid, onnx::NodeProto& proto) {
    SetAttribute(proto, "alpha", sigmoid.alpha);
    SetAttribute(proto, "beta", sigmoid.beta);
  }
  void WriteOp(const Node& node, const op::Square&, onnx::NodeProto& proto) { proto.add_input(node.inputs[0]); }
  void WriteOp(const Node&, const op::Flatten& flatten, onnx::NodeProto& proto) {
    SetAttribute(proto, "axis", flatten.axis);
  }
  void WriteOp(const Node& node, const op::Reshape& reshape, onnx::NodeProto& proto) {
    proto.add_input(AddIntegers(node.name + "_shape", reshape.shape));
  }
  void WriteOp(const Node&, const op::Gemm& gemm, onnx::NodeProto& proto) {
    SetAttribute(proto, "alpha", gemm.alpha);
    SetAttribute(proto, "beta", gemm.beta);
    SetAttribute(proto, "transA", static_cast<int64_t>(gemm.trans_a));
    SetAttribute(proto, "transB", static_cast<int64_t>(gemm.trans_b));
  }
  void WriteOp(const Node&, const op::ReduceMean& mean, onnx::NodeProto& proto) {
    SetAttribute(proto, "axes", mean.axes);
    SetAttribute(proto, "keepdims", static_cast<int64_t>(mean.keep_dims));
  }
  void WriteOp(const Node&, const op::Softmax& softmax, onnx::NodeProto& proto) {
    SetAttribute(proto, "axis", softmax.axis);
  }
  void WriteOp(const Node&, const op::Concat& concat, onnx::NodeProto& proto) {
    SetAttribute(proto, "axis", concat.axis);
  }
  void WriteOp(const Node& node, const op::Gather& gather, onnx::NodeProto& proto) {
    proto.add_input(AddIntegers(node.name + "_indices", gather.indices));
    SetAttribute(proto, "axis", gather.axis);
  }
  void WriteOp(const Node& node, const op::Pad& pad, onnx::NodeProto& proto) {
    proto.add_input(AddIntegers(node.name + "_pads", pad.pads));
    proto.add_input(AddFloat(node.name + "_value", pad.value));
  }
  void WriteOp(const Node& node, const op::Dropout& dropout, onnx::NodeProto& proto) {
    proto.add_input(AddFloat(node.name + "_ratio", dropout.ratio));
  }

  // Returns `name`, or one like it that no value has.
  std::string AddName(std::string name) {
    while (!names_.insert(name).second) name += "_";
    return name;
  }
  // Adds an initializer: a vector of integers, a scalar. Returns its name.
  std::string AddIntegers(const std::string& name, const std::vector<int64_t>& values) {
    const std::string added = AddName(name);
    WriteTensor(added, values, *proto_->add_initializer());
    return added;
  }
  std::string AddFloat(const std::string& name, float value) {
    const std::string added = AddName(name);
    WriteTensor(added, Tensor{{}, {value}}, *proto_->add_initializer());
    return added;
  }

  const Graph& graph_;
  std::set<std::string> names_;
  onnx::GraphProto* proto_ = nullptr;
};

}  // namespace

Bytes ExportOnnx(const Graph& graph) {
  const onnx::ModelProto model = Exporter(graph).Export();
  Bytes bytes(model.ByteSizeLong());
  if (!model.SerializeToArray(bytes.data(), static_cast<int>(bytes.size()))) bytes.clear();
  return bytes;
}

absl::Status SaveOnnx(const Graph& graph, const std::filesystem::path& path) {
  PRIVDNN_RETURN_IF_ERROR(Annotate(InferShapes(graph).status(), path.string()));
  const Bytes model = ExportOnnx(graph);
  if (model.empty() || model.size() > kMaxModelBytes) {
    return InvalidArgument("{}: the model takes more than the {} bytes allowed", path.string(), kMaxModelBytes);
  }
  return WriteFile(path, model);
}

}  // namespace privdnn
