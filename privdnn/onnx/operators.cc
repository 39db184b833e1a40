#include <onnx/onnx_pb.h>

#include <algorithm>

#include "privdnn/graph/shapes.h"
#include "privdnn/onnx/importer.h"

namespace privdnn {

const std::map<std::string, OnnxImporter::Handler>& OnnxImporter::Handlers() {
  static const auto& handlers = *new std::map<std::string, Handler>{
      {"Add", &OnnxImporter::ReadAdd},
      {"AveragePool", &OnnxImporter::ReadAveragePool},
      {"Cast", &OnnxImporter::ReadCast},
      {"BatchNormalization", &OnnxImporter::ReadBatchNormalization},
      {"Clip", &OnnxImporter::ReadClip},
      {"Concat", &OnnxImporter::ReadConcat},
      {"Constant", &OnnxImporter::ReadConstant},
      {"Conv", &OnnxImporter::ReadConv},
      {"DequantizeLinear", &OnnxImporter::ReadDequantizeLinear},
      {"Div", &OnnxImporter::ReadDiv},
      {"Dropout", &OnnxImporter::ReadDropout},
      {"Flatten", &OnnxImporter::ReadFlatten},
      {"Gather", &OnnxImporter::ReadGather},
      {"Gemm", &OnnxImporter::ReadGemm},
      {"GlobalAveragePool", &OnnxImporter::ReadGlobalAveragePool},
      {"HardSigmoid", &OnnxImporter::ReadHardSigmoid},
      {"HardSwish", &OnnxImporter::ReadHardSwish},
      {"Identity", &OnnxImporter::ReadIdentity},
      {"LeakyRelu", &OnnxImporter::ReadLeakyRelu},
      {"MatMul", &OnnxImporter::ReadMatMul},
      {"Max", &OnnxImporter::ReadMax},
      {"MaxPool", &OnnxImporter::ReadMaxPool},
      {"Min", &OnnxImporter::ReadMin},
      {"Mul", &OnnxImporter::ReadMul},
      {"Pad", &OnnxImporter::ReadPad},
      {"Pow", &OnnxImporter::ReadPow},
      {"QuantizeLinear", &OnnxImporter::ReadQuantizeLinear},
      {"ReduceMean", &OnnxImporter::ReadReduceMean},
      {"Relu", &OnnxImporter::ReadRelu},
      {"Reshape", &OnnxImporter::ReadReshape},
      {"Shape", &OnnxImporter::ReadShape},
      {"Sigmoid", &OnnxImporter::ReadSigmoid},
      {"Slice", &OnnxImporter::ReadSlice},
      {"Softmax", &OnnxImporter::ReadSoftmax},
      {"Sqrt", &OnnxImporter::ReadSqrt},
      {"Squeeze", &OnnxImporter::ReadSqueeze},
      {"Sub", &OnnxImporter::ReadSub},
      {"Tanh", &OnnxImporter::ReadTanh},
      {"Unsqueeze", &OnnxImporter::ReadUnsqueeze},
  };
  return handlers;
}

namespace {

absl::Status CheckInputCount(const std::vector<std::string>& inputs, size_t min, size_t max) {
  if (inputs.size() >= min && inputs.size() <= max) return absl::OkStatus();
  return InvalidArgument("has {} inputs, takes {} to {}", inputs.size(), min, max);
}

// Pads of one axis under SAME: output side = ceil(side / stride), the odd zero at the end (UPPER) or the beginning
// (LOWER).
std::array<int64_t, 2> SamePads(int64_t side, int64_t kernel, int64_t stride, bool upper) {
  const int64_t outputs = (side + stride - 1) / stride;
  const int64_t total = std::max<int64_t>((outputs - 1) * stride + kernel - side, 0);
  const int64_t small = total / 2;
  return upper ? std::array{small, total - small} : std::array{total - small, small};
}

absl::StatusOr<std::array<int64_t, 2>> ReadPair(Attributes& attributes, const std::string& name,
                                                std::array<int64_t, 2> fallback) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto values, attributes.Ints(name));
  if (values.empty()) return fallback;
  if (values.size() != 2) return InvalidArgument("attribute '{}' has {} elements, needs 2", name, values.size());
  for (const int64_t v : values) {
    if (v < 1 || v > kMaxExtent) return InvalidArgument("attribute '{}' = {} lies outside [1, 2^31]", name, v);
  }
  return std::array{values[0], values[1]};
}

absl::StatusOr<std::array<int64_t, 4>> ToPads(const std::vector<int64_t>& values) {
  if (values.size() != 4) return InvalidArgument("{} pads given, needs 4", values.size());
  for (const int64_t v : values) {
    if (v < 0 || v > kMaxExtent) return InvalidArgument("pad {} lies outside [0, 2^31]", v);
  }
  return std::array{values[0], values[1], values[2], values[3]};
}

bool AnyPad(const std::array<int64_t, 4>& pads) { return pads != std::array<int64_t, 4>{}; }

absl::StatusOr<std::array<int64_t, 4>> AddPads(const std::array<int64_t, 4>& a, const std::array<int64_t, 4>& b) {
  return ToPads({a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]});
}

std::vector<std::string> WithFirst(std::vector<std::string> inputs, std::string first) {
  inputs[0] = std::move(first);
  return inputs;
}

}  // namespace

absl::StatusOr<Window> OnnxImporter::ReadWindow(Source& source, const std::vector<int64_t>& shape,
                                                std::optional<std::array<int64_t, 2>> kernel) {
  if (shape.size() != 4) return InvalidArgument("its input has {} dimensions, needs 4", shape.size());
  PRIVDNN_RETURN_IF_ERROR(source.attributes.ExpectInts("dilations", 1));
  Window window;
  if (!kernel.has_value() && !source.attributes.Has("kernel_shape"))
    return InvalidArgument("attribute 'kernel_shape' is missing");
  PRIVDNN_ASSIGN_OR_RETURN(window.kernel, ReadPair(source.attributes, "kernel_shape", kernel.value_or(window.kernel)));
  if (kernel.has_value() && window.kernel != *kernel)
    return InvalidArgument("attribute 'kernel_shape' contradicts the weights");
  PRIVDNN_ASSIGN_OR_RETURN(window.strides, ReadPair(source.attributes, "strides", window.strides));
  PRIVDNN_ASSIGN_OR_RETURN(const auto pads, source.attributes.Ints("pads"));
  PRIVDNN_ASSIGN_OR_RETURN(const auto auto_pad, source.attributes.String("auto_pad", "NOTSET"));
  if (auto_pad == "NOTSET") {
    if (!pads.empty()) {
      PRIVDNN_ASSIGN_OR_RETURN(window.pads, ToPads(pads));
    }
    return window;
  }
  if (std::any_of(pads.begin(), pads.end(), [](int64_t p) { return p != 0; })) {
    return InvalidArgument("both auto_pad = {} and pads are given", auto_pad);
  }
  if (auto_pad == "VALID") return window;
  if (auto_pad != "SAME_UPPER" && auto_pad != "SAME_LOWER")
    return InvalidArgument("auto_pad = '{}' is unknown", auto_pad);
  for (size_t i = 0; i < 2; ++i) {
    const auto same = SamePads(shape[i + 2], window.kernel[i], window.strides[i], auto_pad == "SAME_UPPER");
    window.pads[i] = same[0];
    window.pads[i + 2] = same[1];
  }
  return window;
}

absl::StatusOr<std::array<int64_t, 4>> OnnxImporter::ReadCeilMode(Source& source, const Window& window,
                                                                  const std::vector<int64_t>& shape) {
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t ceil_mode, source.attributes.Int("ceil_mode", 0));
  std::array<int64_t, 4> extra{};
  if (ceil_mode == 0) return extra;
  for (size_t i = 0; i < 2; ++i) {
    const int64_t begin = window.pads[i], stride = window.strides[i];
    const int64_t padded = shape[i + 2] + begin + window.pads[i + 2];
    if (padded < window.kernel[i]) continue;  // refused with the node
    const int64_t rest = (padded - window.kernel[i]) % stride;
    if (rest == 0) continue;
    extra[i + 2] = stride - rest;
    const int64_t last = padded + extra[i + 2] - window.kernel[i];
    if (last >= shape[i + 2] + begin) {
      return InvalidArgument(
          "ceil_mode = 1 is not supported where a window starts in the padding (side {}, kernel {}, stride {}, pads {} "
          "and {})",
          shape[i + 2], window.kernel[i], stride, begin, window.pads[i + 2]);
    }
  }
  return extra;
}

OnnxImporter::PaddedValue OnnxImporter::Unpad(const std::string& value) const {
  const auto it = padded_.find(value);
  return it == padded_.end() ? PaddedValue{value, {}, {}} : it->second;
}

absl::Status OnnxImporter::ReadConv(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 2, 3));
  const auto weights = graph_.initializers.find(source.inputs[1]);
  if (weights == graph_.initializers.end() || weights->second.shape.size() != 4) {
    return InvalidArgument("its weights '{}' must be a constant with 4 dimensions", source.inputs[1]);
  }
  const PaddedValue x = Unpad(source.inputs[0]);
  PRIVDNN_ASSIGN_OR_RETURN(auto shape, ShapeOf(x.value));
  for (size_t i = 0; i < 4 && shape.size() == 4; ++i) shape[2 + i % 2] += x.pads[i];
  op::Conv conv;
  PRIVDNN_ASSIGN_OR_RETURN(conv.window,
                           ReadWindow(source, shape, std::array{weights->second.shape[2], weights->second.shape[3]}));
  PRIVDNN_ASSIGN_OR_RETURN(conv.window.pads, AddPads(conv.window.pads, x.pads));
  PRIVDNN_ASSIGN_OR_RETURN(conv.groups, source.attributes.Int("group", 1));
  return Append(source, conv, WithFirst(source.inputs, x.value));
}

absl::Status OnnxImporter::ReadBatchNormalization(Source& source) {
  op::BatchNormalization norm;
  PRIVDNN_ASSIGN_OR_RETURN(norm.epsilon, source.attributes.Float("epsilon", norm.epsilon));
  source.attributes.Ignore("momentum");
  if (opset_ < 9) PRIVDNN_RETURN_IF_ERROR(source.attributes.ExpectInt("spatial", 1));
  PRIVDNN_RETURN_IF_ERROR(source.attributes.ExpectInt("training_mode", 0));
  return Append(source, norm, source.inputs);
}

absl::Status OnnxImporter::ReadAveragePool(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  const PaddedValue x = Unpad(source.inputs[0]);
  PRIVDNN_ASSIGN_OR_RETURN(auto shape, ShapeOf(x.value));
  for (size_t i = 0; i < 4 && shape.size() == 4; ++i) shape[2 + i % 2] += x.pads[i];
  op::AveragePool pool;
  PRIVDNN_ASSIGN_OR_RETURN(pool.window, ReadWindow(source, shape, std::nullopt));
  PRIVDNN_ASSIGN_OR_RETURN(const auto extra, ReadCeilMode(source, pool.window, shape));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t include, source.attributes.Int("count_include_pad", 0));
  pool.count_include_pad = include != 0;
  if (AnyPad(x.pads)) {
    // The zeros of a Pad node are counted, so its pads can only join pads that are counted too.
    if (AnyPad(pool.window.pads) && !pool.count_include_pad) return Append(source, pool, source.inputs);
    pool.count_include_pad = true;
    PRIVDNN_ASSIGN_OR_RETURN(pool.window.pads, AddPads(pool.window.pads, x.pads));
  }
  if (AnyPad(extra)) {
    // Cells behind the padding never count, those of padding do: one node can't say both.
    if (pool.count_include_pad && AnyPad(pool.window.pads)) {
      return InvalidArgument("ceil_mode = 1 with counted padding is not supported where the last window is cut off");
    }
    pool.count_include_pad = false;
    PRIVDNN_ASSIGN_OR_RETURN(pool.window.pads, AddPads(pool.window.pads, extra));
  }
  return Append(source, pool, {x.value});
}

absl::Status OnnxImporter::ReadGlobalAveragePool(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, ShapeOf(source.inputs[0]));
  if (shape.size() != 4) return InvalidArgument("its input has {} dimensions, needs 4", shape.size());
  op::AveragePool pool;
  pool.window.kernel = {shape[2], shape[3]};
  return Append(source, pool, source.inputs);
}

absl::Status OnnxImporter::ReadMaxPool(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, ShapeOf(source.inputs[0]));
  op::MaxPool pool;
  PRIVDNN_ASSIGN_OR_RETURN(pool.window, ReadWindow(source, shape, std::nullopt));
  PRIVDNN_ASSIGN_OR_RETURN(const auto extra, ReadCeilMode(source, pool.window, shape));
  PRIVDNN_ASSIGN_OR_RETURN(pool.window.pads, AddPads(pool.window.pads, extra));
  source.attributes.Ignore("storage_order");  // orders the indices of the second output only
  return Append(source, pool, source.inputs);
}

absl::Status OnnxImporter::ReadRelu(Source& source) { return Append(source, op::Relu{}, source.inputs); }

absl::Status OnnxImporter::ReadLeakyRelu(Source& source) {
  op::LeakyRelu relu;
  PRIVDNN_ASSIGN_OR_RETURN(relu.alpha, source.attributes.Float("alpha", relu.alpha));
  return Append(source, relu, source.inputs);
}

absl::Status OnnxImporter::ReadClip(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, opset_ < 11 ? 1 : 3));
  op::Clip clip;
  if (opset_ < 11) {
    PRIVDNN_ASSIGN_OR_RETURN(clip.min, source.attributes.Float("min", clip.min));
    PRIVDNN_ASSIGN_OR_RETURN(clip.max, source.attributes.Float("max", clip.max));
  }
  if (source.inputs.size() > 1 && !source.inputs[1].empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(clip.min, FoldedFloat(source.inputs[1]));
  }
  if (source.inputs.size() > 2) {
    PRIVDNN_ASSIGN_OR_RETURN(clip.max, FoldedFloat(source.inputs[2]));
  }
  return Append(source, clip, {source.inputs[0]});
}

absl::Status OnnxImporter::ReadSigmoid(Source& source) { return Append(source, op::Sigmoid{}, source.inputs); }
absl::Status OnnxImporter::ReadTanh(Source& source) { return Append(source, op::Tanh{}, source.inputs); }

absl::Status OnnxImporter::ReadHardSigmoid(Source& source) {
  op::HardSigmoid sigmoid;
  PRIVDNN_ASSIGN_OR_RETURN(sigmoid.alpha, source.attributes.Float("alpha", sigmoid.alpha));
  PRIVDNN_ASSIGN_OR_RETURN(sigmoid.beta, source.attributes.Float("beta", sigmoid.beta));
  return Append(source, sigmoid, source.inputs);
}

absl::Status OnnxImporter::ReadHardSwish(Source& source) {
  if (opset_ < 14) return InvalidArgument("is not in operator set {}, it came with 14", opset_);
  return Append(source, op::HardSwish{}, source.inputs);
}

absl::Status OnnxImporter::ReadMul(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 2, 2));
  if (source.inputs[0] == source.inputs[1]) return Append(source, op::Square{}, {source.inputs[0]});
  return Append(source, op::Mul{}, source.inputs);
}

absl::Status OnnxImporter::ReadPow(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 2, 2));
  PRIVDNN_ASSIGN_OR_RETURN(const double exponent, FoldedScalar(source.inputs[1]));
  if (exponent == 1) return AppendAlias(source, source.inputs[0]);
  if (exponent == 0.5) return Append(source, op::Sqrt{}, {source.inputs[0]});
  if (exponent != 2) return InvalidArgument("exponent {} is not supported (supported: 0.5, 1, 2)", exponent);
  return Append(source, op::Square{}, {source.inputs[0]});
}

absl::Status OnnxImporter::ReadFlatten(Source& source) {
  op::Flatten flatten;
  PRIVDNN_ASSIGN_OR_RETURN(flatten.axis, source.attributes.Int("axis", 1));
  return Append(source, flatten, source.inputs);
}

absl::Status OnnxImporter::ReadReshape(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 2, 2));
  op::Reshape reshape;
  const IntTensor* target = FoldedInts(source.inputs[1]);
  if (target != nullptr && target->shape.size() == 1 && !target->values.empty() && target->IsBatch(0)) {
    // The batch's size comes first: 0 copies it.
    IntTensor rest{{target->shape[0]}, target->values, target->batch};
    rest.batch[0] = false;
    if (std::count(rest.batch.begin(), rest.batch.end(), true) > 0)
      return InvalidArgument("its shape has the size of the batch behind its first dimension");
    reshape.shape = std::move(rest.values);
  } else {
    PRIVDNN_ASSIGN_OR_RETURN(reshape.shape, FoldedIntVector(source, 1));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t allow_zero, source.attributes.Int("allowzero", 0));
  if (allow_zero != 0 && std::count(reshape.shape.begin(), reshape.shape.end(), 0) > 0) {
    return InvalidArgument("attribute 'allowzero' = {} is not supported", allow_zero);
  }
  // A model exported for one batch size names it here; it means "as many as there are".
  if (static_batch_.has_value() && !reshape.shape.empty() && reshape.shape[0] == *static_batch_) reshape.shape[0] = 0;
  return Append(source, reshape, {source.inputs[0]});
}

absl::Status OnnxImporter::ReadGemm(Source& source) {
  op::Gemm gemm;
  PRIVDNN_ASSIGN_OR_RETURN(gemm.alpha, source.attributes.Float("alpha", 1));
  PRIVDNN_ASSIGN_OR_RETURN(gemm.beta, source.attributes.Float("beta", 1));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t trans_a, source.attributes.Int("transA", 0));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t trans_b, source.attributes.Int("transB", 0));
  gemm.trans_a = trans_a != 0;
  gemm.trans_b = trans_b != 0;
  return Append(source, gemm, source.inputs);
}

absl::Status OnnxImporter::ReadMatMul(Source& source) { return Append(source, op::MatMul{}, source.inputs); }
absl::Status OnnxImporter::ReadAdd(Source& source) { return Append(source, op::Add{}, source.inputs); }
absl::Status OnnxImporter::ReadSub(Source& source) { return Append(source, op::Sub{}, source.inputs); }
absl::Status OnnxImporter::ReadDiv(Source& source) { return Append(source, op::Div{}, source.inputs); }
absl::Status OnnxImporter::ReadMax(Source& source) { return Append(source, op::Max{}, source.inputs); }
absl::Status OnnxImporter::ReadMin(Source& source) { return Append(source, op::Min{}, source.inputs); }
absl::Status OnnxImporter::ReadSqrt(Source& source) { return Append(source, op::Sqrt{}, source.inputs); }

absl::Status OnnxImporter::ReadReduceMean(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  op::ReduceMean mean;
  PRIVDNN_ASSIGN_OR_RETURN(mean.axes, source.attributes.Ints("axes"));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t keep, source.attributes.Int("keepdims", 1));
  mean.keep_dims = keep != 0;
  return Append(source, mean, source.inputs);
}

absl::Status OnnxImporter::ReadSoftmax(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
  // Before operator set 13 the axis had another default, and Softmax ran over it and all later dimensions together.
  op::Softmax softmax;
  PRIVDNN_ASSIGN_OR_RETURN(softmax.axis, source.attributes.Int("axis", opset_ < 13 ? 1 : -1));
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, ShapeOf(source.inputs[0]));
  PRIVDNN_ASSIGN_OR_RETURN(const size_t axis, NonBatchAxis(softmax.axis, shape.size()));
  const bool alone =
      std::all_of(shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1, shape.end(), [](int64_t d) { return d == 1; });
  if (opset_ < 13 && !alone) {
    return InvalidArgument("axis {} of {} dimensions is not supported in operator set {}", softmax.axis, shape.size(),
                           opset_);
  }
  return Append(source, softmax, source.inputs);
}

absl::Status OnnxImporter::ReadConstant(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 0, 0));
  ConstantTensor constant;
  PRIVDNN_ASSIGN_OR_RETURN(const onnx::TensorProto* tensor, source.attributes.Tensor("value"));
  if (tensor != nullptr) {
    PRIVDNN_ASSIGN_OR_RETURN(constant, ReadTensor(*tensor, external_, budget_));
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
  PRIVDNN_RETURN_IF_ERROR(DefineConstant(source.proto.output(0), std::move(constant)));
  droppable_.insert(source.proto.output(0));
  return absl::OkStatus();
}

absl::Status OnnxImporter::ReadIdentity(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, 1));
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

absl::Status OnnxImporter::ReadPad(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(CheckInputCount(source.inputs, 1, opset_ < 11 ? 1 : 3));
  PRIVDNN_ASSIGN_OR_RETURN(const auto mode, source.attributes.String("mode", "constant"));
  if (mode != "constant") return InvalidArgument("mode '{}' is not supported (supported: constant)", mode);
  std::vector<int64_t> all;  // the beginnings of every dimension, then the ends
  float fill = 0;
  if (opset_ < 11) {
    PRIVDNN_ASSIGN_OR_RETURN(all, source.attributes.Ints("pads"));
    PRIVDNN_ASSIGN_OR_RETURN(fill, source.attributes.Float("value", 0));
  } else {
    PRIVDNN_ASSIGN_OR_RETURN(all, FoldedIntVector(source, 1));
    if (source.inputs.size() == 3) {
      PRIVDNN_ASSIGN_OR_RETURN(fill, FoldedFloat(source.inputs[2]));
    }
  }
  const PaddedValue x = Unpad(source.inputs[0]);
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, ShapeOf(x.value));
  if (all.size() == 2 * shape.size() && std::all_of(all.begin(), all.end(), [](int64_t p) { return p == 0; })) {
    return AppendAlias(source, source.inputs[0]);
  }
  const bool maps_only =
      shape.size() == 4 && all.size() == 8 && all[0] == 0 && all[1] == 0 && all[4] == 0 && all[5] == 0;
  if (fill != 0 || !maps_only) return Append(source, op::Pad{std::move(all), fill}, {source.inputs[0]});
  PRIVDNN_ASSIGN_OR_RETURN(auto pads, ToPads({all[2], all[3], all[6], all[7]}));
  PRIVDNN_ASSIGN_OR_RETURN(pads, AddPads(pads, x.pads));
  PRIVDNN_RETURN_IF_ERROR(Define(source.proto.output(0)));
  padded_[source.proto.output(0)] = {x.value, pads, UniqueNodeName(source.proto)};
  return absl::OkStatus();
}

}  // namespace privdnn
