#include "privdnn/onnx/tensor.h"

#include <onnx/onnx_pb.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <type_traits>

#include "privdnn/base/bytes.h"
#include "privdnn/onnx/external.h"
#include "privdnn/onnx/onnx.h"

namespace privdnn {
namespace {

using onnx::TensorProto;

template <typename T>
std::vector<T> FromRaw(std::span<const uint8_t> raw) {
  std::vector<T> values(raw.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), raw.data(), values.size() * sizeof(T));
  return values;
}

template <typename T, typename Field>
absl::StatusOr<std::vector<T>> FromField(const Field& field) {
  std::vector<T> values(field.begin(), field.end());
  using Stored = typename Field::value_type;
  if constexpr (!std::is_same_v<T, Stored>) {
    for (size_t i = 0; i < values.size(); ++i) {
      const Stored stored = field[static_cast<int>(i)];
      if (static_cast<Stored>(values[i]) == stored) continue;
      return InvalidArgument("element {} is {}, which does not fit its type", i, stored);
    }
  }
  return values;
}

// The `count` values of a tensor from raw_data (little-endian), from another file or from the field of its type.
template <typename T, typename Field>
absl::StatusOr<std::vector<T>> ReadValues(const TensorProto& proto, ExternalData* external, const Field& field,
                                          int64_t count) {
  if (proto.data_location() == TensorProto::EXTERNAL) {
    if (external == nullptr) return InvalidArgument("its data lies in another file (external data)");
    if (proto.has_raw_data() || !field.empty()) return InvalidArgument("has both external data and data of its own");
    PRIVDNN_ASSIGN_OR_RETURN(const auto data, external->Find(proto, static_cast<uint64_t>(count) * sizeof(T)));
    return FromRaw<T>(data);
  }
  const bool raw = proto.has_raw_data();
  if (raw && !field.empty()) return InvalidArgument("has both raw_data and typed data");
  const uint64_t bytes = raw ? proto.raw_data().size() : static_cast<uint64_t>(field.size()) * sizeof(T);
  if (bytes != static_cast<uint64_t>(count) * sizeof(T)) {
    return InvalidArgument("its shape needs {} bytes of data, it has {}", static_cast<uint64_t>(count) * sizeof(T),
                           bytes);
  }
  if (raw) return FromRaw<T>(AsBytes(proto.raw_data()));
  return FromField<T>(field);
}

// 5 bits of exponent, 10 of fraction.
float FromFloat16(uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  float magnitude = std::ldexp(static_cast<float>(fraction | 0x400), exponent - 25);
  if (exponent == 0) magnitude = std::ldexp(static_cast<float>(fraction), -24);
  if (exponent == 0x1f) {
    magnitude = fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  }
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

// The upper half of a 32-bit float.
float FromBfloat16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

template <typename To, typename From, typename Convert>
std::vector<To> Map(const std::vector<From>& from, Convert convert) {
  std::vector<To> to(from.size());
  for (size_t i = 0; i < from.size(); ++i) to[i] = convert(from[i]);
  return to;
}

absl::StatusOr<std::vector<float>> Narrow(const std::vector<double>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i]) && std::abs(values[i]) > std::numeric_limits<float>::max()) {
      return InvalidArgument("element {} is {}, beyond the range of 32-bit floats", i, values[i]);
    }
  }
  return Map<float>(values, [](double v) { return static_cast<float>(v); });
}

absl::StatusOr<std::vector<float>> ReadFloats(const TensorProto& proto, ExternalData* external, int64_t count) {
  switch (proto.data_type()) {
    case TensorProto::DOUBLE: {
      PRIVDNN_ASSIGN_OR_RETURN(const auto values, ReadValues<double>(proto, external, proto.double_data(), count));
      return Narrow(values);
    }
    case TensorProto::FLOAT16: {
      PRIVDNN_ASSIGN_OR_RETURN(const auto bits, ReadValues<uint16_t>(proto, external, proto.int32_data(), count));
      return Map<float>(bits, FromFloat16);
    }
    case TensorProto::BFLOAT16: {
      PRIVDNN_ASSIGN_OR_RETURN(const auto bits, ReadValues<uint16_t>(proto, external, proto.int32_data(), count));
      return Map<float>(bits, FromBfloat16);
    }
    default:
      return ReadValues<float>(proto, external, proto.float_data(), count);
  }
}

template <typename T>
absl::StatusOr<std::vector<int64_t>> ReadSmallInts(const TensorProto& proto, ExternalData* external, int64_t count) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto values, ReadValues<T>(proto, external, proto.int32_data(), count));
  return std::vector<int64_t>(values.begin(), values.end());
}

using IntReader = absl::StatusOr<std::vector<int64_t>> (*)(const TensorProto&, ExternalData*, int64_t count);
// Null for a type that isn't read.
IntReader ReaderOfInts(int type) {
  switch (type) {
    case TensorProto::BOOL:
    case TensorProto::UINT8:
      return &ReadSmallInts<uint8_t>;
    case TensorProto::INT8:
      return &ReadSmallInts<int8_t>;
    case TensorProto::UINT16:
      return &ReadSmallInts<uint16_t>;
    case TensorProto::INT16:
      return &ReadSmallInts<int16_t>;
    case TensorProto::INT32:
      return &ReadSmallInts<int32_t>;
    case TensorProto::INT64:
      return [](const TensorProto& proto, ExternalData* external, int64_t count) {
        return ReadValues<int64_t>(proto, external, proto.int64_data(), count);
      };
    default:
      return nullptr;
  }
}

absl::StatusOr<ConstantTensor> ReadUnnamed(const TensorProto& proto, ExternalData* external, ConstantBudget& budget) {
  if (proto.data_location() != TensorProto::EXTERNAL && proto.external_data_size() > 0) {
    return InvalidArgument("names external data but has its own");
  }
  if (proto.has_segment()) return InvalidArgument("it is stored in segments, which is not supported");
  std::vector<int64_t> shape(proto.dims().begin(), proto.dims().end());
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t count, ElementCount(shape));
  if (IsFloatType(proto.data_type())) {
    PRIVDNN_RETURN_IF_ERROR(budget.Take(count, sizeof(float)));
    PRIVDNN_ASSIGN_OR_RETURN(auto values, ReadFloats(proto, external, count));
    return ConstantTensor(Tensor{std::move(shape), std::move(values)});
  }
  const IntReader read = ReaderOfInts(proto.data_type());
  if (read == nullptr) {
    return InvalidArgument(
        "data type {} is not supported (supported: FLOAT, FLOAT16, BFLOAT16, DOUBLE, BOOL, INT8, UINT8, INT16, UINT16, "
        "INT32, INT64)",
        TypeName(proto.data_type()));
  }
  PRIVDNN_RETURN_IF_ERROR(budget.Take(count, sizeof(int64_t)));
  PRIVDNN_ASSIGN_OR_RETURN(auto values, read(proto, external, count));
  return ConstantTensor(IntTensor{std::move(shape), std::move(values), {}, proto.data_type()});
}

}  // namespace

std::string TypeName(int64_t type) {
  // Newer than the ONNX that this is built with.
  static const std::map<int64_t, const char*> later = {
      {17, "FLOAT8E4M3FN"}, {18, "FLOAT8E4M3FNUZ"}, {19, "FLOAT8E5M2"}, {20, "FLOAT8E5M2FNUZ"},
      {21, "UINT4"},        {22, "INT4"},           {23, "FLOAT4E2M1"}, {24, "FLOAT8E8M0"}};
  if (const auto it = later.find(type); it != later.end()) return it->second;
  const bool known =
      type >= 0 && type <= std::numeric_limits<int>::max() && TensorProto::DataType_IsValid(static_cast<int>(type));
  return known ? TensorProto::DataType_Name(static_cast<TensorProto::DataType>(type)) : std::to_string(type);
}

bool IsFloatType(int64_t type) {
  return type == TensorProto::FLOAT || type == TensorProto::FLOAT16 || type == TensorProto::BFLOAT16 ||
         type == TensorProto::DOUBLE;
}

absl::Status ConstantBudget::Take(int64_t count, size_t size) {
  const uint64_t bytes = static_cast<uint64_t>(count) * size;  // at most 2^31 values
  if (bytes > bytes_left) {
    return InvalidArgument("the model's constants take more than the {} bytes allowed", kMaxModelBytes);
  }
  bytes_left -= bytes;
  return absl::OkStatus();
}

absl::StatusOr<ConstantTensor> ReadTensor(const TensorProto& proto, ExternalData* external, ConstantBudget& budget) {
  absl::StatusOr<ConstantTensor> tensor = ReadUnnamed(proto, external, budget);
  if (!tensor.ok()) return Annotate(tensor.status(), fmt::format("tensor '{}'", proto.name()));
  return tensor;
}

void WriteTensor(const std::string& name, const Tensor& tensor, TensorProto& proto) {
  proto.set_name(name);
  proto.set_data_type(TensorProto::FLOAT);
  for (const int64_t d : tensor.shape) proto.add_dims(d);
  proto.set_raw_data(tensor.values.data(), tensor.values.size() * sizeof(float));
}

void WriteTensor(const std::string& name, const std::vector<int64_t>& values, TensorProto& proto) {
  proto.set_name(name);
  proto.set_data_type(TensorProto::INT64);
  proto.add_dims(static_cast<int64_t>(values.size()));
  proto.set_raw_data(values.data(), values.size() * sizeof(int64_t));
}

}  // namespace privdnn
