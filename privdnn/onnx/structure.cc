#include "privdnn/onnx/structure.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "privdnn/onnx/onnx.h"

namespace privdnn {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr WireFormatLite::WireType kBytesField = WireFormatLite::WIRETYPE_LENGTH_DELIMITED;

enum class Message { kModel, kGraph, kNode, kAttribute, kTensor };

// The message in a field, of those that lead to tensors.
std::optional<Message> Inside(Message outer, int field) {
  switch (outer) {
    case Message::kModel:
      if (field == onnx::ModelProto::kGraphFieldNumber) return Message::kGraph;
      break;
    case Message::kGraph:
      if (field == onnx::GraphProto::kInitializerFieldNumber) return Message::kTensor;
      if (field == onnx::GraphProto::kNodeFieldNumber) return Message::kNode;
      break;
    case Message::kNode:
      if (field == onnx::NodeProto::kAttributeFieldNumber) return Message::kAttribute;
      break;
    case Message::kAttribute:
      if (field == onnx::AttributeProto::kTFieldNumber) return Message::kTensor;
      break;
    case Message::kTensor:
      break;
  }
  return std::nullopt;
}

// How a field of a tensor holds data: as it lies in memory, or as numbers of 1 to 10 bytes that take 4 or 8 there.
enum class Storage { kNone, kPlain, kVarint32, kVarint64 };
Storage StorageOf(int field) {
  switch (field) {
    case onnx::TensorProto::kRawDataFieldNumber:
    case onnx::TensorProto::kFloatDataFieldNumber:
    case onnx::TensorProto::kDoubleDataFieldNumber:
      return Storage::kPlain;
    case onnx::TensorProto::kInt32DataFieldNumber:
      return Storage::kVarint32;
    case onnx::TensorProto::kInt64DataFieldNumber:
      return Storage::kVarint64;
    default:
      return Storage::kNone;
  }
}

struct DataSize {
  uint64_t encoded = 0, decoded = 0;
};

// Adds the data in `size` bytes that begin here, and skips them.
bool AddData(CodedInputStream& in, Storage storage, int size, DataSize& sum) {
  if (storage != Storage::kNone && size > 0) {
    const void* data = nullptr;
    int available = 0;
    if (!in.GetDirectBufferPointer(&data, &available) || available < size) return false;
    sum.encoded += static_cast<uint64_t>(size);
    const std::span bytes(static_cast<const uint8_t*>(data), static_cast<size_t>(size));
    const auto numbers = static_cast<uint64_t>(std::ranges::count_if(bytes, [](uint8_t b) { return b < 0x80; }));
    sum.decoded += storage == Storage::kPlain      ? static_cast<uint64_t>(size)
                   : storage == Storage::kVarint32 ? numbers * sizeof(int32_t)
                                                   : numbers * sizeof(int64_t);
  }
  return in.Skip(size);
}

bool SumData(CodedInputStream& in, Message message, DataSize& sum) {
  while (const uint32_t tag = in.ReadTag()) {
    const int field = WireFormatLite::GetTagFieldNumber(tag);
    if (WireFormatLite::GetTagWireType(tag) != kBytesField) {
      if (!WireFormatLite::SkipField(&in, tag)) return false;
      continue;
    }
    uint32_t size = 0;
    if (!in.ReadVarint32(&size)) return false;
    if (size > static_cast<uint32_t>(std::numeric_limits<int>::max())) return false;
    if (const auto inner = Inside(message, field)) {
      const CodedInputStream::Limit limit = in.PushLimit(static_cast<int>(size));
      if (!SumData(in, *inner, sum) || in.BytesUntilLimit() != 0) return false;
      in.PopLimit(limit);
      continue;
    }
    const Storage storage = message == Message::kTensor ? StorageOf(field) : Storage::kNone;
    if (!AddData(in, storage, static_cast<int>(size), sum)) return false;
  }
  return in.ConsumedEntireMessage();
}

}  // namespace

absl::Status CheckStructureSize(std::span<const uint8_t> model) {
  if (model.size() > static_cast<size_t>(std::numeric_limits<int>::max())) return InvalidArgument("more than 2 GiB");
  CodedInputStream in(model.data(), static_cast<int>(model.size()));
  DataSize data;
  if (!SumData(in, Message::kModel, data)) return InvalidArgument("not an ONNX model: malformed protocol buffer");
  if (model.size() - data.encoded > kMaxStructureBytes) {
    return InvalidArgument("{} bytes besides the tensors' data, more than the {} allowed", model.size() - data.encoded,
                           kMaxStructureBytes);
  }
  if (data.decoded > kMaxModelBytes) {
    return InvalidArgument("its tensors take {} bytes, more than the {} allowed", data.decoded, kMaxModelBytes);
  }
  return absl::OkStatus();
}

}  // namespace privdnn
