#include "privdnn/onnx/tensor.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <onnx/onnx_pb.h>

#include <cstring>
#include <limits>

#include "privdnn/base/bytes.h"
#include "privdnn/onnx/external.h"

namespace privdnn {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr WireFormatLite::WireType kBytesField = WireFormatLite::WIRETYPE_LENGTH_DELIMITED;

// Adds the sizes of the weight data in a message to `data_bytes`. `path` holds the field numbers that lead to it.
bool SumDataBytes(CodedInputStream& in, std::span<const int> path, uint64_t& data_bytes) {
  while (const uint32_t tag = in.ReadTag()) {
    const int field = WireFormatLite::GetTagFieldNumber(tag);
    if (WireFormatLite::GetTagWireType(tag) != kBytesField) {
      if (!WireFormatLite::SkipField(&in, tag)) return false;
      continue;
    }
    uint32_t size = 0;
    if (!in.ReadVarint32(&size)) return false;
    if (size > static_cast<uint32_t>(std::numeric_limits<int>::max())) return false;
    if (!path.empty() && field == path[0]) {
      const CodedInputStream::Limit limit = in.PushLimit(static_cast<int>(size));
      if (!SumDataBytes(in, path.subspan(1), data_bytes) || in.BytesUntilLimit() != 0) return false;
      in.PopLimit(limit);
      continue;
    }
    if (path.empty() &&
        (field == onnx::TensorProto::kRawDataFieldNumber || field == onnx::TensorProto::kFloatDataFieldNumber)) {
      data_bytes += size;
    }
    if (!in.Skip(static_cast<int>(size))) return false;
  }
  return in.ConsumedEntireMessage();
}

template <typename T>
std::vector<T> FromRaw(std::span<const uint8_t> raw) {
  std::vector<T> values(raw.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), raw.data(), values.size() * sizeof(T));
  return values;
}

// The `count` values of a tensor from raw_data (little-endian), from another file or from the field of its type.
template <typename T, typename Field>
absl::StatusOr<std::vector<T>> ReadValues(const onnx::TensorProto& proto, ExternalData* external, const Field& field,
                                          int64_t count) {
  if (proto.data_location() == onnx::TensorProto::EXTERNAL) {
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
  return raw ? FromRaw<T>(AsBytes(proto.raw_data())) : std::vector<T>(field.begin(), field.end());
}

absl::StatusOr<ConstantTensor> ReadUnnamed(const onnx::TensorProto& proto, ExternalData* external) {
  if (proto.data_location() != onnx::TensorProto::EXTERNAL && proto.external_data_size() > 0) {
    return InvalidArgument("names external data but has its own");
  }
  if (proto.has_segment()) return InvalidArgument("it is stored in segments, which is not supported");
  std::vector<int64_t> shape(proto.dims().begin(), proto.dims().end());
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t count, ElementCount(shape));
  switch (proto.data_type()) {
    case onnx::TensorProto::FLOAT: {
      PRIVDNN_ASSIGN_OR_RETURN(auto values, ReadValues<float>(proto, external, proto.float_data(), count));
      return ConstantTensor(Tensor{std::move(shape), std::move(values)});
    }
    case onnx::TensorProto::INT64: {
      PRIVDNN_ASSIGN_OR_RETURN(auto values, ReadValues<int64_t>(proto, external, proto.int64_data(), count));
      return ConstantTensor(IntTensor{std::move(shape), std::move(values)});
    }
    case onnx::TensorProto::INT32: {
      PRIVDNN_ASSIGN_OR_RETURN(const auto values, ReadValues<int32_t>(proto, external, proto.int32_data(), count));
      return ConstantTensor(IntTensor{std::move(shape), {values.begin(), values.end()}});
    }
    case onnx::TensorProto::BOOL: {
      PRIVDNN_ASSIGN_OR_RETURN(const auto values, ReadValues<uint8_t>(proto, external, proto.int32_data(), count));
      return ConstantTensor(IntTensor{std::move(shape), {values.begin(), values.end()}});
    }
    default:
      return InvalidArgument(
          "data type {} is not supported (supported: FLOAT, INT32, INT64, BOOL)",
          onnx::TensorProto::DataType_IsValid(proto.data_type())
              ? onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(proto.data_type()))
              : std::to_string(proto.data_type()));
  }
}

}  // namespace

absl::Status CheckStructureSize(std::span<const uint8_t> model) {
  if (model.size() > static_cast<size_t>(std::numeric_limits<int>::max())) return InvalidArgument("more than 2 GiB");
  CodedInputStream in(model.data(), static_cast<int>(model.size()));
  constexpr int kPath[] = {onnx::ModelProto::kGraphFieldNumber, onnx::GraphProto::kInitializerFieldNumber};
  uint64_t data_bytes = 0;
  if (!SumDataBytes(in, kPath, data_bytes)) return InvalidArgument("not an ONNX model: malformed protocol buffer");
  if (model.size() - data_bytes > kMaxStructureBytes) {
    return InvalidArgument("{} bytes besides the initializers' data, more than the {} allowed",
                           model.size() - data_bytes, kMaxStructureBytes);
  }
  return absl::OkStatus();
}

absl::StatusOr<ConstantTensor> ReadTensor(const onnx::TensorProto& proto, ExternalData* external) {
  absl::StatusOr<ConstantTensor> tensor = ReadUnnamed(proto, external);
  if (!tensor.ok()) return Annotate(tensor.status(), fmt::format("tensor '{}'", proto.name()));
  return tensor;
}

void WriteTensor(const std::string& name, const Tensor& tensor, onnx::TensorProto& proto) {
  proto.set_name(name);
  proto.set_data_type(onnx::TensorProto::FLOAT);
  for (const int64_t d : tensor.shape) proto.add_dims(d);
  proto.set_raw_data(tensor.values.data(), tensor.values.size() * sizeof(float));
}

void WriteTensor(const std::string& name, const std::vector<int64_t>& values, onnx::TensorProto& proto) {
  proto.set_name(name);
  proto.set_data_type(onnx::TensorProto::INT64);
  proto.add_dims(static_cast<int64_t>(values.size()));
  proto.set_raw_data(values.data(), values.size() * sizeof(int64_t));
}

}  // namespace privdnn
