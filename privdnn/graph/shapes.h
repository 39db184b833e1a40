// The shape rule of each operator; shared by InferShapes and the ONNX importer, which needs shapes while it reads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "privdnn/graph/graph.h"

namespace privdnn {

// Largest kernel side, stride or pad. Sums and products of two of them fit 64 bits.
inline constexpr int64_t kMaxExtent = int64_t{1} << 31;

// An input of a node: its shape and, for an initializer, its content. For values that depend on the graph's inputs,
// `constant` is nullptr and the first dimension is the batch.
struct Operand {
  std::vector<int64_t> shape;
  const Tensor* constant = nullptr;
};

// Returns the output shape of a node, with the batch first. Every rule keeps images separate: an operator that would
// mix or reorder the images of a batch (Flatten with axis 0, Concat along the batch, ...) is an error. Errors start
// with the node's name and operator.
absl::StatusOr<std::vector<int64_t>> InferNodeShape(const Node& node, std::span<const Operand> operands);

// Converts `axis` to a count from the front. Returns an error unless -rank <= axis < rank and the axis isn't the batch.
absl::StatusOr<size_t> NonBatchAxis(int64_t axis, size_t rank);

// Returns a node's error: "node 'Conv_3' (Conv): ...".
absl::Status NodeError(const std::string& name, const std::string& op, const absl::Status& status);

}  // namespace privdnn
