// Initializers that several nodes read. Internal to the ONNX reader.
#pragma once

#include "privdnn/graph/graph.h"
#include "privdnn/onnx/tensor.h"

namespace privdnn {

// Exporters merge initializers that are equal, such as the zero biases of a fresh network. Gives each place that reads
// an initializer a copy of its own: the first keeps the name, others read `name_2`, `name_3`, ... Kernels and matrices
// that are read in several places (input 1 of Conv, ConvTranspose and Gemm, either of MatMul) are one weight of a
// network that applies it repeatedly, and stay one, unless all their values are the same. Copies take their bytes from
// `budget` before they are made.
absl::Status SeparateInitializers(Graph& graph, ConstantBudget& budget);

}  // namespace privdnn
