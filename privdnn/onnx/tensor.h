// Reads and writes TensorProto. Internal to the ONNX reader and writer.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "privdnn/graph/graph.h"

namespace onnx {
class TensorProto;
}

namespace privdnn {

class ExternalData;

// A constant of a model: floats (weights) or integers (shapes, indices, pads, quantised weights).
struct IntTensor {
  std::vector<int64_t> shape;
  std::vector<int64_t> values;
  // Marks elements that are the unknown batch size; their value is 0. Empty: there are none.
  std::vector<bool> batch = {};
  int type = 7;  // a TensorProto::DataType; INT64
  bool IsBatch(size_t i) const { return !batch.empty() && batch[i]; }
};
using ConstantTensor = std::variant<Tensor, IntTensor>;

// A TensorProto::DataType by its name in ONNX, also of types that came later; "99" for a type without one.
std::string TypeName(int64_t type);
// Whether a type's values are read as 32-bit floats: FLOAT, FLOAT16, BFLOAT16, DOUBLE.
bool IsFloatType(int64_t type);

// The bytes in memory that a model's constants may still take.
struct ConstantBudget {
  uint64_t bytes_left;
  // Fails, before anything is allocated, unless `count` values of `size` bytes are left.
  absl::Status Take(int64_t count, size_t size);
};

// Reads floats of any type (a DOUBLE that 32-bit floats don't hold is an error), 8- to 64-bit integers, or BOOL as 0
// and
// 1. The data is in the message itself, in any field that ONNX has for the type, or, if `external` isn't null, in one
// of its files. Errors name the tensor.
absl::StatusOr<ConstantTensor> ReadTensor(const onnx::TensorProto& proto, ExternalData* external,
                                          ConstantBudget& budget);
void WriteTensor(const std::string& name, const Tensor& tensor, onnx::TensorProto& proto);
void WriteTensor(const std::string& name, const std::vector<int64_t>& values, onnx::TensorProto& proto);

}  // namespace privdnn
