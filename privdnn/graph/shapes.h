// The shape rule of each operator; shared by InferShapes and the ONNX importer, which needs shapes while it reads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "privdnn/graph/graph.h"

namespace privdnn {

// Largest kernel side, stride or pad; sums and products of two of them fit 64 bits.
inline constexpr int64_t kMaxExtent = int64_t{1} << 31;

// What a node reads: its shape and, for an initializer, its content. Values that depend on the graph's inputs have
// constant == nullptr and the batch as first dimension.
struct Operand {
  std::vector<int64_t> shape;
  const Tensor* constant = nullptr;
};

// Output shape of a node, the batch first. Every rule keeps images apart: an operator that would mix the images of a
// batch or reorder them (Flatten with axis 0, Concat along the batch, ...) is an error. Errors start with the node's
// name and operator.
absl::StatusOr<std::vector<int64_t>> InferNodeShape(const Node& node, std::span<const Operand> operands);

// `axis` counted from the front; an error unless -rank <= axis < rank and it isn't the batch.
absl::StatusOr<size_t> NonBatchAxis(int64_t axis, size_t rank);

// The error of a node: "node 'Conv_3' (Conv): ...".
absl::Status NodeError(const std::string& name, const std::string& op, const absl::Status& status);

}  // namespace privdnn
