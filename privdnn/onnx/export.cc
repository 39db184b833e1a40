#include <onnx/onnx_pb.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "privdnn/base/file.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/onnx/tensor.h"

namespace privdnn {
namespace {

constexpr int64_t kOpset = 13;
constexpr const char* kBatch = "N";

// The operator set that an operator, as this graph has it, came with.
struct OpsetOf {
  template <typename T>
  int64_t operator()(const T&) const {
    return kOpset;
  }
  int64_t operator()(const op::HardSwish&) const { return 14; }
  int64_t operator()(const op::LayerNormalization&) const { return 17; }
  int64_t operator()(const op::Resize& resize) const {
    const bool symmetric = resize.coordinates == op::Resize::Coordinates::kHalfPixelSymmetric;
    return symmetric ? 19 : resize.scales.empty() ? 18 : kOpset;  // sizes without that of the batch
  }
  int64_t operator()(const op::Gelu&) const { return 20; }
  int64_t operator()(const op::GroupNormalization&) const { return 21; }
};

// The version of the file format that came with an operator set.
int64_t IrVersion(int64_t opset) {
  if (opset >= 21) return 10;
  if (opset >= 19) return 9;
  return opset >= 15 ? 8 : 7;
}

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

void SetAttribute(onnx::NodeProto& node, const std::string& name, const std::string& value) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::STRING);
  attribute.set_s(value);
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
    for (const Node& node : graph_.nodes) {
      if (!IsInstanceNormalization(node)) opset_ = std::max(opset_, std::visit(OpsetOf{}, node.op));
    }
    model.set_ir_version(IrVersion(opset_));
    model.set_producer_name("privdnn");
    onnx::OperatorSetIdProto& opset = *model.add_opset_import();
    opset.set_domain("");
    opset.set_version(opset_);
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
    proto.set_op_type(std::holds_alternative<op::Square>(node.op) ? "Mul"
                      : IsInstanceNormalization(node)             ? "InstanceNormalization"
                                                                  : OpName(node.op));
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
    SetAttribute(proto, "dilations", conv.window.dilations);
    SetAttribute(proto, "group", conv.groups);
  }
  void WriteOp(const Node&, const op::ConvTranspose& conv, onnx::NodeProto& proto) {
    SetWindow(proto, conv.window);
    SetAttribute(proto, "dilations", conv.window.dilations);
    SetAttribute(proto, "group", conv.groups);
    SetAttribute(proto, "output_padding", conv.output_padding);
  }
  void WriteOp(const Node&, const op::BatchNormalization& norm, onnx::NodeProto& proto) {
    SetAttribute(proto, "epsilon", norm.epsilon);
  }
  void WriteOp(const Node&, const op::LayerNormalization& norm, onnx::NodeProto& proto) {
    SetAttribute(proto, "axis", norm.axis);
    SetAttribute(proto, "epsilon", norm.epsilon);
  }
  void WriteOp(const Node& node, const op::GroupNormalization& norm, onnx::NodeProto& proto) {
    SetAttribute(proto, "epsilon", norm.epsilon);
    if (!IsInstanceNormalization(node)) SetAttribute(proto, "num_groups", norm.groups);
  }
  void WriteOp(const Node&, const op::LRN& norm, onnx::NodeProto& proto) {
    SetAttribute(proto, "size", norm.size);
    SetAttribute(proto, "alpha", norm.alpha);
    SetAttribute(proto, "beta", norm.beta);
    SetAttribute(proto, "bias", norm.bias);
  }
  void WriteOp(const Node&, const op::AveragePool& pool, onnx::NodeProto& proto) {
    SetWindow(proto, pool.window);
    SetAttribute(proto, "count_include_pad", static_cast<int64_t>(pool.count_include_pad));
  }
  void WriteOp(const Node&, const op::MaxPool& pool, onnx::NodeProto& proto) {
    SetWindow(proto, pool.window);
    SetAttribute(proto, "dilations", pool.window.dilations);
  }
  void WriteOp(const Node&, const op::LeakyRelu& relu, onnx::NodeProto& proto) {
    SetAttribute(proto, "alpha", relu.alpha);
  }
  void WriteOp(const Node&, const op::ThresholdedRelu& relu, onnx::NodeProto& proto) {
    SetAttribute(proto, "alpha", relu.alpha);
  }
  void WriteOp(const Node&, const op::Elu& elu, onnx::NodeProto& proto) { SetAttribute(proto, "alpha", elu.alpha); }
  void WriteOp(const Node&, const op::Selu& selu, onnx::NodeProto& proto) {
    SetAttribute(proto, "alpha", selu.alpha);
    SetAttribute(proto, "gamma", selu.gamma);
  }
  void WriteOp(const Node&, const op::Gelu& gelu, onnx::NodeProto& proto) {
    SetAttribute(proto, "approximate", std::string(gelu.tanh_approximation ? "tanh" : "none"));
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
  void WriteOp(const Node& node, const op::Pow& pow, onnx::NodeProto& proto) {
    proto.add_input(AddFloat(node.name + "_exponent", pow.exponent));
  }
  void WriteOp(const Node&, const op::Transpose& transpose, onnx::NodeProto& proto) {
    SetAttribute(proto, "perm", transpose.permutation);
  }
  void WriteOp(const Node& node, const op::Slice& slice, onnx::NodeProto& proto) {
    proto.add_input(AddIntegers(node.name + "_start", {slice.start}));
    proto.add_input(AddIntegers(node.name + "_end", {slice.end}));
    proto.add_input(AddIntegers(node.name + "_axis", {slice.axis}));
    proto.add_input(AddIntegers(node.name + "_step", {slice.step}));
  }
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
  void WriteOp(const Node& node, const op::ReduceMean& r, onnx::NodeProto& proto) { WriteReduce(node, r, 18, proto); }
  void WriteOp(const Node& node, const op::ReduceSum& r, onnx::NodeProto& proto) { WriteReduce(node, r, 13, proto); }
  void WriteOp(const Node& node, const op::ReduceMax& r, onnx::NodeProto& proto) { WriteReduce(node, r, 18, proto); }
  void WriteOp(const Node& node, const op::ReduceMin& r, onnx::NodeProto& proto) { WriteReduce(node, r, 18, proto); }
  // The axes became an input in operator set `since`.
  template <typename T>
  void WriteReduce(const Node& node, const T& reduce, int64_t since, onnx::NodeProto& proto) {
    if (opset_ >= since) {
      proto.add_input(AddIntegers(node.name + "_axes", reduce.axes));
    } else {
      SetAttribute(proto, "axes", reduce.axes);
    }
    SetAttribute(proto, "keepdims", static_cast<int64_t>(reduce.keep_dims));
  }
  void WriteOp(const Node&, const op::LogSoftmax& softmax, onnx::NodeProto& proto) {
    SetAttribute(proto, "axis", softmax.axis);
  }
  void WriteOp(const Node& node, const op::Resize& resize, onnx::NodeProto& proto) {
    static constexpr const char* kModes[] = {"nearest", "linear"};
    static constexpr const char* kCoordinates[] = {"half_pixel",    "half_pixel_symmetric", "pytorch_half_pixel",
                                                   "align_corners", "asymmetric",           "tf_half_pixel_for_nn"};
    static constexpr const char* kRoundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
    SetAttribute(proto, "mode", std::string(kModes[static_cast<size_t>(resize.mode)]));
    SetAttribute(proto, "coordinate_transformation_mode",
                 std::string(kCoordinates[static_cast<size_t>(resize.coordinates)]));
    SetAttribute(proto, "nearest_mode", std::string(kRoundings[static_cast<size_t>(resize.rounding)]));
    proto.add_input("");
    if (resize.scales.empty()) {
      std::vector<int64_t> axes(resize.sizes.size());
      std::iota(axes.begin(), axes.end(), 1);
      SetAttribute(proto, "axes", axes);
      proto.add_input("");
      proto.add_input(AddIntegers(node.name + "_sizes", resize.sizes));
    } else {
      std::vector<float> scales = {1};  // of the batch
      scales.insert(scales.end(), resize.scales.begin(), resize.scales.end());
      proto.add_input(AddTensor(node.name + "_scales", {{static_cast<int64_t>(scales.size())}, scales}));
    }
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
  // Adds an initializer. Returns its name.
  std::string AddIntegers(const std::string& name, const std::vector<int64_t>& values) {
    const std::string added = AddName(name);
    WriteTensor(added, values, *proto_->add_initializer());
    return added;
  }
  std::string AddFloat(const std::string& name, float value) { return AddTensor(name, {{}, {value}}); }
  std::string AddTensor(const std::string& name, const Tensor& tensor) {
    const std::string added = AddName(name);
    WriteTensor(added, tensor, *proto_->add_initializer());
    return added;
  }
  bool IsInstanceNormalization(const Node& node) const {
    const auto* norm = std::get_if<op::GroupNormalization>(&node.op);
    const auto scale = node.inputs.size() > 1 ? graph_.initializers.find(node.inputs[1]) : graph_.initializers.end();
    return norm != nullptr && scale != graph_.initializers.end() && scale->second.size() == norm->groups;
  }

  const Graph& graph_;
  std::set<std::string> names_;
  onnx::GraphProto* proto_ = nullptr;
  int64_t opset_ = kOpset;
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
