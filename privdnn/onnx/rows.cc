// Values of one spatial dimension, (N, C, L), as maps (N, C, 1, L): convolutions and pools over them are those of maps,
// so that they can be encrypted. Nodes between such windows read and write maps, without a Reshape.
#include <onnx/onnx_pb.h>

#include <algorithm>

#include "privdnn/onnx/importer.h"

namespace privdnn {
namespace {

template <typename... Ops>
bool IsAny(const Op& op) {
  return (std::holds_alternative<Ops>(op) || ...);
}

bool IsElementwise(const Op& op) {
  return IsAny<op::BatchNormalization, op::Relu, op::LeakyRelu, op::PRelu, op::ThresholdedRelu, op::Elu, op::Selu,
               op::Gelu, op::Softplus, op::Softsign, op::Clip, op::Sigmoid, op::Tanh, op::Erf, op::HardSigmoid,
               op::HardSwish, op::Square, op::Sqrt, op::Pow, op::Exp, op::Log, op::Neg, op::Abs, op::Reciprocal,
               op::Add, op::Sub, op::Mul, op::Div, op::Max, op::Min, op::Dropout>(op);
}

// With a dimension of one before the last.
std::vector<int64_t> MapShape(std::vector<int64_t> shape) {
  shape.insert(shape.end() - 1, 1);
  return shape;
}

}  // namespace

absl::StatusOr<std::string> OnnxImporter::MapOf(const Source& source, const std::string& value) {
  if (const auto known = maps_.find(value); known != maps_.end()) return known->second;
  std::string map;
  if (const Tensor* constant = FoldedFloats(value)) {
    PRIVDNN_RETURN_IF_ERROR(budget_.Spend(constant->shape));
    PRIVDNN_ASSIGN_OR_RETURN(map, AddConstant(value + ".map", {MapShape(constant->shape), constant->values}));
  } else {
    PRIVDNN_ASSIGN_OR_RETURN(std::vector<int64_t> shape, ShapeOf(value));
    shape = MapShape(std::move(shape));
    shape[0] = 0;  // the batch
    PRIVDNN_ASSIGN_OR_RETURN(map, AppendPart(source, op::Reshape{std::move(shape)}, {value}));
  }
  maps_[value] = map;
  return map;
}

absl::Status OnnxImporter::AppendRow(const Source& source, Op op, std::vector<std::string> inputs) {
  const std::string& row = source.proto.output(0);
  PRIVDNN_RETURN_IF_ERROR(Define(row));
  std::string map = FreshValue(row + ".map");
  PRIVDNN_RETURN_IF_ERROR(AppendNode({UniqueNodeName(source.proto), std::move(op), std::move(inputs), map}));
  std::vector<int64_t> shape = shapes_.at(map);
  shape.erase(shape.begin() + 2);
  shapes_[row] = std::move(shape);
  maps_[row] = std::move(map);
  unwritten_rows_.insert(row);
  return absl::OkStatus();
}

absl::Status OnnxImporter::WriteRow(const std::string& value) {
  if (unwritten_rows_.erase(value) == 0) return absl::OkStatus();
  std::vector<int64_t> shape = shapes_.at(value);
  shape[0] = 0;  // the batch
  return AppendNode({FreshNodeName(value + ".row"), op::Reshape{std::move(shape)}, {maps_.at(value)}, value});
}

absl::StatusOr<bool> OnnxImporter::AppendToMaps(const Source& source, const Op& op, std::vector<std::string>& inputs) {
  const auto unwritten = [&](const std::string& input) { return unwritten_rows_.contains(input); };
  if (std::none_of(inputs.begin(), inputs.end(), unwritten)) return false;
  // What is flattened has the same elements in the same order.
  if (const auto* flatten = std::get_if<op::Flatten>(&op); flatten != nullptr && flatten->axis == 1) {
    inputs[0] = maps_.at(inputs[0]);
  }
  if (!IsElementwise(op)) return false;
  std::vector<std::string> maps = inputs;
  for (std::string& input : maps) {
    if (input.empty() || ints_.contains(input)) return false;  // refused with the node
    const bool constant = graph_.initializers.contains(input);
    PRIVDNN_ASSIGN_OR_RETURN(const auto shape, AnyShapeOf(input));
    if (constant ? shape.size() >= 2 : shape.size() == 3) {
      PRIVDNN_ASSIGN_OR_RETURN(input, MapOf(source, input));
    }
  }
  PRIVDNN_RETURN_IF_ERROR(AppendRow(source, op, std::move(maps)));
  return true;
}

}  // namespace privdnn
