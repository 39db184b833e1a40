// Quantised models, in the form where QuantizeLinear and DequantizeLinear stand around operators on floats (QDQ).
// Constants between the two become floats. A pair around a computed value becomes one operator, whose integers nothing
// else reads.
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "privdnn/onnx/importer.h"

namespace privdnn {
namespace {

using onnx::TensorProto;

struct Limits {
  int64_t min, max;
};
template <typename T>
constexpr Limits kLimitsOf = {std::numeric_limits<T>::min(), std::numeric_limits<T>::max()};

// The numbers of a type that may be quantised to or dequantised from.
absl::StatusOr<Limits> LimitsOf(int64_t type) {
  if (type == TensorProto::INT8) return kLimitsOf<int8_t>;
  if (type == TensorProto::UINT8) return kLimitsOf<uint8_t>;
  if (type == TensorProto::INT16) return kLimitsOf<int16_t>;
  if (type == TensorProto::UINT16) return kLimitsOf<uint16_t>;
  if (type == TensorProto::INT32) return kLimitsOf<int32_t>;
  return InvalidArgument("quantised values of type {} are not supported", TypeName(type));
}

// Which of the scales applies to an element: one for all, or one for each index of an axis.
class ScaleIndex {
 public:
  static absl::StatusOr<ScaleIndex> Create(const std::vector<int64_t>& shape, int64_t axis, size_t scales) {
    if (scales == 1) return ScaleIndex(1, 1);
    const auto rank = static_cast<int64_t>(shape.size());
    if (axis < -rank || axis >= rank) return InvalidArgument("axis {} lies outside [-{}, {})", axis, rank, rank);
    const auto at = shape.begin() + (axis < 0 ? axis + rank : axis);
    if (*at != static_cast<int64_t>(scales)) return InvalidArgument("{} scales for an axis of {}", scales, *at);
    size_t inner = 1;
    for (auto it = at + 1; it != shape.end(); ++it) inner *= static_cast<size_t>(*it);
    return ScaleIndex(inner, scales);
  }
  size_t operator()(size_t element) const { return element / inner_ % scales_; }

 private:
  ScaleIndex(size_t inner, size_t scales) : inner_(inner), scales_(scales) {}
  size_t inner_, scales_;
};

absl::StatusOr<IntTensor> Quantize(const Tensor& x, const std::vector<float>& scales, const IntTensor& zeros,
                                   int64_t axis) {
  PRIVDNN_ASSIGN_OR_RETURN(const ScaleIndex index, ScaleIndex::Create(x.shape, axis, scales.size()));
  PRIVDNN_ASSIGN_OR_RETURN(const Limits limits, LimitsOf(zeros.type));
  IntTensor result{x.shape, std::vector<int64_t>(x.values.size()), {}, zeros.type};
  for (size_t i = 0; i < x.values.size(); ++i) {
    const double rounded = std::nearbyint(x.values[i] / scales[index(i)]);
    if (std::isnan(rounded)) return InvalidArgument("element {} of input 0 is not a number", i);
    const double shifted = rounded + static_cast<double>(zeros.values[index(i)]);
    result.values[i] =
        static_cast<int64_t>(std::clamp(shifted, static_cast<double>(limits.min), static_cast<double>(limits.max)));
  }
  return result;
}

}  // namespace

absl::StatusOr<std::vector<float>> OnnxImporter::ReadScales(const Source& source) {
  const Tensor* scales = source.inputs.size() < 2 ? nullptr : FoldedFloats(source.inputs[1]);
  if (scales == nullptr || scales->shape.size() > 1 || scales->values.empty()) {
    return InvalidArgument("input 1, the scale, must be a constant number or vector");
  }
  for (const float scale : scales->values) {
    if (!std::isfinite(scale) || scale <= 0) return InvalidArgument("scale {} is not a positive number", scale);
  }
  return scales->values;
}

absl::StatusOr<IntTensor> OnnxImporter::ReadZeroPoints(const Source& source, size_t count, int64_t default_type) {
  if (source.inputs.size() > 3) return InvalidArgument("has {} inputs, takes 2 to 3", source.inputs.size());
  IntTensor zeros{{}, std::vector<int64_t>(count), {}, static_cast<int>(default_type)};
  if (source.inputs.size() == 3) {
    const IntTensor* given = FoldedInts(source.inputs[2]);
    if (given == nullptr || given->shape.size() > 1 || given->values.size() != count) {
      return InvalidArgument("input 2, the zero point, must be a constant with {} integers, as many as scales", count);
    }
    zeros = *given;
  }
  PRIVDNN_RETURN_IF_ERROR(LimitsOf(zeros.type).status());
  return zeros;
}

// Weights that are shared stay so: what a network applies repeatedly can't be secret in one place.
const std::string& OnnxImporter::SameConstant(const Source& source, int64_t axis, int64_t type) {
  std::vector<std::string> key = source.inputs;
  key.insert(key.end(), {source.proto.op_type(), std::to_string(axis), std::to_string(type)});
  return quantized_constants_.try_emplace(std::move(key), source.proto.output(0)).first->second;
}

absl::Status OnnxImporter::ReadQuantizeLinear(Source& source) {
  source.attributes.Ignore("saturate");  // of 8-bit floats only
  PRIVDNN_RETURN_IF_ERROR(source.attributes.ExpectInt("block_size", 0));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t axis, source.attributes.Int("axis", 1));
  PRIVDNN_ASSIGN_OR_RETURN(int64_t type, source.attributes.Int("output_dtype", 0));
  if (type == 0) type = TensorProto::UINT8;
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<float> scales, ReadScales(source));
  PRIVDNN_ASSIGN_OR_RETURN(const IntTensor zeros, ReadZeroPoints(source, scales.size(), type));
  if (const Tensor* constant = FoldedFloats(source.inputs[0])) {
    const std::string& same = SameConstant(source, axis, type);
    if (same != source.proto.output(0)) return AppendAlias(source, same);
    PRIVDNN_RETURN_IF_ERROR(constants_.Take(constant->size(), sizeof(int64_t)));
    PRIVDNN_ASSIGN_OR_RETURN(IntTensor result, Quantize(*constant, scales, zeros, axis));
    return DefineConstant(source.proto.output(0), std::move(result));
  }
  if (scales.size() != 1) return InvalidArgument("has {} scales; computed values need one for all", scales.size());
  if (zeros.type != TensorProto::INT8 && zeros.type != TensorProto::UINT8) {
    return InvalidArgument("quantises computed values to {} (supported: INT8, UINT8)", TypeName(zeros.type));
  }
  PRIVDNN_RETURN_IF_ERROR(ShapeOf(source.inputs[0]).status());
  PRIVDNN_RETURN_IF_ERROR(Define(source.proto.output(0)));
  quantized_[source.proto.output(0)] = {source.inputs[0],
                                        {scales[0], zeros.values[0], zeros.type == TensorProto::INT8}};
  return absl::OkStatus();
}

absl::Status OnnxImporter::ReadDequantizeLinear(Source& source) {
  PRIVDNN_RETURN_IF_ERROR(source.attributes.ExpectInt("block_size", 0));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t axis, source.attributes.Int("axis", 1));
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<float> scales, ReadScales(source));
  if (const auto quantized = quantized_.find(source.inputs[0]); quantized != quantized_.end()) {
    const auto& [value, quantize] = quantized->second;
    const int type = quantize.is_signed ? TensorProto::INT8 : TensorProto::UINT8;
    PRIVDNN_ASSIGN_OR_RETURN(const IntTensor zeros, ReadZeroPoints(source, scales.size(), type));
    if (scales != std::vector{quantize.scale} || zeros.values[0] != quantize.zero_point || zeros.type != type) {
      return InvalidArgument("'{}' was quantised with another scale, zero point or type", source.inputs[0]);
    }
    return Append(source, quantize, {value});
  }
  const IntTensor* constant = FoldedInts(source.inputs[0]);
  if (constant == nullptr) return InvalidArgument("'{}' is not quantised", source.inputs[0]);
  PRIVDNN_ASSIGN_OR_RETURN(const IntTensor zeros, ReadZeroPoints(source, scales.size(), constant->type));
  if (zeros.type != constant->type) {
    return InvalidArgument("its zero point is of type {}, '{}' of {}", TypeName(zeros.type), source.inputs[0],
                           TypeName(constant->type));
  }
  const std::string& same = SameConstant(source, axis, constant->type);
  if (same != source.proto.output(0)) return AppendAlias(source, same);
  PRIVDNN_ASSIGN_OR_RETURN(const ScaleIndex index, ScaleIndex::Create(constant->shape, axis, scales.size()));
  PRIVDNN_RETURN_IF_ERROR(constants_.Take(static_cast<int64_t>(constant->values.size()), sizeof(float)));
  budget_.Add(static_cast<int64_t>(constant->values.size()));
  Tensor result{constant->shape, std::vector<float>(constant->values.size())};
  for (size_t i = 0; i < result.values.size(); ++i) {
    result.values[i] = static_cast<float>(constant->values[i] - zeros.values[index(i)]) * scales[index(i)];
  }
  PRIVDNN_RETURN_IF_ERROR(DefineConstant(source.proto.output(0), std::move(result)));
  droppable_.insert(source.proto.output(0));
  return absl::OkStatus();
}

}  // namespace privdnn
