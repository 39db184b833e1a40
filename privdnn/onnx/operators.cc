#include <onnx/onnx_pb.h>

#include <algorithm>

#include "privdnn/onnx/importer.h"

namespace privdnn {

const std::map<std::string, OnnxImporter::Handler>& OnnxImporter::Handlers() {
  static const auto& handlers = *new std::map<std::string, Handler>{
      {"Abs", &OnnxImporter::ReadUnary},
      {"Add", &OnnxImporter::ReadBinary<op::Add>},
      {"ArgMax", &OnnxImporter::ReadArgMax},
      {"AveragePool", &OnnxImporter::ReadAveragePool},
      {"BatchNormalization", &OnnxImporter::ReadBatchNormalization},
      {"Cast", &OnnxImporter::ReadCast},
      {"Ceil", &OnnxImporter::ReadUnary},
      {"Celu", &OnnxImporter::ReadCelu},
      {"Clip", &OnnxImporter::ReadClip},
      {"Concat", &OnnxImporter::ReadConcat},
      {"Constant", &OnnxImporter::ReadConstant},
      {"ConstantOfShape", &OnnxImporter::ReadConstantOfShape},
      {"Conv", &OnnxImporter::ReadConv},
      {"ConvTranspose", &OnnxImporter::ReadConvTranspose},
      {"DepthToSpace", &OnnxImporter::ReadDepthToSpace},
      {"DequantizeLinear", &OnnxImporter::ReadDequantizeLinear},
      {"Div", &OnnxImporter::ReadBinary<op::Div>},
      {"Dropout", &OnnxImporter::ReadDropout},
      {"Elu", &OnnxImporter::ReadElu},
      {"Equal", &OnnxImporter::ReadEqual},
      {"Erf", &OnnxImporter::ReadPlain<op::Erf>},
      {"Exp", &OnnxImporter::ReadUnary},
      {"Expand", &OnnxImporter::ReadExpand},
      {"Flatten", &OnnxImporter::ReadFlatten},
      {"Floor", &OnnxImporter::ReadUnary},
      {"Gather", &OnnxImporter::ReadGather},
      {"Gelu", &OnnxImporter::ReadGelu},
      {"Gemm", &OnnxImporter::ReadGemm},
      {"GlobalAveragePool", &OnnxImporter::ReadGlobalAveragePool},
      {"GlobalMaxPool", &OnnxImporter::ReadGlobalMaxPool},
      {"GroupNormalization", &OnnxImporter::ReadGroupNormalization},
      {"HardSigmoid", &OnnxImporter::ReadHardSigmoid},
      {"HardSwish", &OnnxImporter::ReadHardSwish},
      {"Identity", &OnnxImporter::ReadIdentity},
      {"If", &OnnxImporter::ReadIf},
      {"InstanceNormalization", &OnnxImporter::ReadInstanceNormalization},
      {"LRN", &OnnxImporter::ReadLrn},
      {"LayerNormalization", &OnnxImporter::ReadLayerNormalization},
      {"LeakyRelu", &OnnxImporter::ReadLeakyRelu},
      {"Log", &OnnxImporter::ReadUnary},
      {"LogSoftmax", &OnnxImporter::ReadSoftmax},
      {"MatMul", &OnnxImporter::ReadPlain<op::MatMul>},
      {"Max", &OnnxImporter::ReadVariadic<op::Max>},
      {"MaxPool", &OnnxImporter::ReadMaxPool},
      {"Mean", &OnnxImporter::ReadMean},
      {"Min", &OnnxImporter::ReadVariadic<op::Min>},
      {"Mish", &OnnxImporter::ReadMish},
      {"Mul", &OnnxImporter::ReadMul},
      {"Neg", &OnnxImporter::ReadUnary},
      {"PRelu", &OnnxImporter::ReadPlain<op::PRelu>},
      {"Pad", &OnnxImporter::ReadPad},
      {"Pow", &OnnxImporter::ReadPow},
      {"QuantizeLinear", &OnnxImporter::ReadQuantizeLinear},
      {"Range", &OnnxImporter::ReadRange},
      {"Reciprocal", &OnnxImporter::ReadUnary},
      {"ReduceL1", &OnnxImporter::ReadReduce},
      {"ReduceL2", &OnnxImporter::ReadReduce},
      {"ReduceMax", &OnnxImporter::ReadReduce},
      {"ReduceMean", &OnnxImporter::ReadReduce},
      {"ReduceMin", &OnnxImporter::ReadReduce},
      {"ReduceSum", &OnnxImporter::ReadReduce},
      {"ReduceSumSquare", &OnnxImporter::ReadReduce},
      {"Relu", &OnnxImporter::ReadPlain<op::Relu>},
      {"Reshape", &OnnxImporter::ReadReshape},
      {"Resize", &OnnxImporter::ReadResize},
      {"Selu", &OnnxImporter::ReadSelu},
      {"Shape", &OnnxImporter::ReadShape},
      {"Sigmoid", &OnnxImporter::ReadPlain<op::Sigmoid>},
      {"Slice", &OnnxImporter::ReadSlice},
      {"Softmax", &OnnxImporter::ReadSoftmax},
      {"Softplus", &OnnxImporter::ReadPlain<op::Softplus>},
      {"Softsign", &OnnxImporter::ReadPlain<op::Softsign>},
      {"SpaceToDepth", &OnnxImporter::ReadSpaceToDepth},
      {"Split", &OnnxImporter::ReadSplit},
      {"Sqrt", &OnnxImporter::ReadUnary},
      {"Squeeze", &OnnxImporter::ReadSqueeze},
      {"Sub", &OnnxImporter::ReadBinary<op::Sub>},
      {"Sum", &OnnxImporter::ReadVariadic<op::Add>},
      {"Tanh", &OnnxImporter::ReadPlain<op::Tanh>},
      {"ThresholdedRelu", &OnnxImporter::ReadThresholdedRelu},
      {"Transpose", &OnnxImporter::ReadTranspose},
      {"Unsqueeze", &OnnxImporter::ReadUnsqueeze},
      {"Upsample", &OnnxImporter::ReadUpsample},
      {"Where", &OnnxImporter::ReadWhere},
  };
  return handlers;
}

absl::Status CheckInputCount(const std::vector<std::string>& inputs, size_t min, size_t max) {
  if (inputs.size() >= min && inputs.size() <= max) return absl::OkStatus();
  return InvalidArgument("has {} inputs, takes {} to {}", inputs.size(), min, max);
}

bool OnnxImporter::IsConstant(const std::string& value) const {
  return ints_.contains(value) || graph_.initializers.contains(value);
}

bool OnnxImporter::AllConstant(const Source& source) const {
  return !source.inputs.empty() &&
         std::all_of(source.inputs.begin(), source.inputs.end(), [&](const auto& input) { return IsConstant(input); });
}

std::string OnnxImporter::FreshValue(const std::string& name) {
  std::string fresh = name;
  while (defined_.contains(fresh) || !value_names_.insert(fresh).second) fresh = Numbered(name);
  defined_.insert(fresh);
  return fresh;
}

std::string OnnxImporter::FreshNodeName(const std::string& name) {
  std::string fresh = name;
  while (!node_names_.insert(fresh).second) fresh = Numbered(name);
  return fresh;
}

std::string OnnxImporter::Numbered(const std::string& name) {
  return fmt::format("{}_{}", name, suffixes_.try_emplace(name, 1).first->second += 1);
}

absl::StatusOr<std::string> OnnxImporter::AddConstant(const std::string& name, Tensor tensor) {
  PRIVDNN_RETURN_IF_ERROR(folded_.Take(tensor.size(), sizeof(float)));
  std::string fresh = FreshValue(name);
  graph_.initializers[fresh] = std::move(tensor);
  return fresh;
}

absl::StatusOr<std::string> OnnxImporter::AppendPart(const Source& source, Op op, std::vector<std::string> inputs) {
  const std::string& whole = source.proto.output(0);
  std::string value = FreshValue(fmt::format("{}.{}", whole, OpName(op)));
  const std::string& base = source.proto.name().empty() ? whole : source.proto.name();
  const std::string name = FreshNodeName(fmt::format("{}.{}", base, OpName(op)));
  PRIVDNN_RETURN_IF_ERROR(AppendNode({name, std::move(op), std::move(inputs), value}));
  return value;
}

absl::Status OnnxImporter::DefineFolded(const Source& source, ConstantTensor tensor) {
  return DefineFolded(source.proto.output(0), std::move(tensor));
}

absl::Status OnnxImporter::DefineFolded(const std::string& output, ConstantTensor tensor) {
  const auto* ints = std::get_if<IntTensor>(&tensor);
  const int64_t count = ints != nullptr ? static_cast<int64_t>(ints->values.size()) : std::get<Tensor>(tensor).size();
  PRIVDNN_RETURN_IF_ERROR(folded_.Take(count, ints != nullptr ? sizeof(int64_t) : sizeof(float)));
  PRIVDNN_RETURN_IF_ERROR(DefineConstant(output, std::move(tensor)));
  droppable_.insert(output);
  return absl::OkStatus();
}

absl::Status OnnxImporter::DefineRearranged(const Source& source, int index, const std::string& value,
                                            const Rearrangement& order) {
  const std::string& output = source.proto.output(index);
  if (const IntTensor* ints = FoldedInts(value)) return DefineFolded(output, Rearrange(*ints, order));
  return DefineFolded(output, Rearrange(*FoldedFloats(value), order));
}

absl::Status OnnxImporter::ReadGemm(Source& source) {
  op::Gemm gemm;
  PRIVDNN_ASSIGN_OR_RETURN(gemm.alpha, source.attributes.Float("alpha", 1));
  PRIVDNN_ASSIGN_OR_RETURN(gemm.beta, source.attributes.Float("beta", 1));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t trans_a, source.attributes.Int("transA", 0));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t trans_b, source.attributes.Int("transB", 0));
  gemm.trans_a = trans_a != 0;
  gemm.trans_b = trans_b != 0;
  if (opset_ < 7) source.attributes.Ignore("broadcast");
  return Append(source, gemm, source.inputs);
}

absl::Status OnnxImporter::ReadConstant(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 0, 0));
  ConstantTensor constant;
  PRIVDNN_ASSIGN_OR_RETURN(const onnx::TensorProto* tensor, source.attributes.Tensor("value"));
  if (tensor != nullptr) {
    PRIVDNN_ASSIGN_OR_RETURN(constant, ReadTensor(*tensor, external_, constants_));
  } else if (source.attributes.Has("value_float")) {
    PRIVDNN_ASSIGN_OR_RETURN(const float value, source.attributes.Float("value_float", 0));
    constant = Tensor{{}, {value}};
  } else if (source.attributes.Has("value_floats")) {
    PRIVDNN_ASSIGN_OR_RETURN(auto values, source.attributes.Floats("value_floats"));
    constant = Tensor{{static_cast<int64_t>(values.size())}, std::move(values)};
  } else if (source.attributes.Has("value_int")) {
    PRIVDNN_ASSIGN_OR_RETURN(const int64_t value, source.attributes.Int("value_int", 0));
    constant = IntTensor{{}, {value}};
  } else if (source.attributes.Has("value_ints")) {
    PRIVDNN_ASSIGN_OR_RETURN(auto values, source.attributes.Ints("value_ints"));
    constant = IntTensor{{static_cast<int64_t>(values.size())}, std::move(values)};
  } else if (source.proto.attribute_size() == 0) {
    return InvalidArgument("has no value");
  }
  return DefineFolded(source, std::move(constant));
}

absl::Status OnnxImporter::ReadIdentity(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  if (class_indices_.contains(source.proto.input(0))) class_indices_.insert(source.proto.output(0));
  return AppendAlias(source, source.inputs[0]);
}

absl::Status OnnxImporter::ReadDropout(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, opset_ < 12 ? 1 : 3));
  source.attributes.Ignore("seed");
  op::Dropout dropout;
  if (opset_ < 12) {
    PRIVDNN_ASSIGN_OR_RETURN(dropout.ratio, source.attributes.Float("ratio", dropout.ratio));
  }
  if (source.inputs.size() > 1 && !source.inputs[1].empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(dropout.ratio, FoldedFloat(source.inputs[1]));
  }
  if (source.inputs.size() > 2) {
    PRIVDNN_ASSIGN_OR_RETURN(const double training, FoldedScalar(source.inputs[2]));
    if (training != 0) return InvalidArgument("training_mode is not supported: the output would be random");
  }
  return Append(source, dropout, {source.inputs[0]});
}

// An If whose condition is known, as exporters write it around Squeeze: the nodes of one branch stand in its place.
absl::Status OnnxImporter::ReadIf(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  const IntTensor* condition = FoldedInts(source.inputs[0]);
  if (condition == nullptr || condition->values.size() != 1 || condition->IsBatch(0)) {
    return InvalidArgument("its condition is not a constant");
  }
  source.attributes.Ignore("then_branch");
  source.attributes.Ignore("else_branch");
  const std::string wanted = condition->values[0] != 0 ? "then_branch" : "else_branch";
  const auto& attributes = source.proto.attribute();
  const auto branch =
      std::find_if(attributes.begin(), attributes.end(), [&](const auto& a) { return a.name() == wanted; });
  if (branch == attributes.end() || !branch->has_g()) return InvalidArgument("has no {}", wanted);
  const onnx::GraphProto& graph = branch->g();
  if (graph.output_size() != source.proto.output_size()) {
    return InvalidArgument("has {} outputs, its {} {}", source.proto.output_size(), wanted, graph.output_size());
  }
  for (const onnx::TensorProto& proto : graph.initializer()) {
    PRIVDNN_ASSIGN_OR_RETURN(ConstantTensor tensor, ReadTensor(proto, external_, constants_));
    PRIVDNN_RETURN_IF_ERROR(DefineConstant(proto.name(), std::move(tensor)));
  }
  for (const auto& node : graph.node()) PRIVDNN_RETURN_IF_ERROR(ReadNode(node));
  for (int i = 0; i < graph.output_size(); ++i) {
    const std::string& value = graph.output(i).name();
    if (!defined_.contains(value)) return InvalidArgument("its {} does not compute '{}'", wanted, value);
    const auto alias = aliases_.find(value);
    PRIVDNN_RETURN_IF_ERROR(Define(source.proto.output(i)));
    aliases_[source.proto.output(i)] = alias == aliases_.end() ? value : alias->second;
  }
  return absl::OkStatus();
}

// A graph that ends in ArgMax gives what that reads: whoever runs it takes the largest score anyway.
absl::Status OnnxImporter::ReadArgMax(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t axis, source.attributes.Int("axis", 0));
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, ShapeOf(source.inputs[0]));
  source.attributes.Ignore("keepdims");
  PRIVDNN_RETURN_IF_ERROR(source.attributes.ExpectInt("select_last_index", 0));
  const auto rank = static_cast<int64_t>(shape.size());
  const int64_t positive = axis < 0 ? axis + rank : axis;
  if (rank < 2 || (positive != 1 && positive != rank - 1)) {
    return InvalidArgument("axis {} of ({}) is not that of the classes", axis, fmt::join(shape, ", "));
  }
  PRIVDNN_RETURN_IF_ERROR(AppendAlias(source, source.inputs[0]));
  class_indices_.insert(source.proto.output(0));
  return absl::OkStatus();
}

}  // namespace privdnn
