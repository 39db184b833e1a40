// Reads ONNX (operator sets 7 to 22, docs/onnx.md) and writes it (operator set 13), without LibTorch.
#pragma once

#include <filesystem>
#include <span>

#include "privdnn/base/bytes.h"
#include "privdnn/graph/graph.h"

namespace privdnn {

// Largest accepted model file, in bytes, and most bytes that its constants may take in memory.
inline constexpr uint64_t kMaxModelBytes = uint64_t{1} << 30;

struct OnnxImportOptions {
  // The shape of the graph's only input, without the batch: {3, 32, 32}. Fills in dimensions that the model leaves open
  // and must not contradict others. Empty: as the model says.
  std::vector<int64_t> input_shape = {};
};

// Parses and checks a model. `what` names it in errors. An unsupported operator or attribute is an error that names the
// node and the operator: "model.onnx: node 'Conv_3': operator 'Erf' is not supported (supported: Add, ...)". Shape
// arithmetic is folded, floats of 16 and 64 bits become floats of 32, quantised weights become floats. Nodes are
// sorted. A model for one batch size becomes a model for any; other dimensions of the input must be known, and
// FailedPrecondition says that they aren't.
// Initializers that exporters merged because they are equal get a copy for each place that reads them, under names of
// their own; only the weights of Conv, ConvTranspose, Gemm and MatMul that are read in several places stay one, unless
// all their values are the same: such a network applies a layer repeatedly, and its weights can't be encrypted. Only
// LoadOnnx reads weights from other files (external data), and only below the model's folder.
absl::StatusOr<Graph> ImportOnnx(std::span<const uint8_t> model, const std::string& what,
                                 const OnnxImportOptions& options = {});
absl::StatusOr<Graph> LoadOnnx(const std::filesystem::path& path, const OnnxImportOptions& options = {});

// Deterministic: the same graph gives the same bytes.
Bytes ExportOnnx(const Graph& graph);
absl::Status SaveOnnx(const Graph& graph, const std::filesystem::path& path);

}  // namespace privdnn
