#include "privdnn/testing/onnx.h"

namespace privdnn {
namespace {

onnx::AttributeProto Attribute(const std::string& name, onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_type(type);
  return attribute;
}

}  // namespace

onnx::AttributeProto IntAttribute(const std::string& name, int64_t value) {
  auto attribute = Attribute(name, onnx::AttributeProto::INT);
  attribute.set_i(value);
  return attribute;
}
onnx::AttributeProto FloatAttribute(const std::string& name, float value) {
  auto attribute = Attribute(name, onnx::AttributeProto::FLOAT);
  attribute.set_f(value);
  return attribute;
}
onnx::AttributeProto StringAttribute(const std::string& name, const std::string& value) {
  auto attribute = Attribute(name, onnx::AttributeProto::STRING);
  attribute.set_s(value);
  return attribute;
}
onnx::AttributeProto IntsAttribute(const std::string& name, const std::vector<int64_t>& values) {
  auto attribute = Attribute(name, onnx::AttributeProto::INTS);
  for (const int64_t v : values) attribute.add_ints(v);
  return attribute;
}
onnx::AttributeProto FloatsAttribute(const std::string& name, const std::vector<float>& values) {
  auto attribute = Attribute(name, onnx::AttributeProto::FLOATS);
  for (const float v : values) attribute.add_floats(v);
  return attribute;
}
onnx::AttributeProto TensorAttribute(const std::string& name, const onnx::TensorProto& value) {
  auto attribute = Attribute(name, onnx::AttributeProto::TENSOR);
  *attribute.mutable_t() = value;
  return attribute;
}

onnx::TensorProto FloatTensor(const std::string& name, const std::vector<int64_t>& shape,
                              const std::vector<float>& values) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  for (const int64_t d : shape) tensor.add_dims(d);
  for (const float v : values) tensor.add_float_data(v);
  return tensor;
}
onnx::TensorProto IntTensor64(const std::string& name, const std::vector<int64_t>& shape,
                              const std::vector<int64_t>& values) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::INT64);
  for (const int64_t d : shape) tensor.add_dims(d);
  for (const int64_t v : values) tensor.add_int64_data(v);
  return tensor;
}

onnx::ValueInfoProto FloatValue(const std::string& name, const std::vector<int64_t>& shape) {
  onnx::ValueInfoProto value;
  value.set_name(name);
  auto& type = *value.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  type.mutable_shape();
  for (const int64_t d : shape) {
    auto& dim = *type.mutable_shape()->add_dim();
    if (d < 0) {
      dim.set_dim_param("batch");
    } else {
      dim.set_dim_value(d);
    }
  }
  return value;
}

onnx::ModelProto EmptyModel(std::vector<int64_t> image_shape, std::vector<int64_t> output_shape, int opset) {
  image_shape.insert(image_shape.begin(), -1);
  output_shape.insert(output_shape.begin(), -1);
  onnx::ModelProto model;
  model.set_ir_version(7);
  model.add_opset_import()->set_version(opset);
  model.mutable_graph()->set_name("test");
  *model.mutable_graph()->add_input() = FloatValue("x", image_shape);
  *model.mutable_graph()->add_output() = FloatValue("y", output_shape);
  return model;
}

onnx::NodeProto& AddNode(onnx::ModelProto& model, const std::string& op, const std::vector<std::string>& inputs,
                         const std::vector<std::string>& outputs, const std::vector<onnx::AttributeProto>& attributes) {
  onnx::NodeProto& node = *model.mutable_graph()->add_node();
  node.set_op_type(op);
  for (const std::string& input : inputs) node.add_input(input);
  for (const std::string& output : outputs) node.add_output(output);
  for (const auto& attribute : attributes) *node.add_attribute() = attribute;
  return node;
}

absl::StatusOr<Graph> ImportModel(const onnx::ModelProto& model) {
  const std::string bytes = model.SerializeAsString();
  return ImportOnnx(AsBytes(bytes), "test");
}

}  // namespace privdnn
