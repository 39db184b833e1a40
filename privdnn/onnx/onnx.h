// ONNX in and out (operator sets 9 to 17 in, 13 out), without LibTorch.
#pragma once

#include <filesystem>
#include <span>

#include "privdnn/base/bytes.h"
#include "privdnn/graph/graph.h"

namespace privdnn {

// Largest model file accepted, bytes.
inline constexpr uint64_t kMaxModelBytes = uint64_t{1} << 30;

// Parses and checks a model. `what` names it in errors. An unsupported operator or attribute is an error that names the
// node and the operator: "model.onnx: node 'Conv_3': operator 'Erf' is not supported (supported: Add, ...)".
// Shape arithmetic is folded. The batch is the only dimension that may be dynamic; a model for one batch size becomes
// one for any. Weights in other files (external data) are read by LoadOnnx alone, and only below the model's folder.
absl::StatusOr<Graph> ImportOnnx(std::span<const uint8_t> model, const std::string& what);
absl::StatusOr<Graph> LoadOnnx(const std::filesystem::path& path);

// Deterministic: the same graph gives the same bytes.
Bytes ExportOnnx(const Graph& graph);
absl::Status SaveOnnx(const Graph& graph, const std::filesystem::path& path);

}  // namespace privdnn
