// Reads and writes TensorProto, and bounds the cost of a model's structure. Internal to the ONNX reader and writer.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "privdnn/graph/graph.h"

namespace onnx {
class TensorProto;
}

namespace privdnn {

class ExternalData;

// A constant of a model: floats (weights) or integers (shapes, indices, pads).
struct IntTensor {
  std::vector<int64_t> shape;
  std::vector<int64_t> values;
  // Marks elements that are the unknown batch size; their value is 0. Empty: there are none.
  std::vector<bool> batch = {};
  bool IsBatch(size_t i) const { return !batch.empty() && batch[i]; }
};
using ConstantTensor = std::variant<Tensor, IntTensor>;

// Most bytes of a model apart from the data of initializers. A parsed message takes up to about 100 times the space of
// its encoding, so this also bounds the memory that a hostile model can claim.
inline constexpr uint64_t kMaxStructureBytes = uint64_t{8} << 20;
// Fails if the encoding is malformed or its structure is too large. Reads without allocating.
absl::Status CheckStructureSize(std::span<const uint8_t> model);

// Reads FLOAT, INT32, INT64 or BOOL (as 0 and 1). The data is in the message itself or, if `external` isn't null, in
// one of its files. Errors name the tensor.
absl::StatusOr<ConstantTensor> ReadTensor(const onnx::TensorProto& proto, ExternalData* external);
void WriteTensor(const std::string& name, const Tensor& tensor, onnx::TensorProto& proto);
void WriteTensor(const std::string& name, const std::vector<int64_t>& values, onnx::TensorProto& proto);

}  // namespace privdnn
