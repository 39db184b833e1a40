// TensorProto in and out, and the bound on what a model's structure may cost. Internal to the ONNX reader and writer.
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
  // Elements that are the batch's size, which isn't known; their value is 0. Empty: none is.
  std::vector<bool> batch = {};
  bool IsBatch(size_t i) const { return !batch.empty() && batch[i]; }
};
using ConstantTensor = std::variant<Tensor, IntTensor>;

// Most bytes of a model that aren't the data of an initializer. Parsed messages take up to some 100 times the space of
// their encoding, so this also bounds the memory that a hostile model can claim.
inline constexpr uint64_t kMaxStructureBytes = uint64_t{8} << 20;
// An error if the encoding is malformed or its structure too large. Reads without allocating.
absl::Status CheckStructureSize(std::span<const uint8_t> model);

// FLOAT, INT32, INT64 or BOOL (as 0 and 1), stored in the message itself or, if `external` isn't null, in a file of it.
// Errors name the tensor.
absl::StatusOr<ConstantTensor> ReadTensor(const onnx::TensorProto& proto, ExternalData* external);
void WriteTensor(const std::string& name, const Tensor& tensor, onnx::TensorProto& proto);
void WriteTensor(const std::string& name, const std::vector<int64_t>& values, onnx::TensorProto& proto);

}  // namespace privdnn
